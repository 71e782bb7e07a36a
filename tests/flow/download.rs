//! A customer finds an application, its versions and files, and gets the bytes: whole, in parts, again.

use reqwest::Method;
use support::client::send;
use support::content::checksum;
use support::tools::{curl, wget};
use support::{PATIENCE, System, eventually};

#[tokio::test]
async fn a_customer_sees_applications_versions_and_files() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("listed").await;
    system.admin(0).create_application("somebody-elses", &[]).await.expect(201);
    let client = system.client(0, &stock.key.text);

    let list = client.get("/v1/applications").await.expect(200);
    assert_eq!(list.column("/applications", "applicationId"), ["listed"]);
    assert_eq!(list.data("/isAdmin"), false);
    let pagination = &list.json()["meta"]["pagination"];
    for field in ["page", "limit", "total", "hasNext", "hasPrevious"] {
        assert!(!pagination[field].is_null(), "{field}: {pagination}");
    }
    let one = client.get("/v1/applications/listed").await.expect(200);
    assert_eq!(one.text("/latestVersion"), "1.2.0");

    let versions = client.get("/v1/applications/listed/versions").await.expect(200);
    assert_eq!(versions.column("/versions", "version"), ["1.2.0"]);
    assert_eq!(versions.text("/versions/0/releaseNotes"), "First of its kind");
    for version in ["1.2.0", "latest"] {
        let files =
            client.get(&format!("/v1/applications/listed/versions/{version}/files")).await.expect(200);
        assert_eq!(files.text("/version"), "1.2.0");
        assert_eq!(files.column("/files", "fileId"), [stock.file_id.as_str()]);
        assert_eq!(files.text("/files/0/checksum"), checksum(&stock.bytes));
        assert_eq!(files.data("/files/0/fileSize"), stock.bytes.len());
    }
}

#[tokio::test]
async fn the_newest_version_is_first_and_drafts_are_not_listed() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("sorted").await;
    for version in ["1.10.0", "1.9.0", "1.10.0-rc.1", "2.0.0"] {
        let fields = [("applicationId", "sorted"), ("version", version)];
        let draft = ("isEnabled", if version == "2.0.0" { "false" } else { "true" });
        admin.upload(&[&fields[..], &[draft]].concat(), "f.bin", b"x").await.expect(201);
    }
    let client = system.client(0, &stock.key.text);
    let versions = client.get("/v1/applications/sorted/versions").await.expect(200);
    assert_eq!(versions.column("/versions", "version"), ["1.10.0", "1.10.0-rc.1", "1.9.0", "1.2.0"]);
    let latest = client.get("/v1/applications/sorted/versions/latest/files").await.expect(200);
    assert_eq!(latest.text("/version"), "1.10.0");
}

#[tokio::test]
async fn a_signed_url_needs_no_header_and_answers_200_with_the_bytes() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("signed").await;
    for edge in [0, 1] {
        let client = system.client(edge, &stock.key.text);
        let link = eventually(PATIENCE, || async {
            client.get("/v1/downloads/url?applicationId=signed&version=1.2.0").await.is(200)
        });
        let link = link.await;
        let url = link.text("/url");
        assert!(url.len() >= 50 && url.starts_with(client.base()), "{url}");
        assert_eq!(link.text("/downloadUrl"), url);
        assert_eq!(link.text("/checksum"), checksum(&stock.bytes));
        assert_eq!(link.text("/fileName"), stock.file_name);
        let got = system.stranger(edge).get(&url).await.expect(200);
        assert!(got.body == stock.bytes, "other bytes");
        // A link is one for every edge, and looks at no credential.
        let path = url.strip_prefix(client.base()).unwrap();
        let other = system.stranger(1 - edge);
        eventually(PATIENCE, || async { other.get(path).await.is(200) }).await;
        other.with(Some("junk")).get(path).await.expect(200);
        let mut forged = path.to_owned();
        forged.replace_range(8..9, if forged.as_bytes()[8] == b'A' { "B" } else { "A" });
        assert_eq!(other.get(&forged).await.expect(404).failure().1, "link_not_found");
    }
}

#[tokio::test]
async fn a_signed_url_ends_with_its_time_and_with_its_key() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("ending").await;
    let client = system.client(0, &stock.key.text);
    let ask = "/v1/downloads/url?applicationId=ending&version=latest";
    let url = client.get(ask).await.expect(200).text("/url");
    admin.change_key(&stock.key, serde_json::json!({ "isEnabled": false })).await.expect(200);
    assert_eq!(client.get(&url).await.expect(401).failure().1, "key_disabled");
    admin.change_key(&stock.key, serde_json::json!({ "isEnabled": true })).await.expect(200);
    client.get(&url).await.expect(200);
    system.clock.advance(std::time::Duration::from_secs(31 * 60));
    assert_eq!(
        client.get(&url).await.expect(410).failure(),
        ("EXPIRED".to_owned(), "link_expired".to_owned())
    );
    let url = client.get(ask).await.expect(200).text("/url");
    client.get(&url).await.expect(200);
}

#[tokio::test]
async fn both_direct_routes_give_the_bytes_with_everything_that_describes_them() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("direct").await;
    let client = system.client(0, &stock.key.text);
    let by_id = format!("/v1/applications/direct/versions/latest/files/{}/download", stock.file_id);
    for path in [stock.path(), by_id] {
        let got = client.get(&path).await.expect(200);
        assert!(got.body == stock.bytes, "other bytes");
        assert_eq!(got.header("etag"), format!("\"sha256-{}\"", checksum(&stock.bytes)));
        assert_eq!(got.header("x-checksum-sha256"), checksum(&stock.bytes));
        assert_eq!(got.header("accept-ranges"), "bytes");
        assert_eq!(got.header("content-length"), "200000");
        assert_eq!(got.header("x-content-type-options"), "nosniff");
        let disposition = "attachment; filename=\"setup.bin\"; filename*=UTF-8''setup.bin";
        assert_eq!(got.header("content-disposition"), disposition);
        assert!(got.header("repr-digest").starts_with("sha-256=:"));
        let head = send(client.request(Method::HEAD, &path)).await.expect(200);
        assert!(head.body.is_empty());
        for name in ["etag", "content-length", "content-type", "repr-digest", "last-modified"] {
            assert_eq!(head.header(name), got.header(name), "{name}");
        }
    }
}

#[tokio::test]
async fn parts_and_conditions_are_obeyed() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("parts").await;
    let (client, path) = (system.client(0, &stock.key.text), stock.path());
    let etag = client.get(&path).await.expect(200).header("etag").to_owned();
    for (range, start, end) in
        [("bytes=0-99", 0, 100), ("bytes=199990-", 199_990, 200_000), ("bytes=-7", 199_993, 200_000)]
    {
        let part = client.get_with(&path, "range", range).await.expect(206);
        assert!(part.body == stock.bytes[start..end], "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {start}-{}/200000", end - 1));
    }
    let past = client.get_with(&path, "range", "bytes=200000-").await.expect(416);
    assert_eq!(past.header("content-range"), "bytes */200000");
    assert_eq!(past.failure().0, "RANGE_NOT_SATISFIABLE");
    let known = client.get_with(&path, "if-none-match", &etag).await.expect(304);
    assert!(known.body.is_empty());
    client.get_with(&path, "if-none-match", "\"other\"").await.expect(200);
    assert_eq!(
        client.get_with(&path, "if-match", "\"other\"").await.expect(412).failure().0,
        "PRECONDITION_FAILED"
    );
    let resumed =
        |tag: String| client.request(Method::GET, &path).header("range", "bytes=5-").header("if-range", tag);
    send(resumed(etag)).await.expect(206);
    send(resumed("\"other\"".to_owned())).await.expect(200);
}

#[tokio::test]
async fn curl_and_wget_go_on_where_they_were_cut_off() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("resumed").await;
    let client = system.client(0, &stock.key.text);
    let url = format!("{}{}", client.base(), stock.path());
    let signed =
        client.get("/v1/downloads/url?applicationId=resumed&version=1.2.0").await.expect(200).text("/url");
    let bearer = format!("Authorization: Bearer {}", stock.key.text);
    let user = format!("anybody:{}", stock.key.text);
    let beginning = &stock.bytes[..66_666];
    let check = |to: &std::path::Path| assert!(std::fs::read(to).unwrap() == stock.bytes, "{}", to.display());

    let to = system.scratch().join("curl");
    for arguments in
        [vec!["-C", "-", "-H", &bearer, &url], vec!["-C", "-", "-u", &user, &url], vec!["-C", "-", &signed]]
    {
        std::fs::write(&to, beginning).unwrap();
        curl(&arguments, &to).await;
        check(&to);
    }
    let to = system.scratch().join("wget");
    for arguments in [vec!["-c", "--header", &bearer, &url], vec!["-c", &signed]] {
        std::fs::write(&to, beginning).unwrap();
        wget(&arguments, &to).await;
        check(&to);
    }
}

#[tokio::test]
async fn the_same_version_and_file_name_of_two_applications_are_two_files() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let (one, other) = (admin.stock("first-of-two").await, admin.stock("2nd").await);
    assert_ne!(one.bytes, other.bytes);
    for stock in [one, other] {
        let got = system.client(0, &stock.key.text).get(&stock.path()).await.expect(200);
        assert!(got.body == stock.bytes, "other bytes");
    }
}
