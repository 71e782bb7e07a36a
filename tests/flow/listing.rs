//! Lists: in pages, by number and by cursor, on both planes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{Answer, Client, System};

/// The list without its first page, followed by what it says itself: `nextCursor`, and `Link`.
async fn followed(client: &Client, target: &str, list: &str, id: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(target.to_owned());
    while let Some(target) = next {
        let answer = client.get(&target).await.expect(200);
        let told = &answer.json()["meta"]["pagination"];
        assert_eq!(told["page"], json!(pages.len() + 1), "{answer:?}");
        assert_eq!(told["hasPrevious"], json!(!pages.is_empty()), "{answer:?}");
        assert_eq!(told["hasNext"], answer.data("/pagination/hasMore"), "{answer:?}");
        pages.push(answer.column(list, id));
        next = next_of(client, &answer);
        assert_eq!(next.is_some(), told["hasNext"] == true, "{answer:?}");
    }
    pages
}

/// Where the next page is, which header and body say alike.
fn next_of(client: &Client, answer: &Answer) -> Option<String> {
    let cursor = answer.json()["data"]["pagination"]["nextCursor"].as_str()?.to_owned();
    let link = answer.header("link");
    let target = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    assert!(target.contains(&format!("cursor={cursor}")), "{target}");
    Some(target.strip_prefix(client.base()).unwrap().to_owned())
}

#[tokio::test]
async fn every_list_leads_to_its_end_by_cursor_and_by_link() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("app-0").await;
    for number in 1..5 {
        let id = format!("app-{number}");
        admin.create_application(&id, &[&stock.customer]).await.expect(201);
        admin.create_customer(&format!("cust-{number}"), "Basic").await.expect(201);
        admin.create_key(&stock.customer, json!({})).await;
        let version = format!("0.{number}.0");
        let fields = [("applicationId", "app-0"), ("version", version.as_str())];
        admin.upload(&fields, "a.bin", b"a").await.expect(201);
        let fields = [("applicationId", "app-0"), ("version", "1.2.0")];
        admin.upload(&fields, &format!("more-{number}.bin"), b"b").await.expect(201);
    }
    let customer = system.client(0, &stock.key.text);
    let keys = format!("/v1/management/customers/{}/apikeys", stock.customer);
    for (client, path, list, id) in [
        (&*admin, "/v1/applications", "/applications", "applicationId"),
        (&customer, "/v1/applications", "/applications", "applicationId"),
        (&customer, "/v1/applications/app-0/versions", "/versions", "version"),
        (&*admin, "/v1/applications/app-0/versions", "/versions", "version"),
        (&customer, "/v1/applications/app-0/versions/1.2.0/files", "/files", "fileName"),
        (&*admin, "/v1/management/customers", "/customers", "customerId"),
        (&*admin, &keys, "/apiKeys", "keyId"),
        (&*admin, "/v1/management/apikeys", "/apiKeys", "keyId"),
    ] {
        let whole = client.get(&format!("{path}?limit=100")).await.expect(200).column(list, id);
        assert!(whole.len() >= 5, "{path}: {whole:?}");
        let pages = followed(client, &format!("{path}?limit=2&page=1"), list, id).await;
        assert!(pages[..pages.len() - 1].iter().all(|page| page.len() == 2), "{path}: {pages:?}");
        assert_eq!(pages.concat(), whole, "{path}");
    }
    let whole = customer.get("/v1/applications/app-0/versions").await.expect(200);
    assert_eq!(whole.json()["meta"]["pagination"]["limit"], 50);
    let none = customer.get("/v1/applications/app-1/versions").await.expect(200);
    let pagination = json!({ "page": 1, "limit": 50, "total": 0, "hasNext": false, "hasPrevious": false });
    assert_eq!(none.json()["meta"]["pagination"], pagination);
}

#[tokio::test]
async fn who_has_a_list_is_told_that_it_is_the_same_until_it_is_not() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("tagged").await;
    let customer = system.client(0, &stock.key.text);
    for path in [
        "/v1/applications",
        "/v1/applications?limit=1",
        "/v1/applications/tagged",
        "/v1/applications/tagged/versions",
        "/v1/applications/tagged/versions/latest/files",
    ] {
        let first = customer.get(path).await.expect(200);
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\"") && first.header("cache-control") == "private, no-cache", "{first:?}");
        let again = customer.get(path).await.expect(200);
        assert_eq!((again.header("etag"), again.data("")), (tag.as_str(), first.data("")));
        let request_id = |answer: &Answer| answer.json()["meta"]["requestId"].as_str().unwrap().to_owned();
        assert_eq!(request_id(&again), again.header("x-request-id"), "each names its own request");
        assert_ne!(request_id(&again), request_id(&first));
        for known in [tag.clone(), tag[2..].to_owned(), "*".to_owned(), format!("\"a\", {tag}")] {
            let spared = customer.get_with(path, "if-none-match", &known).await.expect(304);
            assert!(spared.body.is_empty());
            assert_eq!(
                (spared.header("etag"), spared.header("cache-control")),
                (tag.as_str(), "private, no-cache")
            );
        }
        customer.get_with(path, "if-none-match", "\"other\"").await.expect(200);
        // What the vendor changes is in the next answer, and another tag on it.
        admin.change_version("tagged", "1.2.0", json!({ "releaseNotes": path })).await.expect(200);
        let fields = [("applicationId", "tagged"), ("version", "1.2.0")];
        admin.upload(&fields, &format!("{}.bin", path.len()), b"more").await.expect(201);
        let name = json!({ "name": format!("Name {}", path.len()) });
        admin.patch("/v1/management/applications/tagged", &name).await.expect(200);
        let changed = customer.get_with(path, "if-none-match", &tag).await.expect(200);
        assert_ne!(changed.header("etag"), tag, "{path}");
    }
}

#[tokio::test]
async fn what_is_taken_away_is_in_no_list_that_was_told_before() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("taken").await;
    admin.create_customer("rival", "Premium").await.expect(201);
    let other = admin.create_key("rival", json!({})).await;
    let versions = "/v1/applications/taken/versions";
    let customer = system.client(0, &stock.key.text);
    let tag = customer.get(versions).await.expect(200).header("etag").to_owned();
    let rival = system.client(0, &other.text);
    assert_eq!(
        rival.get_with(versions, "if-none-match", &tag).await.expect(404).failure().1,
        "application_not_found"
    );
    let premium = json!({ "requiredTier": "Premium" });
    admin.change_version("taken", "1.2.0", premium).await.expect(200);
    let without = customer.get_with(versions, "if-none-match", &tag).await.expect(200);
    assert_eq!(without.data("/versions"), json!([]));
    admin.patch("/v1/management/applications/taken", &json!({ "isActive": false })).await.expect(200);
    customer.get_with(versions, "if-none-match", without.header("etag")).await.expect(404);
}

#[tokio::test]
async fn a_cursor_is_good_on_every_edge_for_its_own_list_and_key_alone() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("first").await;
    admin.create_application("second", &[&stock.customer]).await.expect(201);
    let other = admin.create_key(&stock.customer, json!({})).await;
    let one = system.client(0, &stock.key.text);
    let cursor = |answer: Answer| answer.expect(200).text("/pagination/nextCursor");
    let mine = cursor(one.get("/v1/applications?limit=1").await);
    let admins = cursor(admin.get("/v1/applications?limit=1").await);
    let edge_b = system.client(1, &stock.key.text);
    let list = format!("/v1/applications?cursor={mine}");
    let page = support::eventually(support::PATIENCE, || async { edge_b.get(&list).await.is(200) }).await;
    assert_eq!(page.column("/applications", "applicationId"), ["second"]);
    let cut = &mine[..mine.len() - 2];
    let (not_mine, not_admins) = (system.client(0, &other.text), system.at_desk());
    for (client, target) in [
        (&not_mine, list.clone()),
        (&*not_admins, list.clone()),
        (&one, format!("/v1/applications?cursor={admins}")),
        (&one, format!("/v1/applications?cursor={cut}")),
        (&one, format!("/v1/applications?sortOrder=desc&cursor={mine}")),
        (&one, format!("/v1/applications/first/versions?cursor={mine}")),
        (&*admin, format!("/v1/applications?search=a&cursor={admins}")),
        (&*admin, format!("/v1/management/customers?cursor={admins}")),
        (&*admin, "/v1/management/apikeys?cursor=%F0%9F%98%80".to_owned()),
    ] {
        let refused = client.get(&target).await.expect(400);
        assert_eq!(
            refused.failure(),
            ("VALIDATION_ERROR".to_owned(), "invalid_cursor".to_owned()),
            "{target}"
        );
        assert!(refused.json()["error"]["message"].to_string().contains("begin without a cursor"));
    }
}

#[tokio::test]
async fn what_cannot_be_a_page_is_refused_on_both_planes() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("refused").await;
    let customer = system.client(0, &stock.key.text);
    for client in [&*admin, &customer] {
        for query in [
            "limit=0",
            "limit=-1",
            "limit=101",
            "limit=1e9",
            "limit=abc",
            "limit=1.5",
            "limit=1&limit=2",
            "page=0",
            "page=x",
            "pageSize=x",
            "cursor=abc&page=2",
            "sortBy=size",
            "sortOrder=up",
            "isActive=maybe",
        ] {
            let refused = client.get(&format!("/v1/applications?{query}")).await.expect(400);
            assert_eq!(refused.failure().0, "VALIDATION_ERROR", "{query}");
        }
        for query in [
            "cursor=&limit=&page=",
            "pageSize=100000",
            "pageSize=-1",
            "page=1000000000",
            "isActive=True",
            "x=1",
        ] {
            client.get(&format!("/v1/applications?{query}")).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_list_that_grows_between_pages_tells_each_item_once() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let mut stays = BTreeSet::new();
    for name in ["b", "d", "f", "h", "j"] {
        admin.create_customer(name, "Basic").await.expect(201);
        stays.insert(name.to_owned());
    }
    let (mut told, mut next) = (Vec::new(), Some("/v1/management/customers?limit=2".to_owned()));
    let mut comes = ["a", "c", "e", "g", "i", "k"].into_iter();
    while let Some(target) = next {
        let answer = admin.get(&target).await.expect(200);
        told.extend(answer.column("/customers", "customerId"));
        next = next_of(&admin, &answer);
        if let Some(name) = comes.next() {
            admin.create_customer(name, "Basic").await.expect(201);
        }
    }
    assert!(told.is_sorted_by(|a, b| a < b), "repeated: {told:?}");
    assert!(stays.iter().all(|id| told.contains(id)), "skipped: {told:?}");
    let value: Value = admin.get("/v1/management/customers").await.expect(200).json();
    assert_eq!(value["data"]["pagination"], json!({ "hasMore": false }), "told whole");
}
