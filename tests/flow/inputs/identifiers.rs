//! Texts that name things: what can be an id, a version or a name, told where it is made, and found nowhere when it
//! cannot be one.

use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::{Admin, Answer, PATIENCE, System, eventually};

use super::{assert_refused, doors, faulty, writes};

/// A path segment as a careful client writes it.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

async fn create(admin: &Admin, id: &str) -> Answer {
    admin.post("/v1/management/applications", &json!({ "applicationId": id, "name": "Named" })).await
}

/// Neither letters, digits and hyphens, nor of that length.
const NO_APPLICATION: [&str; 42] = [
    "",
    "A",
    "a",
    "ab",
    "_",
    "-",
    "--",
    "---",
    ".",
    "..",
    "...",
    "a_b",
    "Abc",
    "aBc",
    "-ab",
    "ab-",
    " abc",
    "abc ",
    "a b",
    "a\tb",
    "abc\n",
    "a/b",
    "a%2fb",
    "..%2f",
    "a\\b",
    "abc;x",
    "abc?",
    "abc#",
    "a.b.c",
    "a'b\"c",
    "$(id)",
    "😀😀😀",
    "ıııı",
    "i\u{307}ii",
    "İSTANBUL",
    "café",
    "cafe\u{301}",
    "ａｂｃ",
    "аbc",
    "٣٣٣",
    "abc\u{200b}",
    "\u{202e}cba",
];

/// Ids of applications: three to fifty of `a-z 0-9 -`, a letter or digit at both ends.
#[tokio::test]
async fn an_application_is_called_what_can_stand_in_a_url_and_a_shell() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let before = writes(&admin).await;
    let (longest, longer, thousand) = ("a".repeat(50), "a".repeat(51), "x".repeat(1_000));
    for id in NO_APPLICATION.into_iter().chain([longer.as_str(), &thousand]) {
        for (door, admin) in doors(&system) {
            let told = create(&admin, id).await;
            assert_refused(&format!("{id:?} at {door}"), &told, 400, "invalid_fields");
            assert_eq!(faulty(&told), ["applicationId"], "{id:?} at {door}");
            // And nowhere is one of that name.
            if !id.is_empty() && id != "." && id != ".." {
                let read = admin.get(&format!("/v1/applications/{}", encoded(id))).await;
                assert_eq!(read.status, 404, "{id:?} at {door}: {read:?}");
            }
        }
    }
    assert_eq!(writes(&admin).await, before, "something was written");
    for id in [
        "abc", "a-b", "a--b", "con", "nul", "000", "123", "admin", "latest", "null", "url", "share", &longest,
    ] {
        assert_eq!(create(&admin, id).await.expect(201).text("/applicationId"), id);
        for (_, admin) in doors(&system) {
            let path = format!("/v1/applications/{id}");
            let read = eventually(PATIENCE, || async { admin.get(&path).await.is(200) }).await;
            assert_eq!(read.text("/applicationId"), id);
        }
    }
    // As it is written, and not as it looks.
    for other in ["CON", "Con", "c%6Fn%20", "a--B", "123%00"] {
        let read = admin.get(&format!("/v1/applications/{other}")).await;
        assert_eq!(read.expect(404).failure().0, "NOT_FOUND", "{other}");
    }
}

/// Ids of customers: one to a hundred of `A-Z a-z 0-9 _ -`, and case makes another one.
#[tokio::test]
async fn a_customer_is_called_what_the_form_says_and_case_counts() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let (longest, longer) = ("c".repeat(100), "c".repeat(101));
    let before = writes(&admin).await;
    for id in [
        "", ".", "..", " a", "a ", "a b", "a/b", "a%2fb", "a.b", "a@b", "😀", "ı", "é", "e\u{301}", "ａ",
        "a\n", &longer,
    ] {
        let told = admin.create_customer(id, "Basic").await;
        assert_refused(&format!("{id:?}"), &told, 400, "invalid_fields");
        assert_eq!(faulty(&told), ["customerId"], "{id:?}");
    }
    for id in ["admin", "Admin", "ADMIN"] {
        assert_refused(id, &admin.create_customer(id, "Basic").await, 409, "customer_reserved");
    }
    assert_eq!(writes(&admin).await, before, "something was written");
    for id in ["A", "a", "_", "-", "con", "0", "I", "i", &longest] {
        assert_eq!(admin.create_customer(id, "Basic").await.expect(201).text("/customerId"), id);
        assert_eq!(admin.create_customer(id, "Basic").await.expect(409).failure().0, "CONFLICT");
    }
    for id in ["A", "a"] {
        let read = admin.get(&format!("/v1/management/customers/{id}")).await.expect(200);
        assert_eq!(read.text("/customerId"), id);
    }
}

/// A version through each way in: JSON, form, large upload.
async fn upload(admin: &Admin, version: &str, way: &str) -> Answer {
    let about = json!({ "applicationId": "app", "version": version, "fileName": "a.bin" });
    let with = |name: &str, value: Value| {
        let mut body = about.clone();
        body[name] = value;
        body
    };
    match way {
        "JSON" => admin.post("/v1/management/upload", &with("fileContent", json!("YQ=="))).await,
        "form" => admin.upload(&[("applicationId", "app"), ("version", version)], "a.bin", b"a").await,
        _ => admin.post("/v1/management/upload/large-url", &with("fileSize", json!(1))).await,
    }
}

/// Versions: one to fifty of `A-Z a-z 0-9 . _ + -`, not `latest`. Two that are written otherwise are two.
#[tokio::test]
async fn a_version_is_called_what_the_form_says_and_is_kept_to_the_letter() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_application("app", &[]).await.expect(201);
    let before = writes(&admin).await;
    let (longest, longer, endless) = ("1".repeat(50), "1".repeat(51), "1".repeat(10_000));
    for version in [
        "", " ", "../1", "..\\1", "1/0", "latest", ".", "..", " 1.0", "1.0 ", "1 0", "1.0\n", "1.0\0",
        "1.0%2b1", "1,0", "1.0;x", "1:0", "1.0~rc", "１.０", "1.0é", "😀", "<b>", &longer, &endless,
    ] {
        for way in ["JSON", "form", "large"] {
            let told = upload(&admin, version, way).await;
            assert_refused(&format!("{version:.60?} as {way}"), &told, 400, "invalid_fields");
            assert_eq!(faulty(&told), ["version"], "{version:.60?} as {way}");
        }
        let path = format!("/v1/applications/app/versions/{}", encoded(version));
        let change = admin.patch(&path, &json!({ "isActive": false })).await;
        assert_eq!(change.status, 404, "{version:.60?}: {change:?}");
        let order = json!({ "applicationId": "app", "version": version });
        let shared = admin.post("/v1/downloads/share", &order).await;
        let expected = if version.is_empty() { 400 } else { 404 };
        assert_eq!(shared.status, expected, "{version:.60?}: {shared:?}");
    }
    assert_eq!(writes(&admin).await, before, "something was written");
    let honest = [
        "1", "1.0", "1.0.0", "v1", "V1", "1.0+meta", "1.0-rc.1", "1.0-RC.1", "01.0", "...", "-", "Latest",
        &longest,
    ];
    for version in honest {
        upload(&admin, version, "form").await.expect(201);
        assert_refused(version, &upload(&admin, version, "JSON").await, 409, "file_exists");
    }
    let listed = admin.get("/v1/applications/app/versions").await.expect(200).column("/versions", "version");
    assert_eq!(listed.len(), honest.len(), "{listed:?}");
    for version in honest {
        for (door, admin) in doors(&system).into_iter().take(2) {
            for written in [version.to_owned(), encoded(version)] {
                let path = format!("/v1/download/app/{written}/a.bin");
                eventually(PATIENCE, || async { admin.get(&path).await.is(200) }).await;
                let files = admin.get(&format!("/v1/applications/app/versions/{written}/files")).await;
                assert_eq!(files.expect(200).text("/version"), version, "{written} at {door}");
            }
            let link = format!("/v1/downloads/url?applicationId=app&version={}", encoded(version));
            let url = admin.get(&link).await.expect(200).text("/url");
            send(admin.request(Method::GET, &url)).await.expect(200);
        }
    }
    // Nothing is folded on the way to it either.
    for version in ["1.0.0.0", "v1.0", "1.00", "LATEST", "1.0+META", "1.0-Rc.1"] {
        let read = admin.get(&format!("/v1/applications/app/versions/{version}/files")).await;
        assert_refused(version, &read, 404, "version_not_found");
    }
}

/// Names are for people: any letters, however composed, as they were written.
#[tokio::test]
async fn a_name_is_kept_as_it_was_written_and_found_however_it_is() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let (composed, apart) = ("caf\u{e9}", "cafe\u{301}");
    let long = "é".repeat(200);
    for (number, name) in
        [composed, apart, "İstanbul ıslak", "😀", "<script>", "' OR 1=1 --", &long].iter().enumerate()
    {
        let id = format!("named-{number}");
        let body = json!({ "applicationId": id, "name": format!("  {name}\t") });
        assert_eq!(admin.post("/v1/management/applications", &body).await.expect(201).text("/name"), *name);
        assert_eq!(admin.get(&format!("/v1/applications/{id}")).await.expect(200).text("/name"), *name);
    }
    for search in [composed, apart, "CAFÉ"] {
        let found = admin.get(&format!("/v1/applications?search={}", encoded(search))).await.expect(200);
        assert_eq!(found.column("/applications", "applicationId"), ["named-0", "named-1"], "{search:?}");
    }
    let before = writes(&admin).await;
    for name in ["", " ", "\t\n", "a\nb", "a\u{7}b", "a\u{85}b", &"é".repeat(201), &"x".repeat(100_000)] {
        let body = json!({ "applicationId": "unnamed", "name": name });
        let told = admin.post("/v1/management/applications", &body).await;
        assert_refused(&format!("{name:.20?}"), &told, 400, "invalid_fields");
        assert_eq!(faulty(&told), ["name"], "{name:.20?}");
    }
    assert_eq!(writes(&admin).await, before, "something was written");
}

/// Two ways to write one file's name are one name: a file system may not tell them apart.
#[tokio::test]
async fn a_files_name_is_one_name_however_it_is_composed() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_application("app", &[]).await.expect(201);
    let fields = [("applicationId", "app"), ("version", "1")];
    let made = admin.upload(&fields, "cafe\u{301}.bin", b"a").await.expect(201);
    assert_eq!(made.text("/fileName"), "caf\u{e9}.bin");
    for name in ["caf\u{e9}.bin", "cafe\u{301}.bin", "ｃafé.bin"] {
        assert_refused(name, &admin.upload(&fields, name, b"b").await, 409, "file_exists");
    }
    for written in ["caf%C3%A9.bin", "cafe%CC%81.bin"] {
        admin.get(&format!("/v1/download/app/1/{written}")).await.expect(200);
    }
}
