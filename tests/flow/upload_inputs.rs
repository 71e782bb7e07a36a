//! What anybody will try with an upload by hand: forms out of shape, names that are none, sizes that lie.

use std::io::Read as _;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::content::checksum;
use support::{Admin, Answer, System};

const UPLOAD: &str = "/v1/management/upload";

/// One part of a form: its `Content-Disposition` behind `form-data`, and its bytes.
fn part(disposition: &str, content: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
}

fn text(name: &str, content: &str) -> String {
    part(&format!("name=\"{name}\""), content)
}

fn texts(version: &str) -> String {
    text("applicationId", "tried") + &text("version", version)
}

async fn send_form(admin: &Admin, content_type: &str, body: String) -> Answer {
    send(admin.request(Method::POST, UPLOAD).header("content-type", content_type).body(body)).await
}

async fn form(admin: &Admin, body: String) -> Answer {
    send_form(admin, "multipart/form-data; boundary=b", body + "--b--\r\n").await
}

async fn tried(system: &System) -> Admin {
    let admin = system.admin(0);
    admin.create_application("tried", &[]).await.expect(201);
    admin
}

#[tokio::test]
async fn a_form_out_of_shape_is_refused_with_what_is_wrong() {
    let system = System::in_process().await;
    let admin = tried(&system).await;
    let file = part("name=\"file\"; filename=\"a.bin\"", "bytes");
    let long = "x".repeat(70);
    for (name, body, expected) in [
        ("no file", texts("1"), (400, "invalid_fields")),
        ("two files", texts("1") + &file + &file, (400, "invalid_multipart")),
        ("a field twice", texts("1") + &text("version", "2") + &file, (400, "")),
        ("a part without a name", texts("1") + &file + &part("x=y", "z"), (400, "invalid_multipart")),
        ("too many parts", texts("1") + &text("x", "y").repeat(10_001), (400, "invalid_multipart")),
        ("no bytes", texts("1") + &part("name=\"file\"; filename=\"empty.bin\"", ""), (201, "")),
        ("the file first", file.clone() + &texts("2"), (201, "")),
    ] {
        let told = form(&admin, body).await;
        assert_eq!(told.status, expected.0, "{name}: {told:?}");
        assert!(expected.1.is_empty() || told.failure().1 == expected.1, "{name}: {told:?}");
    }
    let whole = texts("3") + &file + "--b--\r\n";
    for (content_type, status) in [
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=other", 400),
        ("multipart/form-data; boundary=\"b\"", 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
    ] {
        assert_eq!(send_form(&admin, content_type, whole.clone()).await.status, status, "{content_type}");
    }
    let longest = whole.replace("--b", &format!("--{long}")).replace("\"3\"", "\"4\"");
    let told = send_form(&admin, &format!("multipart/form-data; boundary={long}"), longest).await;
    assert!(matches!(told.status, 201 | 409), "{told:?}");
    let endless = send_form(&admin, "multipart/form-data; boundary=b", texts("5") + &file).await;
    assert_eq!((endless.status, endless.failure().1.as_str()), (400, "invalid_multipart"));
}

#[tokio::test]
async fn a_file_is_named_by_what_can_be_a_name_and_by_nothing_else() {
    let system = System::in_process().await;
    let admin = tried(&system).await;
    let long = format!("filename=\"{}\"", "x".repeat(5_000));
    let mut number = 0;
    for (disposition, expected) in [
        ("filename=\"../../x\"", None),
        ("filename=\"C:\\x\"", None),
        ("filename=\"a\\\"b\"", None),
        ("filename=\"\u{202e}gpj.exe\"", None),
        (long.as_str(), None),
        ("filename=\"\"", None),
        ("filename=\".\"", None),
        ("filename=\"NUL\"", None),
        ("filename*=utf-8''..%2f..%2fx", None),
        ("filename*=utf-8''a%0d%0aX:y", None),
        ("filename*=utf-8''%ff", None),
        ("filename=\"plain.bin\"", Some("plain.bin")),
        ("filename*=UTF-8''na%C3%AFve%20file.bin", Some("naïve file.bin")),
        ("filename=\"fallback.bin\"; filename*=UTF-8''%E2%82%AC.bin", Some("€.bin")),
        ("filename*=UTF-8''%E2%82%AC.bin; filename=\"fallback.bin\"", Some("€.bin")),
        ("filename=\"picture.png\"", Some("picture.png")),
    ] {
        number += 1;
        let body = texts(&number.to_string()) + &part(&format!("name=\"file\"; {disposition}"), "MZ");
        let told = form(&admin, body).await;
        match expected {
            Some(name) => assert_eq!(told.expect(201).text("/fileName"), name),
            None => {
                let told = told.expect(400);
                let details = told.json()["error"]["details"].to_string();
                assert!(details.contains("fileName"), "{disposition}: {told:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_file_claims_to_be_does_no_harm() {
    let system = System::in_process().await;
    let admin = tried(&system).await;
    for (number, (content_type, status)) in [
        ("text/html", 201),
        ("image/svg+xml", 201),
        ("x\r\ny", 400),
        ("x/y\r\nz", 400),
        ("none", 400),
        ("", 201),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({
            "applicationId": "tried", "version": number.to_string(), "fileName": "a.png",
            "contentType": content_type, "fileContent": "PHNjcmlwdD4=",
        });
        let told = admin.post(UPLOAD, &body).await;
        assert_eq!(told.status, status, "{content_type:?}: {told:?}");
        if status == 201 {
            let got = admin.get(&format!("/v1/download/tried/{number}/a.png")).await.expect(200);
            assert_eq!(got.header("x-content-type-options"), "nosniff");
            assert!(got.header("content-disposition").starts_with("attachment"), "{got:?}");
        }
    }
}

#[tokio::test]
async fn a_size_that_cannot_be_or_lies_is_refused() {
    let system = System::in_process().await;
    let admin = tried(&system).await;
    let about = |size: Value| json!({ "fileName": "a.bin", "fileSize": size });
    let huge: Value = serde_json::from_str("9223372036854775808").unwrap();
    for (size, status) in [
        (json!(-1), 400),
        (json!(0), 400),
        (json!(1.5), 400),
        (json!("5"), 400),
        (json!(null), 400),
        (huge, 400),
        (json!((64_u64 << 30) + 1), 413),
    ] {
        let told = admin.begin_upload("tried", "1.0.0", about(size.clone())).await;
        assert_eq!(told.status, status, "{size}: {told:?}");
    }
    let begun = admin.begin_upload("tried", "1.0.0", about(json!(5))).await.expect(200);
    let complete = json!({ "uploadId": begun.text("/uploadId") });
    let put = |body: &'static str| {
        let request = admin.request(Method::PUT, &begun.text("/uploadUrl"));
        send(request.header("content-type", "text/html").body(body))
    };
    assert_eq!(admin.complete_upload(complete.clone()).await.expect(409).failure().1, "upload_not_received");
    assert_eq!(put("1234").await.expect(409).failure().1, "size_mismatch");
    assert_eq!(put("123456").await.expect(409).failure().1, "size_mismatch");
    put("12345").await.expect(200);
    assert_eq!(put("54321").await.expect(200).text("/checksum"), checksum(b"54321"), "the later one counts");
    for (long, status) in [
        (json!({ "checksum": checksum(b"12345") }), 409),
        (json!({ "sha256": checksum(b"12345") }), 409),
        (json!({ "size": 4 }), 409),
        (json!({ "fileSize": 4 }), 409),
        (json!({ "fileName": "b.bin" }), 409),
        (json!({ "applicationId": "other" }), 409),
        (json!({ "checksum": "not one" }), 400),
        (json!({ "fileSize": 5, "checksum": format!("sha256:{}", checksum(b"54321")) }), 201),
        (json!({ "size": 5, "sha256": checksum(b"54321").to_uppercase() }), 201),
    ] {
        let mut body = complete.clone();
        body.as_object_mut().unwrap().extend(long.as_object().unwrap().clone());
        let told = admin.complete_upload(body).await;
        assert_eq!(told.status, status, "{long}: {told:?}");
    }
    assert_eq!(put("12345").await.expect(409).failure().1, "upload_completed");
}

/// RFC 2046 section 5.1.1: a boundary is 1 to 70 of these characters, and does not end with a space.
#[tokio::test]
async fn a_form_is_cut_at_its_boundary_whatever_that_looks_like() {
    let system = System::in_process().await;
    let admin = tried(&system).await;
    let mut number = 0;
    for boundary in ["'()+_,-./:=?", "-", "----", "a b", "=", "0", "multipart/form-data", &"'".repeat(70)] {
        number += 1;
        // Behind a line feed alone it is none.
        let content = format!("x\n--{boundary}\nx");
        let body =
            texts(&number.to_string()) + &part("name=\"file\"; filename=\"a.bin\"", &content) + "--b--\r\n";
        let body = body
            .replace("--b\r\n", &format!("--{boundary}\r\n"))
            .replace("--b--", &format!("--{boundary}--"));
        send_form(&admin, &format!("multipart/form-data; boundary=\"{boundary}\""), body).await.expect(201);
        let got = admin.get(&format!("/v1/download/tried/{number}/a.bin")).await.expect(200);
        assert_eq!(got.body, content.as_bytes(), "{boundary}");
    }
    for (name, body) in [
        ("nothing", String::new()),
        ("no part", "--b--\r\n".to_owned()),
        ("only noise", "noise without an end".to_owned()),
        (
            "a part without an end of its head",
            "--b\r\nContent-Disposition: form-data; name=\"file\"".to_owned(),
        ),
        ("a part that says nothing of itself", "--b\r\n\r\nx\r\n--b--\r\n".to_owned()),
        ("a head that is none", "--b\r\nnonsense\r\n\r\nx\r\n--b--\r\n".to_owned()),
        ("bare line feeds", texts("90").replace("\r\n", "\n") + "--b--\n"),
        (
            "a text that is not UTF-8",
            text("applicationId", "tried")
                + "--b\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n",
        ),
        ("a huge text", texts("90") + &text("releaseNotes", &"x".repeat(2 << 20))),
    ] {
        let told = send_form(&admin, "multipart/form-data; boundary=b", body).await;
        assert!(matches!(told.status, 400 | 413), "{name}: {told:?}");
    }
    let versions =
        admin.get("/v1/applications/tried/versions").await.expect(200).column("/versions", "version");
    assert_eq!(versions.len(), number, "{versions:?}");
}

/// Nobody looks into a file on its way: what would burst when it is opened is kept and given as it is.
#[tokio::test]
async fn what_bursts_when_it_is_opened_is_bytes_like_others() {
    let system = System::in_process().await;
    let admin = tried(&system).await;
    // 64 MiB of zeroes, or nearly nothing.
    let bomb = zstd::encode_all(std::io::repeat(0).take(1 << 26), 1).unwrap();
    assert!(bomb.len() < 1 << 16, "{}", bomb.len());
    let fields = [("applicationId", "tried"), ("version", "1")];
    for name in ["bomb.zip", "bomb.gz", "bomb.png"] {
        let told = admin.upload(&fields, name, &bomb).await.expect(201);
        assert_eq!((told.data("/fileSize"), told.text("/checksum")), (json!(bomb.len()), checksum(&bomb)));
        let got =
            admin.get_with(&format!("/v1/download/tried/1/{name}"), "accept-encoding", "gzip, zstd").await;
        assert!(got.expect(200).body == bomb, "other bytes");
    }
    // Nor is a body unpacked because it says that it is packed.
    let body = json!({ "applicationId": "tried", "version": "2", "fileName": "a", "fileContent": "YQ==" });
    let packed = zstd::encode_all(body.to_string().as_bytes(), 1).unwrap();
    let request = admin.request(Method::POST, UPLOAD).header("content-type", "application/json");
    send(request.header("content-encoding", "zstd").body(packed)).await.expect(400);
}

#[tokio::test]
async fn only_an_upload_of_ones_own_that_is_under_way_is_completed() {
    let system = System::of_several_tenants().await;
    let (owner, other) = (system.found("Owner").await, system.found("Other").await);
    let (admin, stranger) = (owner.admin(0), other.admin(0));
    for admin in [&admin, &stranger] {
        admin.create_application("tried", &[]).await.expect(201);
    }
    let begin = async |version: &str| {
        let about = json!({ "fileName": "a.bin", "fileSize": 5 });
        let begun = admin.begin_upload("tried", version, about).await.expect(200);
        (begun.text("/uploadId"), begun.text("/uploadUrl"))
    };
    let put = |url: &str| send(admin.request(Method::PUT, url).body("12345"));
    let (id, url) = begin("1").await;
    put(&url).await.expect(200);
    for stranger in [&stranger, &other.at_desk()] {
        let told = stranger.complete_upload(json!({ "uploadId": id })).await.expect(404);
        assert_eq!(told.failure().1, "upload_not_found");
    }
    for none in
        [json!("upl_none"), json!("../x"), json!(""), json!("x".repeat(10_000)), json!(null), json!(7)]
    {
        let told = admin.complete_upload(json!({ "uploadId": none })).await;
        assert!(matches!(told.status, 400 | 404), "{none:.40}: {told:?}");
    }
    admin.complete_upload(json!({ "uploadId": id })).await.expect(201);
    assert_eq!(admin.complete_upload(json!({ "uploadId": id })).await.expect(201).text("/version"), "1");

    let (given_up, url) = begin("2").await;
    send(admin.request(Method::DELETE, &url).header("tus-resumable", "1.0.0")).await.expect(204);
    put(&url).await.expect(404);
    admin.complete_upload(json!({ "uploadId": given_up })).await.expect(404);

    let (empty, late) = (begin("3").await, begin("4").await);
    put(&late.1).await.expect(200);
    system.clock.advance(Duration::from_secs(24 * 3_600 + 1));
    // Its ticket is past, whether it was used in time or not.
    for (id, url) in [empty, late] {
        assert_eq!(put(&url).await.expect(410).failure().0, "EXPIRED");
        let told = admin.complete_upload(json!({ "uploadId": id })).await;
        assert!(matches!(told.status, 404 | 410), "{told:?}");
    }
    let versions = admin.get("/v1/applications/tried/versions").await.expect(200);
    assert_eq!(versions.column("/versions", "version"), ["1"]);
    assert_eq!(
        stranger.get("/v1/applications/tried/versions").await.expect(200).data("/versions"),
        json!([])
    );
}
