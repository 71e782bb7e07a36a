//! BinDist's other clients, Go, Python, Delphi and PowerShell, by what they put on the wire and what they read of the
//! answers: one story that a vendor and a customer live through with each of them.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use support::client::send;
use support::{Answer, Client, System, content};

/// What is peculiar to a client.
struct Dialect {
    name: &'static str,
    /// Sent with every request to the API, also with GET and DELETE.
    headers: &'static [(&'static str, &'static str)],
    /// How it writes JSON.
    write: fn(&Value) -> String,
    /// How it writes bytes in JSON.
    base64: fn(&[u8]) -> String,
    /// What it calls the lifetime of a share link.
    minutes: &'static str,
    /// What it sends with lists although nobody asked.
    paging: &'static str,
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn dialects() -> [Dialect; 4] {
    [
        Dialect {
            name: "go",
            headers: &[JSON, ("User-Agent", "Go-http-client/1.1"), ("Accept-Encoding", "gzip")],
            write: Value::to_string,
            base64: plain,
            minutes: "expiresMinutes",
            paging: "",
        },
        Dialect {
            name: "python",
            headers: &[
                JSON,
                ("User-Agent", "python-requests/2.32.3"),
                ("Accept-Encoding", "gzip, deflate"),
                ("Accept", "*/*"),
                ("Connection", "keep-alive"),
            ],
            write: spaced,
            base64: plain,
            minutes: "expiresMinutes",
            paging: "?page=1&pageSize=20",
        },
        Dialect {
            name: "delphi",
            headers: &[JSON, ("User-Agent", "Embarcadero URI Client/1.0")],
            write: Value::to_string,
            base64: wrapped,
            minutes: "expiresMinutes",
            paging: "?page=1&pageSize=1000",
        },
        Dialect {
            name: "powershell",
            headers: &[
                JSON,
                ("User-Agent", "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1"),
                ("Expect", "100-continue"),
            ],
            write: indented,
            base64: plain,
            minutes: "expiresInMinutes",
            paging: "",
        },
    ]
}

fn plain(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number =
            group.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = usize::try_from(number >> (18 - 6 * place) & 63).unwrap();
            text.push(if place <= group.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

/// Lines of 76 characters, as `TNetEncoding.Base64` breaks them.
fn wrapped(bytes: &[u8]) -> String {
    let text = plain(bytes);
    let lines: Vec<&str> =
        text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

fn spaced(value: &Value) -> String {
    value.to_string().replace("\":", "\": ").replace(",\"", ", \"")
}

fn indented(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap();
    text.replace('\n', "\r\n").replace("  ", "    ")
}

/// Somebody with one of the clients.
struct Person<'a> {
    dialect: &'a Dialect,
    client: Client,
}

impl Person<'_> {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, path);
        self.dialect.headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await.expect(200)
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        send(self.request(method, path).body((self.dialect.write)(body))).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, body).await
    }
}

/// What all of them read of an envelope and of a page.
#[track_caller]
fn assert_page(answer: &Answer) {
    let json = answer.json();
    assert_eq!(json["success"], json!(true));
    assert!(json["meta"]["requestId"].is_string());
    for field in ["page", "limit", "total"] {
        assert!(json["meta"]["pagination"][field].is_u64(), "{field}: {answer:?}");
    }
    for field in ["hasNext", "hasPrevious"] {
        assert!(json["meta"]["pagination"][field].is_boolean(), "{field}: {answer:?}");
    }
}

#[tokio::test]
async fn a_vendor_and_a_customer_live_on_with_each_client() {
    let system = System::in_process().await;
    for dialect in &dialects() {
        println!("{}", dialect.name);
        let vendor = Person { dialect, client: system.client(0, &system.admin_key) };
        let (customer_id, key) = make_customer(&vendor).await;
        let application = make_application(&vendor, &customer_id).await;
        upload_small(&vendor, &application).await;
        let large = upload_large(&vendor, &application).await;
        let customer = Person { dialect, client: system.client(1, &key) };
        look_around(&customer, &application).await;
        download(&customer, &application, &large).await;
        share(&customer, &application, &large).await;
        look_after(&vendor, &application, &customer_id).await;
    }
}

async fn make_customer(vendor: &Person<'_>) -> (String, String) {
    let body = json!({ "name": format!("Customer of {}", vendor.dialect.name), "tier": "Premium", "notes": "a note" });
    let made = vendor.post("/v1/management/customers/admin/apikeys", &body).await.expect(201);
    assert!(made.text("/createdAt").ends_with('Z'));
    let id = made.text("/customerId");
    let read = vendor.get(&format!("/v1/management/customers/{id}")).await;
    assert_eq!((read.text("/notes"), read.text("/tier")), ("a note".to_owned(), "Premium".to_owned()));
    (id, made.text("/apiKey"))
}

async fn make_application(vendor: &Person<'_>, customer: &str) -> String {
    let id = format!("app-{}", vendor.dialect.name);
    let body = json!({
        "applicationId": id, "name": "An application", "customerIds": [customer],
        "description": "what it does", "tags": ["windows", "utility"],
    });
    let made = vendor.post("/v1/management/applications", &body).await.expect(201);
    assert_eq!(made.data("/customerIds"), json!([customer]));
    // No customers at all, as the Go client writes an empty slice.
    let body = json!({ "applicationId": format!("{id}-2"), "name": "Another", "customerIds": null });
    vendor.post("/v1/management/applications", &body).await.expect(201);
    id
}

async fn upload_small(vendor: &Person<'_>, application: &str) {
    let bytes = content::bytes(5, 70_001);
    let body = json!({
        "applicationId": application, "version": "1.0.0", "fileName": "small.exe", "fileType": "MAIN",
        "fileContent": (vendor.dialect.base64)(&bytes), "releaseNotes": "Small",
    });
    let told = vendor.post("/v1/management/upload", &body).await.expect(201);
    assert_eq!((told.data("/fileSize"), told.text("/checksum")), (json!(70_001), content::checksum(&bytes)));
    assert!(!told.text("/message").is_empty() && !told.text("/versionId").is_empty());
}

async fn upload_large(vendor: &Person<'_>, application: &str) -> Vec<u8> {
    let bytes = content::bytes(6, 11_000_000);
    let mut about = json!({
        "applicationId": application, "version": "1.1.0", "fileName": "large.exe", "fileSize": bytes.len(),
        "contentType": "application/octet-stream",
    });
    let begun = vendor.post("/v1/management/upload/large-url", &about).await.expect(200);
    let put = vendor.client.request(Method::PUT, &begun.text("/uploadUrl"));
    let put = put.header("Content-Type", "application/octet-stream").body(bytes.clone());
    assert_eq!(send(put).await.status, 200, "exactly");
    about["uploadId"] = begun.data("/uploadId");
    about["checksum"] = json!(content::checksum(&bytes));
    about["releaseNotes"] = json!("Large");
    let told = vendor.post("/v1/management/upload/large-complete", &about).await.expect(201);
    assert_eq!(told.text("/checksum"), content::checksum(&bytes));
    bytes
}

async fn look_around(customer: &Person<'_>, application: &str) {
    let listed = customer.get(&format!("/v1/applications{}", customer.dialect.paging)).await;
    assert_page(&listed);
    assert_eq!(listed.column("/applications", "applicationId"), [application]);
    assert!(
        listed.data("/applications/0/tags").is_array()
            && listed.data("/applications/0/isActive").is_boolean()
    );
    let found = customer.get("/v1/applications?search=AN+APP&tags=windows%2Cother").await;
    assert_eq!(found.column("/applications", "applicationId"), [application]);
    assert_eq!(
        customer.get(&format!("/v1/applications/{application}")).await.text("/description"),
        "what it does"
    );
    let versions = customer.get(&format!("/v1/applications/{application}/versions")).await;
    assert_eq!(versions.column("/versions", "version"), ["1.1.0", "1.0.0"]);
    let first = versions.data("/versions/0");
    assert!(first["fileSize"].is_u64() && first["downloadCount"].is_u64() && first["isEnabled"].is_boolean());
    let searched = customer.get(&format!("/v1/applications/{application}/versions?changelog=sMALL")).await;
    assert_eq!(searched.column("/versions", "version"), ["1.0.0"]);
    let files = customer.get(&format!("/v1/applications/{application}/versions/1.1.0/files")).await;
    assert_eq!(
        (files.text("/files/0/fileName"), files.data("/files/0/order")),
        ("large.exe".to_owned(), json!(0))
    );
}

async fn download(customer: &Person<'_>, application: &str, bytes: &[u8]) {
    let files = customer.get(&format!("/v1/applications/{application}/versions/1.1.0/files")).await;
    let query = format!("applicationId={application}&version=1.1.0&fileId={}", files.text("/files/0/fileId"));
    let info = customer.get(&format!("/v1/downloads/url?{query}")).await;
    assert_eq!(
        (info.text("/fileName"), info.data("/fileSize")),
        ("large.exe".to_owned(), json!(bytes.len()))
    );
    assert_eq!(info.text("/checksum"), content::checksum(bytes), "bare, in lower case");
    assert!(!info.text("/downloadId").is_empty() && info.text("/expiresAt").ends_with('Z'));
    let got = send(customer.client.request(Method::GET, &info.text("/url"))).await.expect(200);
    assert!(got.body == bytes, "other bytes");
}

async fn share(customer: &Person<'_>, application: &str, bytes: &[u8]) {
    let body = json!({ "applicationId": application, "version": "1.1.0", customer.dialect.minutes: 60 });
    let shared = customer.post("/v1/downloads/share", &body).await.expect(200);
    assert_eq!(shared.data("/expiresInMinutes"), json!(60));
    assert!(shared.text("/expiresAt").ends_with('Z') && !shared.text("/token").is_empty());
    let got = send(customer.client.request(Method::GET, &shared.text("/shareUrl"))).await.expect(200);
    assert!(got.body == bytes, "other bytes");
    assert!(
        customer.get(&format!("/v1/applications/{application}/stats")).await.data("/totalDownloads").is_u64()
    );
}

async fn look_after(vendor: &Person<'_>, application: &str, customer: &str) {
    let path = format!("/v1/applications/{application}/versions/1.0.0");
    let body = json!({ "isEnabled": false, "releaseNotes": "", "minimumClientVersion": "1.0" });
    let changed = vendor.send(Method::PATCH, &path, &body).await.expect(200);
    assert_eq!((changed.data("/isEnabled"), changed.text("/version")), (json!(false), "1.0.0".to_owned()));
    assert!(changed.data("/updatedAt").is_string());
    let activity =
        vendor.get(&format!("/v1/activity?type=upload&applicationId={application}&page=1&pageSize=20")).await;
    assert_page(&activity);
    assert_eq!(activity.column("/activities", "type"), ["upload", "upload"]);
    let customers = vendor.get(&format!("/v1/management/customers{}", vendor.dialect.paging)).await;
    assert_page(&customers);
    assert!(customers.column("/customers", "customerId").contains(&customer.to_owned()));
    let path = format!("/v1/management/customers/{customer}");
    let changed =
        vendor.send(Method::PATCH, &path, &json!({ "name": "Another name", "isActive": false })).await;
    assert_eq!(changed.expect(200).data("/isActive"), json!(false));
    let path = format!("/v1/management/applications/{application}/customers");
    let linked = vendor
        .send(Method::PUT, &path, &json!({ "addCustomerIds": [], "removeCustomerIds": [customer] }))
        .await;
    assert_eq!(linked.expect(200).data("/removed"), json!([customer]));
    let path = format!("/v1/management/applications/{application}");
    let gone = send(vendor.request(Method::DELETE, &path)).await.expect(200);
    assert_eq!(gone.text("/applicationId"), application);
}

#[tokio::test]
async fn a_refusal_says_what_the_clients_show() {
    let system = System::in_process().await;
    for dialect in &dialects() {
        let person = Person { dialect, client: system.client(0, "no-key-that-anybody-has-made") };
        let refused = send(person.request(Method::GET, "/v1/applications")).await.expect(401);
        let json = refused.json();
        assert_eq!(json["success"], json!(false), "{}", dialect.name);
        assert_eq!(json["error"]["message"], json!("Invalid API key"));
        assert!(json["error"]["code"].is_string() && json["meta"]["requestId"].is_string());
    }
}
