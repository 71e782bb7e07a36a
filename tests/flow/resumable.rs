//! A large upload in parts (tus 1.0): what came stays, whoever goes on with it, and every byte is there once.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;
use serde_json::{Value, json};
use support::client::send;
use support::content::{bytes, checksum};
use support::{Admin, Answer, Client, Fleet, PATIENCE, System, eventually};

const PART: &str = "application/offset+octet-stream";

/// A large upload under way.
struct Upload {
    id: String,
    url: String,
}

async fn begin(admin: &Admin, version: &str, size: usize) -> Upload {
    let about = json!({ "fileName": "large.bin", "fileSize": size });
    let begun = admin.begin_upload("parts", version, about).await.expect(200);
    Upload { id: begun.text("/uploadId"), url: begun.text("/uploadUrl") }
}

impl Upload {
    async fn patch(&self, client: &Client, offset: usize, bytes: &[u8]) -> Answer {
        let request = client.request(Method::PATCH, &self.url).header("content-type", PART);
        let request = request.header("tus-resumable", "1.0.0").header("upload-offset", offset);
        send(request.body(bytes.to_vec())).await
    }

    /// Where it stands, by HEAD.
    async fn offset(&self, client: &Client) -> usize {
        let told =
            send(client.request(Method::HEAD, &self.url).header("tus-resumable", "1.0.0")).await.expect(200);
        assert_eq!((told.header("tus-resumable"), told.header("cache-control")), ("1.0.0", "no-store"));
        told.header("upload-offset").parse().unwrap()
    }

    fn complete(&self) -> Value {
        json!({ "uploadId": self.id })
    }

    /// Asks for the parts' end by hand, sends `bytes` of it, and hangs up.
    fn break_off(&self, offset: usize, announced: usize, bytes: &[u8]) {
        let rest = self.url.strip_prefix("http://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "PATCH /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {PART}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\nContent-Length: {announced}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(bytes).unwrap();
        stream.flush().unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    }
}

#[tokio::test]
async fn parts_become_the_file_through_every_door() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("parts").await;
    let content = bytes(11, 3_000_000);
    let (edge_a, edge_b) = (system.admin(0), system.admin(1));
    let upload = begin(&edge_a, "2.0.0", content.len()).await;
    // The same ticket opens every door.
    let elsewhere =
        |base: &str| Upload { id: upload.id.clone(), url: upload.url.replace(&system.edges[0], base) };
    let doors = [elsewhere(&system.edges[0]), elsewhere(&system.edges[1]), elsewhere(&system.desk)];
    assert_eq!(doors[1].offset(&edge_b).await, 0);
    let mut at = 0;
    for (number, size) in [1, 999_999, 0, 1_500_000, 500_000].into_iter().enumerate() {
        let door = &doors[number % 3];
        let told = door.patch(&admin, at, &content[at..at + size]).await.expect(204);
        at += size;
        assert_eq!(told.header("upload-offset"), at.to_string());
        assert_eq!(told.header("tus-resumable"), "1.0.0");
        assert_eq!(doors[(number + 1) % 3].offset(&admin).await, at);
        if at < content.len() {
            let early = admin.complete_upload(upload.complete()).await.expect(409);
            assert_eq!(early.failure().1, "upload_not_received");
        }
    }
    // The last bytes again, with nothing in them: as after an answer that got lost.
    upload.patch(&admin, at, b"").await.expect(204);
    let told = admin.complete_upload(upload.complete()).await.expect(201);
    assert_eq!(told.text("/checksum"), checksum(&content));
    let got = system.client(0, &stock.key.text).get("/v1/download/parts/2.0.0/large.bin").await.expect(200);
    assert!(got.body == content, "other bytes");
    assert_eq!(upload.patch(&admin, at, b"").await.expect(409).failure().1, "upload_completed");
    let told = send(admin.request(Method::HEAD, &upload.url)).await;
    assert_eq!((told.status, told.header("tus-resumable")), (409, "1.0.0"));
}

#[tokio::test]
async fn what_is_not_the_next_part_is_refused_and_changes_nothing() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.stock("parts").await;
    for base in [&system.edges[0], &system.desk] {
        let upload = begin(&admin, "2.0.0", 10).await;
        let url = upload.url.replace(&system.edges[0], base);
        let upload = Upload { url, ..upload };
        upload.patch(&admin, 0, b"0123").await.expect(204);
        let ask = |method: Method| admin.request(method, &upload.url).header("content-type", PART);
        let at_four = |method| ask(method).header("upload-offset", "4");
        let rows = [
            (upload.patch(&admin, 3, b"x").await, 409, "offset_mismatch"),
            (upload.patch(&admin, 5, b"x").await, 409, "offset_mismatch"),
            (upload.patch(&admin, 0, b"0123").await, 409, "offset_mismatch"),
            (upload.patch(&admin, 4, b"4567890").await, 413, "upload_too_long"),
            (upload.patch(&admin, usize::MAX, b"x").await, 413, "upload_too_long"),
            (send(ask(Method::PATCH).body("x")).await, 400, "invalid_header"),
            (send(ask(Method::PATCH).header("upload-offset", "-4").body("x")).await, 400, "invalid_header"),
            (
                send(at_four(Method::PATCH).header("upload-offset", "5").body("x")).await,
                400,
                "invalid_header",
            ),
            (
                send(at_four(Method::PATCH).header("tus-resumable", "0.2.2").body("x")).await,
                412,
                "tus_version_unsupported",
            ),
            (
                send(admin.request(Method::PATCH, &upload.url).header("upload-offset", "4").body("x")).await,
                415,
                "unsupported_media_type",
            ),
        ];
        for (told, status, reason) in rows {
            assert_eq!((told.status, told.failure().1.as_str()), (status, reason), "{told:?}");
            assert_eq!(told.header("tus-resumable"), "1.0.0");
            match reason {
                "offset_mismatch" => {
                    assert_eq!(told.header("upload-offset"), "4");
                    assert_eq!(told.json()["error"]["details"]["uploadOffset"], 4);
                    assert!(told.json()["error"]["message"].as_str().unwrap().contains("at 4 bytes"));
                }
                "tus_version_unsupported" => assert_eq!(told.header("tus-version"), "1.0.0"),
                _ => {}
            }
        }
    }
    let forged = Upload { id: String::new(), url: format!("{}/v1/uploads/forged", system.desk) };
    assert_eq!(forged.patch(&admin, 0, b"x").await.expect(404).failure().1, "upload_not_found");
}

#[tokio::test]
async fn too_many_bytes_a_whole_body_and_giving_up_each_have_their_effect() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.stock("parts").await;
    for base in [&system.edges[0], &system.desk] {
        let upload = begin(&admin, "2.0.0", 10).await;
        let url = upload.url.replace(&system.edges[0], base);
        let upload = Upload { url, ..upload };
        upload.patch(&admin, 0, b"0123").await.expect(204);
        let at_four = |method| {
            let request = admin.request(method, &upload.url).header("content-type", PART);
            request.header("upload-offset", "4")
        };
        // More than was announced, without a length that says so: what fits is not spoiled by what does not.
        let pieces = [&b"4"[..], b"5", b"6789ab"].map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
        let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let told = send(at_four(Method::PATCH).body(stream)).await;
        assert_eq!((told.status, told.failure().1.as_str()), (413, "upload_too_long"));
        let at = upload.offset(&admin).await;
        assert!((4..=10).contains(&at), "{at}");
        upload.patch(&admin, at, &b"0123456789"[at..]).await.expect(204);
        let told = send(admin.request(Method::PUT, &upload.url).body("9876543210")).await;
        assert_eq!(
            told.expect(200).text("/checksum"),
            checksum(b"9876543210"),
            "a whole body replaces parts"
        );
        assert_eq!(upload.offset(&admin).await, 10);
        send(admin.request(Method::DELETE, &upload.url)).await.expect(204);
        for method in [Method::HEAD, Method::PATCH, Method::PUT, Method::DELETE] {
            assert_eq!(send(at_four(method).body("")).await.status, 404);
        }
        assert_eq!(
            admin.complete_upload(upload.complete()).await.expect(404).failure().1,
            "upload_not_found"
        );
    }
}

#[tokio::test]
async fn a_part_that_breaks_off_leaves_what_had_come() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("parts").await;
    let content = bytes(12, 4_000_000);
    for (number, base) in [&system.edges[0], &system.desk].into_iter().enumerate() {
        let version = format!("{number}.0.0");
        let upload = begin(&admin, &version, content.len()).await;
        let upload = Upload { url: upload.url.replace(&system.edges[0], base), ..upload };
        let mut at = 0;
        while at < content.len() {
            let half = at + (content.len() - at).div_ceil(2);
            upload.break_off(at, content.len() - at, &content[at..half]);
            // The writer before may not have noticed yet that its client is gone.
            let now = eventually(PATIENCE, || async {
                let now = upload.offset(&admin).await;
                if now > at { Ok(now) } else { Err(now) }
            })
            .await;
            let end = content.len().min(now + 100_000);
            let told = eventually(PATIENCE, || async {
                let from = upload.offset(&admin).await;
                let told = upload.patch(&admin, from, &content[from..end.max(from)]).await;
                if told.status == 204 { Ok(told) } else { Err(told) }
            })
            .await;
            at = told.header("upload-offset").parse().unwrap();
        }
        let told = admin.complete_upload(upload.complete()).await.expect(201);
        assert_eq!(told.text("/checksum"), checksum(&content));
        let path = format!("/v1/download/parts/{version}/large.bin");
        assert!(
            system.client(0, &stock.key.text).get(&path).await.expect(200).body == content,
            "other bytes"
        );
    }
}

#[tokio::test]
async fn of_two_writers_at_the_same_place_one_comes_through() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.stock("parts").await;
    for round in 0..6 {
        let contents = [bytes(round, 2_000_000), bytes(100 + round, 2_000_000)];
        let upload = begin(&admin, &format!("{round}.0.0"), 2_000_000).await;
        let other =
            Upload { id: upload.id.clone(), url: upload.url.replace(&system.edges[0], &system.edges[1]) };
        let (one, two) =
            tokio::join!(upload.patch(&admin, 0, &contents[0]), other.patch(&admin, 0, &contents[1]));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        // One after the other is as good: a whole one replaces a whole one, as with PUT.
        assert!(matches!(statuses, [204, 204 | 409]), "{one:?} {two:?}");
        let taken = [&one, &two].into_iter().zip(&contents).filter(|(told, _)| told.status == 204);
        let taken: Vec<String> = taken.map(|(_, content)| checksum(content)).collect();
        let told = admin.complete_upload(upload.complete()).await.expect(201);
        assert!(taken.contains(&told.text("/checksum")), "a mixture");
    }
}

#[tokio::test]
async fn a_held_part_keeps_others_out_until_it_ends() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.stock("parts").await;
    let content = bytes(14, 3 << 20);
    let upload = begin(&admin, "2.0.0", content.len()).await;
    let rest = upload.url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "PATCH /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {PART}\r\nUpload-Offset: 0\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    )
    .unwrap();
    // The system runs on this thread: it must not be held up.
    let (head, tail) = (content[..2 << 20].to_vec(), content[2 << 20..].to_vec());
    let mut stream = tokio::task::spawn_blocking(move || {
        stream.write_all(&head).unwrap();
        stream
    })
    .await
    .unwrap();
    let now = eventually(PATIENCE, || async {
        match upload.offset(&admin).await {
            0 => Err("nothing has come"),
            now => Ok(now),
        }
    })
    .await;
    let told = upload.patch(&admin, now, b"x").await.expect(409);
    assert_eq!(told.failure().1, "upload_busy");
    let answer = tokio::task::spawn_blocking(move || {
        stream.write_all(&tail).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.to_lowercase()
    });
    let answer = answer.await.unwrap();
    let expected = format!("upload-offset: {}", content.len());
    assert!(answer.starts_with("http/1.1 204") && answer.contains(&expected), "{answer}");
    let told = admin.complete_upload(upload.complete()).await.expect(201);
    assert_eq!(told.text("/checksum"), checksum(&content));
}

#[tokio::test]
async fn a_killed_control_plane_forgets_no_byte_that_it_told_of() {
    let mut fleet = Fleet::start(1).await;
    let admin = fleet.admin(0);
    let stock = admin.stock("parts").await;
    let content = bytes(13, 5_000_000);
    let upload = begin(&admin, "2.0.0", content.len()).await;
    upload.patch(&admin, 0, &content[..2_000_000]).await.expect(204);
    upload.break_off(2_000_000, 3_000_000, &content[2_000_000..4_000_000]);
    fleet.desk.kill();
    fleet.desk.start();
    fleet.desk_ready().await;
    let at = upload.offset(&admin).await;
    assert!((2_000_000..=4_000_000).contains(&at), "{at}");
    upload.patch(&admin, at, &content[at..]).await.expect(204);
    let told = admin.complete_upload(upload.complete()).await.expect(201);
    assert_eq!(told.text("/checksum"), checksum(&content));
    let got = fleet.client(0, &stock.key.text).get("/v1/download/parts/2.0.0/large.bin").await.expect(200);
    assert!(got.body == content, "other bytes");
    fleet.assert_sound();
}

#[tokio::test]
async fn a_file_whose_end_was_lost_is_finished_by_whoever_asks_next() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.stock("parts").await;
    for (version, asks_first) in [("2.0.0", true), ("3.0.0", false)] {
        let upload = begin(&admin, version, 5).await;
        // As a crash leaves it between the last byte and the note of it.
        let parts = system.scratch().join("desk/blobs/.incoming").join(format!("{}.parts", upload.id));
        std::fs::write(parts, b"whole").unwrap();
        if asks_first {
            assert_eq!(upload.offset(&admin).await, 5);
        }
        let told = admin.complete_upload(upload.complete()).await.expect(201);
        assert_eq!(told.text("/checksum"), checksum(b"whole"));
    }
}

#[tokio::test]
async fn a_hundred_completions_make_one_version() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.stock("parts").await;
    let upload = begin(&admin, "2.0.0", 5).await;
    let put = admin.request(Method::PUT, &upload.url).header(CONTENT_LENGTH, 5).body("whole");
    send(put).await.expect(200);
    let completions: Vec<_> = (0..100)
        .map(|number| {
            let (admin, body) = (system.admin(number % 2), upload.complete());
            tokio::spawn(async move { admin.complete_upload(body).await })
        })
        .collect();
    let mut told = Vec::new();
    for completion in completions {
        told.push(completion.await.unwrap().expect(201).data(""));
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
    let files = admin.get("/v1/applications/parts/versions/2.0.0/files").await.expect(200);
    assert_eq!(files.column("/files", "fileName"), ["large.bin"]);
}

#[tokio::test]
async fn an_upload_for_an_application_that_is_gone_takes_no_more() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.stock("parts").await;
    let (whole, half) = (begin(&admin, "2.0.0", 5).await, begin(&admin, "3.0.0", 5).await);
    send(admin.request(Method::PUT, &whole.url).body("whole")).await.expect(200);
    half.patch(&admin, 0, b"ha").await.expect(204);
    admin.delete("/v1/management/applications/parts").await.expect(200);
    let refused = [
        half.patch(&admin, 2, b"lf!").await,
        send(admin.request(Method::PUT, &half.url).body("whole")).await,
        admin.complete_upload(whole.complete()).await,
    ];
    for told in refused {
        assert_eq!((told.status, told.failure().1.as_str()), (404, "application_not_found"), "{told:?}");
    }
}
