//! Paths that mean another path to somebody between the client and us. Each plane takes a path as it was sent: what is
//! encoded stays within its segment, and nothing is walked, folded or cut off.

use support::{PATIENCE, System, eventually, raw};

use super::{doors, writes};

/// Within one segment, or across several: nothing of it is the name of anything.
const WALKS: [&str; 27] = [
    "../stock",
    "..",
    ".",
    "./stock",
    "%2e%2e%2fstock",
    "%2e%2e/stock",
    "%2e%2e",
    "%252e%252e%252fstock",
    "..\\stock",
    "..%5cstock",
    "%c0%af",
    "%c0%ae%c0%ae%c0%afstock",
    "....//stock",
    "stock;a=b",
    "stock/;a=b/..",
    ";a=b",
    "/stock",
    "//stock",
    "stock/",
    "stock%2f",
    "stock%00",
    "%00",
    "stock%0d%0aSet-Cookie:x",
    "%0d%0aSet-Cookie:x=1%0d%0a%0d%0a",
    "stock%20",
    "%",
    "%zz",
];

/// Reads of both planes, each with a place for it.
const READS: [&str; 14] = [
    "/v1/applications/{}",
    "/v1/applications/{}/versions",
    "/v1/applications/stock/versions/{}/files",
    "/v1/applications/stock/versions/1.2.0/files/{}/download",
    "/v1/download/{}/1.2.0/setup.bin",
    "/v1/download/stock/{}/setup.bin",
    "/v1/download/stock/1.2.0/{}",
    "/v1/downloads/d/{}",
    "/v1/d/{}/setup.bin",
    "/v1/updates/{}",
    "/v1/management/customers/{}",
    "/v1/management/apikeys/{}",
    "/v1/management/tiers/{}",
    "/v1/backups/{}",
];

const NOWHERE: [&str; 10] = [
    "application_not_found",
    "version_not_found",
    "file_not_found",
    "link_not_found",
    "route_not_found",
    "not_found",
    "customer_not_found",
    "key_not_found",
    "tier_not_found",
    "backup_not_found",
];

#[tokio::test]
async fn a_path_that_walks_leads_nowhere() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("stock").await;
    let customer = system.client(1, &stock.key.text);
    eventually(PATIENCE, || async { customer.get(&stock.path()).await.is(200) }).await;
    let askers = [
        (&system.edges[0], &system.admin_key),
        (&system.edges[1], &stock.key.text),
        (&system.desk, &system.admin_key),
    ];
    for (base, key) in askers {
        for (read, walk) in READS.iter().flat_map(|read| WALKS.iter().map(move |walk| (read, walk))) {
            let target = read.replace("{}", walk);
            let leads = raw::ask(base, "GET", &target, key).await;
            let name = format!("{target} at {base}: {leads:?}");
            let refused_for_who_asks = leads.status == 403 && *key == stock.key.text;
            assert!(leads.status == 404 || refused_for_who_asks, "{name}");
            let reason = leads.failure().1;
            assert!(refused_for_who_asks || NOWHERE.contains(&reason.as_str()), "{name}");
            assert!(leads.header_lines("set-cookie").is_empty(), "{name}");
            assert!(leads.header_lines("location").is_empty(), "{name}");
        }
    }
}

/// Around the segments that are ours, where no name is asked for.
#[tokio::test]
async fn a_route_has_one_way_to_be_written() {
    let system = System::in_process().await;
    for base in [&system.edges[0], &system.edges[1], &system.desk] {
        for (target, status) in [
            ("/v1/applications", 200),
            ("/v1/applications?", 200),
            ("//v1/applications", 404),
            ("/v1//applications", 404),
            ("/v1/applications/", 404),
            ("/v1/applications//", 404),
            ("/v1/../v1/applications", 404),
            ("/./v1/applications", 404),
            ("/v1/%2e/applications", 404),
            ("/%76%31/applications", 404),
            ("/v1%2fapplications", 404),
            ("/v1%5capplications", 404),
            ("/v1\\applications", 404),
            ("/V1/applications", 404),
            ("/v1/Applications", 404),
            ("/v1/applications;a=b", 404),
            ("/v1;a=b/applications", 404),
            ("/v1/applications%00", 404),
            ("/v1/applications%0d%0aSet-Cookie:x=1", 404),
            ("/v1/applications%3flimit=1", 404),
            ("/v1/applications%23", 404),
            ("/....//v1/applications", 404),
            ("/%c0%af/v1/applications", 404),
            // No request lines at all: refused below our word.
            ("v1/applications", 400),
            ("\\v1\\applications", 400),
            ("/v1/appli cations", 400),
            ("", 400),
        ] {
            let answer = raw::ask(base, "GET", target, &system.admin_key).await;
            assert_eq!(answer.status, status, "{target} at {base}: {answer:?}");
            assert!(answer.header_lines("set-cookie").is_empty(), "{target} at {base}: {answer:?}");
            if status == 404 {
                assert_eq!(answer.failure().1, "route_not_found", "{target} at {base}");
            }
        }
    }
}

/// What a proxy, a URL library or a file system would turn into the name of something.
#[tokio::test]
async fn a_write_by_a_path_that_walks_changes_nothing() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let before = writes(&admin).await;
    let versions = "/v1/applications/stock/versions";
    for base in [&system.edges[0], &system.desk] {
        for (method, target) in [
            ("DELETE", "/v1/management/applications/x/../stock".to_owned()),
            ("DELETE", "/v1/management/applications/x%2f..%2fstock".to_owned()),
            ("DELETE", "/v1/management/applications/%2e%2e%2fapplications%2fstock".to_owned()),
            ("DELETE", "/v1/management/applications/../applications/stock".to_owned()),
            ("DELETE", "/v1/management/applications/..\\applications\\stock".to_owned()),
            ("DELETE", "/v1/management/applications/x\\..\\stock".to_owned()),
            ("DELETE", "/v1/management/applications/./stock".to_owned()),
            ("DELETE", "/v1/management/applications//stock".to_owned()),
            ("DELETE", "/v1/management/applications/stock/".to_owned()),
            ("DELETE", "/v1/management/applications/stock;a=b".to_owned()),
            ("DELETE", "/v1/management/applications/stock%00".to_owned()),
            ("DELETE", "/v1/management/applications/stock%20".to_owned()),
            ("DELETE", "/v1/management/applications/stock%0a".to_owned()),
            ("DELETE", "/v1/management/applications/STOCK".to_owned()),
            ("DELETE", "/v1/management/applications/%EF%BD%93tock".to_owned()),
            ("DELETE", format!("{versions}/x/../1.2.0")),
            ("DELETE", format!("{versions}/%2e%2e%2f1.2.0")),
            ("DELETE", format!("{versions}/1.2.0/")),
            ("DELETE", format!("{versions}/1.2.0%00")),
            ("DELETE", format!("{versions}/latest")),
            ("DELETE", format!("/v1/management/apikeys/x/../{}", stock.key.id)),
            ("DELETE", format!("/v1/management/apikeys/{};a=b", stock.key.id)),
            ("DELETE", format!("/v1/management/apikeys/{}%00", stock.key.id)),
            ("POST", format!("/v1/management/customers/x/../{}/regenerate-key", stock.customer)),
            ("POST", format!("/v1/management/customers/{}%2fregenerate-key", stock.customer)),
            ("POST", format!("/v1/management/customers/{}/regenerate-key/", stock.customer)),
        ] {
            let answer = raw::ask(base, method, &target, &system.admin_key).await;
            // Where a customer is read, nothing can be posted.
            let expected = if target.contains("%2fregenerate") { 405 } else { 404 };
            assert_eq!(answer.status, expected, "{method} {target} at {base}: {answer:?}");
        }
    }
    assert_eq!(writes(&admin).await, before, "something was written");
    system.client(0, &stock.key.text).get(&stock.path()).await.expect(200);
}

/// An encoded character is the character (RFC 3986 section 2.3), where it is part of a name.
#[tokio::test]
async fn an_encoded_letter_is_that_letter() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("stock").await;
    for (door, admin) in doors(&system) {
        eventually(PATIENCE, || async { admin.get("/v1/applications/stock").await.is(200) }).await;
        let read = raw::ask(admin.base(), "GET", "/v1/applications/%73tock", &system.admin_key).await;
        assert_eq!(read.expect(200).text("/applicationId"), "stock", "{door}");
    }
    for target in ["/v1/download/%73tock/1%2e2.0/%73etup.bin", "/v1/download/stock/1.2.0/setup%2Ebin"] {
        let read = raw::ask(&system.edges[0], "GET", target, &stock.key.text).await.expect(200);
        assert!(read.body == stock.bytes, "other bytes");
    }
}

/// Both planes may stand below a path of their public URL.
#[tokio::test]
async fn the_prefix_of_a_public_url_is_taken_off_once_and_nowhere_else() {
    let system = System::adjusted(1, |_, config| {
        config.public_url = Some("https://dl.example.com/dl".to_owned());
    })
    .await;
    for (target, status) in [
        ("/dl/v1/applications", 200),
        ("/v1/applications", 200),
        ("/dl/dl/v1/applications", 404),
        ("/dlx/v1/applications", 404),
        ("/dl//v1/applications", 404),
        ("/dl/../v1/applications", 404),
        ("/dl/../dl/v1/applications", 404),
        ("/%64l/v1/applications", 404),
        ("/dl%2fv1/applications", 404),
        ("/DL/v1/applications", 404),
        ("/dl;a=b/v1/applications", 404),
        ("/dl\\v1/applications", 404),
        ("/dl", 404),
        ("/dl/", 404),
    ] {
        let answer = raw::ask(&system.edges[0], "GET", target, &system.admin_key).await;
        assert_eq!(answer.status, status, "{target}: {answer:?}");
    }
}
