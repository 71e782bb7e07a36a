//! Several vendors in one system: each sees its own and nothing else, and the operator makes, stops and bounds them.

use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::content::checksum;
use support::{Admin, Answer, Client, Doors, Fleet, PATIENCE, System, Vendor, eventually};

/// Two vendors who chose the same names for everything, with different bytes behind them.
async fn twins(system: &System) -> [Vendor; 2] {
    let twins = [system.found("First").await, system.found("Second").await];
    for (vendor, content) in twins.iter().zip(["of the first".as_bytes(), b"of another"]) {
        let admin = vendor.admin(0);
        admin.stock("twin").await;
        admin
            .upload(&[("applicationId", "twin"), ("version", "2.0.0")], "own.bin", content)
            .await
            .expect(201);
        // The same bytes too: they share one place on the disk.
        admin
            .upload(&[("applicationId", "twin"), ("version", "2.0.0")], "same.bin", b"same")
            .await
            .expect(201);
    }
    twins
}

#[tokio::test]
async fn two_tenants_with_the_same_names_do_not_meet() {
    let system = System::of_several_tenants().await;
    let twins = twins(&system).await;
    let mut names = Vec::new();
    for (number, (vendor, content)) in
        twins.iter().zip(["of the first".as_bytes(), b"of another"]).enumerate()
    {
        let admin = vendor.admin(0);
        let key = admin.create_key("cust-twin", json!({})).await;
        names.push(key.text.clone());
        for edge in [0, 1] {
            let client = vendor.client(edge, &key.text);
            eventually(PATIENCE, || async { client.get("/v1/download/twin/2.0.0/own.bin").await.is(200) })
                .await;
            let own = client.get("/v1/download/twin/2.0.0/own.bin").await.expect(200);
            assert_eq!(own.body, content, "vendor {number}, edge {edge}");
            assert_eq!(client.get("/v1/download/twin/2.0.0/same.bin").await.expect(200).body, b"same");
            let files = client.get("/v1/applications/twin/versions/2.0.0/files").await.expect(200);
            assert_eq!(files.data("/files/0/checksum"), json!(checksum(content)));
            let link = client.get("/v1/downloads/url?applicationId=twin&version=2.0.0").await.expect(200);
            assert_eq!(vendor.stranger(edge).get(&link.text("/url")).await.expect(200).body, content);
            // As the key's own customer, too; but not without any name.
            let own = format!("cust-twin.{}", key.secret);
            assert_eq!(
                vendor.client(edge, &own).get("/v1/download/twin/2.0.0/own.bin").await.expect(200).body,
                content
            );
        }
    }
    // What one changes, the other does not notice.
    twins[0]
        .admin(0)
        .change_customer("cust-twin", json!({ "isActive": false, "tier": "Premium" }))
        .await
        .expect(200);
    twins[0].admin(0).delete("/v1/management/applications/twin").await.expect(200);
    let untouched = twins[1].admin(0);
    assert_eq!(untouched.get("/v1/management/customers/cust-twin").await.expect(200).text("/tier"), "Basic");
    for edge in [0, 1] {
        let refused = twins[0].client(edge, &names[0]);
        eventually(PATIENCE, || async { refused.get("/v1/applications/twin").await.is(403) }).await;
        twins[1].client(edge, &names[1]).get("/v1/download/twin/2.0.0/own.bin").await.expect(200);
    }
    let customers = untouched.get("/v1/management/customers").await.expect(200);
    assert_eq!(customers.column("/customers", "customerId"), ["cust-twin"]);
}

#[tokio::test]
async fn a_bare_secret_is_refused_and_a_foreign_tenant_is_an_unknown_key() {
    let system = System::of_several_tenants().await;
    let twins = twins(&system).await;
    let key = twins[0].admin(0).create_key("cust-twin", json!({})).await;
    let foreign = key.text.replace(&twins[0].tenant.to_string(), &twins[1].tenant.to_string());
    let admin_secret = twins[0].admin_key.split_once('.').unwrap().1.to_owned();
    for base in [&system.edges[0], &system.edges[1], &system.desk] {
        for (credential, reason) in [
            (key.secret.as_str(), "tenant_required"),
            (&admin_secret, "tenant_required"),
            ("a-bare-secret-that-nobody-ever-made", "tenant_required"),
            (&foreign, "key_unknown"),
        ] {
            // Not from where the system was set up, which has failed a few times by asking early.
            let client = Client::new(base, Some(credential)).at("127.0.13.1");
            let told = client.get("/v1/management/customers").await.expect(401);
            assert_eq!(told.failure(), ("UNAUTHORIZED".to_owned(), reason.to_owned()), "{base}");
            assert_eq!(told.json()["error"]["message"], "Invalid API key");
        }
    }
}

/// What is asked of a vendor's things: by a foreign id, and by one that names nothing.
const FOREIGN: &[(&str, &str, &str)] = &[
    ("GET", "/v1/applications/{app}", ""),
    ("GET", "/v1/applications/{app}/versions", ""),
    ("GET", "/v1/applications/{app}/versions/1.2.0/files", ""),
    ("GET", "/v1/applications/{app}/versions/1.2.0/files/{file}/download", ""),
    ("GET", "/v1/download/{app}/1.2.0/setup.bin", ""),
    ("GET", "/v1/downloads/url?applicationId={app}&version=1.2.0", ""),
    ("PATCH", "/v1/applications/{app}/versions/1.2.0", r#"{"isEnabled":false}"#),
    ("DELETE", "/v1/applications/{app}/versions/1.2.0", ""),
    ("DELETE", "/v1/management/applications/{app}", ""),
    ("PUT", "/v1/management/applications/{app}/customers", r#"{"addCustomerIds":["{customer}"]}"#),
    (
        "POST",
        "/v1/management/applications",
        r#"{"applicationId":"fresh","name":"F","customerIds":["{customer}"]}"#,
    ),
    (
        "POST",
        "/v1/management/upload",
        r#"{"applicationId":"{app}","version":"9","fileName":"a","fileContent":"YQ=="}"#,
    ),
    (
        "POST",
        "/v1/management/upload/large-url",
        r#"{"applicationId":"{app}","version":"9","fileName":"a","fileSize":1}"#,
    ),
    ("POST", "/v1/management/upload/large-complete", r#"{"uploadId":"{upload}"}"#),
    ("GET", "/v1/updates/{app}?current=1.0.0", ""),
    ("POST", "/v1/downloads/share", r#"{"applicationId":"{app}","version":"1.2.0"}"#),
    ("GET", "/v1/applications/{app}/stats", ""),
    ("GET", "/v1/activity?applicationId={app}", ""),
    ("GET", "/v1/activity?customerId={customer}", ""),
    ("GET", "/v1/activity?keyId={key}", ""),
    ("PATCH", "/v1/management/applications/{app}", r#"{"name":"Taken"}"#),
    ("POST", "/v1/management/applications/{app}/restore", ""),
    ("POST", "/v1/management/apikeys/{key}/rotate", "{}"),
    ("GET", "/v1/management/apikeys/{key}/usage", ""),
    ("GET", "/v1/auth/sessions?keyId={key}", ""),
    ("DELETE", "/v1/auth/sessions/{session}", ""),
    ("GET", "/v1/management/customers/{customer}", ""),
    ("PATCH", "/v1/management/customers/{customer}", r#"{"isActive":false}"#),
    ("GET", "/v1/management/customers/{customer}/apikeys", ""),
    ("POST", "/v1/management/customers/{customer}/apikeys", "{}"),
    ("POST", "/v1/management/customers/{customer}/regenerate-key", "{}"),
    ("POST", "/v1/management/apikeys", r#"{"kind":"customer","customerId":"{customer}"}"#),
    ("POST", "/v1/management/apikeys", r#"{"kind":"admin","applicationIds":["{app}"]}"#),
    ("GET", "/v1/management/apikeys/{key}", ""),
    ("PATCH", "/v1/management/apikeys/{key}", r#"{"isEnabled":false}"#),
    ("DELETE", "/v1/management/apikeys/{key}", ""),
];

#[tokio::test]
async fn another_tenants_id_answers_exactly_like_one_that_does_not_exist() {
    let system = System::of_several_tenants().await;
    let (owner, other) = (system.found("Owner").await, system.found("Other").await);
    let stock = owner.admin(0).stock("owned").await;
    let about = json!({ "fileName": "large.bin", "fileSize": 1 });
    let begun = owner.admin(0).begin_upload("owned", "3.0.0", about).await.expect(200);
    let upload = begun.text("/uploadId");
    let credential = json!({ "api_key": stock.key.text });
    system.stranger(0).post("/v1/auth/login", &credential).await.expect(200);
    let session = owner.admin(0).get("/v1/auth/sessions").await.expect(200).text("/sessions/0/sessionId");
    // Of the same form and length, and nobody's.
    let theirs = [
        ("{customer}", "cust-owned", "cust-nobod"),
        ("{app}", "owned", "nowhr"),
        ("{file}", stock.file_id.as_str(), &like(&stock.file_id)),
        ("{key}", &stock.key.id, &like(&stock.key.id)),
        ("{upload}", &upload, &like(&upload)),
        ("{session}", &session, &like(&session)),
    ];
    let doors = [("edge", other.admin(0)), ("control plane", other.at_desk())];
    for (door, admin) in doors {
        for (method, path, body) in FOREIGN {
            let fill = |text: &str, foreign: bool| {
                theirs.iter().fold(text.to_owned(), |text, (name, theirs, nobodys)| {
                    text.replace(name, if foreign { theirs } else { nobodys })
                })
            };
            let mut told = Vec::new();
            for foreign in [true, false] {
                let request = admin.request(method.parse::<Method>().unwrap(), &fill(path, foreign));
                let request = match *body {
                    "" => request,
                    body => request.header("content-type", "application/json").body(fill(body, foreign)),
                };
                told.push(masked(&send(request).await, &theirs));
            }
            // A filter that names a foreign thing finds nothing; everything else is refused.
            assert!(told[0].0 >= 400 || path.contains('?'), "{door}: {method} {path} {body}: {:?}", told[0]);
            assert_eq!(told[0], told[1], "{door}: {method} {path} {body}");
        }
    }
    // And nothing of it came about.
    owner.client(0, &stock.key.text).get(&stock.path()).await.expect(200);
    assert_eq!(
        other.admin(0).get("/v1/management/customers").await.expect(200).data("/customers"),
        json!([])
    );
}

/// Another id of the same form.
fn like(id: &str) -> String {
    let (prefix, rest) = id.split_once('_').unwrap();
    format!("{prefix}_{}", rest.chars().rev().collect::<String>())
}

/// Status and body of an answer, without what differs from request to request, and without the ids.
fn masked(answer: &Answer, ids: &[(&str, &str, &str)]) -> (u16, String) {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["meta"]["requestId"] = Value::Null;
    body["error"]["timestamp"] = Value::Null;
    let text = ids.iter().fold(body.to_string(), |text, (name, theirs, nobodys)| {
        text.replace(theirs, name).replace(nobodys, name)
    });
    (answer.status, text)
}

/// Asked at an edge or at the control plane, the tenant is stopped, and the request does not come through.
async fn assert_suspended(doors: &Doors, key: &str, links: &[String]) {
    for edge in 0..doors.edges.len() {
        for client in [doors.client(edge, key), doors.client(edge, &doors.admin_key)] {
            let told = eventually(PATIENCE, || async { client.get("/v1/applications").await.is(403) }).await;
            assert_eq!(told.failure(), ("FORBIDDEN".to_owned(), "tenant_inactive".to_owned()));
            assert_eq!(told.json()["error"]["message"], "Account is inactive");
        }
        for link in links {
            let link = link.replace(&doors.edges[0], &doors.edges[edge]);
            let told = doors.stranger(edge).get(&link).await.expect(403);
            assert_eq!(told.failure().1, "tenant_inactive", "links die with their tenant");
        }
    }
    let desk = doors.at_desk().get("/v1/management/customers").await.expect(403);
    assert_eq!(desk.failure().1, "tenant_inactive");
}

fn printed(output: &std::process::Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn the_operator_makes_suspends_and_resumes_tenants_while_the_server_runs() {
    let fleet = Fleet::of_several_tenants(2).await;
    let id = "14632221-b1b6-4eec-844a-39f60c7f1523";
    let keys = [
        printed(&fleet.operate(&["tenants", "create", "Acme", "--id", id])),
        printed(&fleet.operate(&["tenants", "create", "Bolt"])),
    ];
    assert!(keys[0].starts_with(&format!("{id}.tg_adm_")), "the key alone: {}", keys[0]);
    let again = fleet.operate(&["tenants", "create", "Acme", "--id", id]);
    assert_eq!((again.status.code(), again.stdout.as_slice()), (Some(1), &b""[..]));
    let vendors = keys.map(|key| fleet.doors_of(&key));
    let mut lent = Vec::new();
    for vendor in &vendors {
        let admin = vendor.admin(0);
        eventually(PATIENCE, || async { admin.get("/v1/applications").await.is(200) }).await;
        let stock = admin.stock("same").await;
        let client = vendor.client(0, &stock.key.text);
        let link = client.get("/v1/downloads/url?applicationId=same&version=latest").await.expect(200);
        let file = json!({ "applicationId": "same", "version": "1.2.0" });
        let shared = client.post("/v1/downloads/share", &file).await.expect(200);
        lent.push((stock, [link.text("/url"), shared.text("/shareUrl")]));
    }
    let about = json!({ "fileName": "large.bin", "fileSize": 3 });
    let begun = vendors[0].admin(0).begin_upload("same", "3.0.0", about).await.expect(200);

    assert!(printed(&fleet.operate(&["tenants", "suspend", id])).contains("suspended"));
    assert_suspended(&vendors[0], &lent[0].0.key.text, &lent[0].1).await;
    let upload = vendors[0].stranger(1).request(Method::PUT, &begun.text("/uploadUrl")).body("abc");
    assert_eq!(send(upload).await.expect(403).failure().1, "tenant_inactive");
    for edge in [0, 1] {
        vendors[1].client(edge, &lent[1].0.key.text).get(&lent[1].0.path()).await.expect(200);
    }
    let listed: Value =
        serde_json::from_str(&printed(&fleet.operate(&["tenants", "list", "--json"]))).unwrap();
    let states: Vec<_> = listed.as_array().unwrap().iter().map(|t| (&t["name"], &t["isActive"])).collect();
    assert_eq!(states, [(&json!("Acme"), &json!(false)), (&json!("Bolt"), &json!(true))]);

    printed(&fleet.operate(&["tenants", "resume", id]));
    for edge in [0, 1] {
        let client = vendors[0].client(edge, &lent[0].0.key.text);
        eventually(PATIENCE, || async { client.get(&lent[0].0.path()).await.is(200) }).await;
    }
    let upload = vendors[0].stranger(1).request(Method::PUT, &begun.text("/uploadUrl")).body("abc");
    send(upload).await.expect(200);
    let table = printed(&fleet.operate(&["tenants", "quota", id, "1000"]));
    assert!(table.contains("1000") && table.contains(id) && !table.contains("Bolt"), "{table}");
    assert!(printed(&fleet.operate(&["tenants", "quota", id, "none"])).contains("none"));

    let unnamed = fleet.operate(&["keys", "reset-admin"]);
    assert_eq!(unnamed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unnamed.stderr).contains("--tenant"));
    let key = printed(&fleet.operate(&["keys", "reset-admin", "--tenant", id]));
    let admin = Admin(fleet.client(1, &key));
    eventually(PATIENCE, || async { admin.get("/v1/management/customers").await.is(200) }).await;
    let nobody = "00000000-0000-4000-8000-000000000000";
    for arguments in [["tenants", "suspend", nobody].as_slice(), &["keys", "reset-admin", "--tenant", nobody]]
    {
        let refused = fleet.operate(arguments);
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(nobody));
    }
}

#[tokio::test]
async fn a_system_of_one_tenant_gets_no_second_one() {
    let fleet = Fleet::start(1).await;
    let refused = fleet.operate(&["tenants", "create", "Second"]);
    assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("TIDEGATE_TENANCY=multi"));
    let listed: Value =
        serde_json::from_str(&printed(&fleet.operate(&["tenants", "list", "--json"]))).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(fleet.admin_key.starts_with(listed[0]["tenantId"].as_str().unwrap()));
    printed(&fleet.operate(&["keys", "reset-admin"]));
}
