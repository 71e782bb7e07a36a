//! The answers of the listings, as JSON.

use common::routes::RouteId;
use serde_json::{Value, json};

use super::{Shop, asked, reason};
use crate::error::Failure;
use crate::replica::tests::world::{application, entry, for_newer_readers, version};

fn list(shop: &Shop, target: &str) -> Result<Value, Failure> {
    let ask = asked(target, "");
    let permit = shop.permit(&ask);
    let listed = match ask.id() {
        RouteId::ListApplications => shop.catalog.list_applications(&permit, &ask)?,
        RouteId::ListFiles => shop.catalog.list_files(&permit, &ask)?,
        _ => shop.catalog.list_versions(&permit, &ask)?,
    };
    let answer: Value = serde_json::from_slice(&listed.told.json("req-1").unwrap()).unwrap();
    assert_eq!(answer["data"]["pagination"]["nextCursor"].as_str(), listed.next.as_deref());
    Ok(answer)
}

/// The texts at `field` of the items at `items`.
fn column(answer: &Value, items: &str, field: &str) -> Vec<String> {
    let rows = answer["data"][items].as_array().unwrap();
    rows.iter().map(|row| row[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn applications_are_listed_with_the_latest_version_that_shows() {
    let above = version("3.0.0", |v| v.required_tier = Some("Premium".parse().unwrap()));
    let draft = version("2.5.0", |v| v.is_enabled = false);
    let shop = Shop::with(&[version("2.0.0", |_| ()), version("1.0.0", |_| ()), above, draft]);
    let answer = list(&shop, "/v1/applications").unwrap();
    assert_eq!(column(&answer, "applications", "applicationId"), ["my-app", "other"]);
    assert_eq!(column(&answer, "applications", "latestVersion"), ["2.0.0", ""]);
    assert_eq!(answer["data"]["applications"][1].get("latestVersion"), None, "omitted, never null");
    assert_eq!(answer["meta"]["pagination"]["total"], 2);
}

#[test]
fn one_application_that_cannot_be_read_does_not_spoil_the_listing() {
    let mut shop = Shop::with(&[]);
    shop.world.write_entries(vec![for_newer_readers(entry(9, &application("my-app", true)))]);
    let answer = list(&shop, "/v1/applications").unwrap();
    assert_eq!(column(&answer, "applications", "applicationId"), ["other"]);
}

#[test]
fn a_query_narrows_sorts_and_cuts() {
    let versions = ["1.0.0", "2.0.0", "3.0.0"]
        .map(|name| version(name, |v| v.release_notes = Some(format!("Fixes of {name}, see Changes"))));
    let shop = Shop::with(&versions);
    for (target, items, expected) in [
        ("/v1/applications?search=OTH", "applications", &["other"][..]),
        ("/v1/applications?sortOrder=desc", "applications", &["other", "my-app"]),
        ("/v1/applications?tags=&tag=x", "applications", &[]),
        ("/v1/applications?tag=x&tag=y", "applications", &[]),
        ("/v1/applications?isActive=false", "applications", &[]),
        ("/v1/applications?limit=1&page=2", "applications", &["other"]),
        ("/v1/applications/my-app/versions", "versions", &["3.0.0", "2.0.0", "1.0.0"]),
        ("/v1/applications/my-app/versions?changelog=OF%202.0", "versions", &["2.0.0"]),
        ("/v1/applications/my-app/versions?limit=&page=2&pageSize=2", "versions", &["1.0.0"]),
    ] {
        let field = if items == "versions" { "version" } else { "applicationId" };
        assert_eq!(column(&list(&shop, target).unwrap(), items, field), expected, "{target}");
    }
    for wrong in ["sortBy=size", "sortOrder=up", "isActive=maybe", "limit=0", "limit=1&limit=1", "page=0"] {
        let failure = list(&shop, &format!("/v1/applications?{wrong}")).unwrap_err();
        assert_eq!(reason(&failure), "invalid_parameter", "{wrong}");
    }
}

fn cursor_of(answer: &Value) -> String {
    answer["data"]["pagination"]["nextCursor"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn a_cursor_goes_on_where_the_list_stopped_whatever_came_in_between() {
    let mut shop = Shop::with(&["1.0.0", "2.0.0", "3.0.0"].map(|name| version(name, |_| ())));
    let path = "/v1/applications/my-app/versions";
    let first = list(&shop, &format!("{path}?limit=1")).unwrap();
    assert_eq!(column(&first, "versions", "version"), ["3.0.0"]);
    shop.write(&[
        version("4.0.0", |_| ()),
        version("1.5.0", |_| ()),
        version("3.0.0", |v| v.is_active = false),
    ]);
    let second = list(&shop, &format!("{path}?cursor={}", cursor_of(&first))).unwrap();
    assert_eq!(column(&second, "versions", "version"), ["2.0.0"], "as many as before");
    assert_eq!(
        second["meta"]["pagination"],
        json!({ "page": 2, "limit": 1, "total": 4, "hasNext": true, "hasPrevious": true })
    );
    let rest = list(&shop, &format!("{path}?limit=9&cursor={}", cursor_of(&second))).unwrap();
    assert_eq!(column(&rest, "versions", "version"), ["1.5.0", "1.0.0"]);
    assert_eq!(rest["data"]["pagination"], json!({ "hasMore": false }));
    let files = list(&shop, &format!("{path}/4.0.0/files?limit=1")).unwrap();
    assert_eq!(files["data"]["pagination"], json!({ "hasMore": false }));
}

#[test]
fn a_cursor_is_good_for_its_list_alone() {
    let shop = Shop::with(&["1.0.0", "2.0.0", "3.0.0"].map(|name| version(name, |_| ())));
    let (applications, versions) = ("/v1/applications", "/v1/applications/my-app/versions");
    let of = |target: &str| cursor_of(&list(&shop, target).unwrap());
    let (good, by_name) = (of(&format!("{versions}?limit=1")), of(&format!("{applications}?limit=1")));
    assert!(list(&shop, &format!("{applications}?cursor={by_name}&limit=7")).is_ok());
    for target in [
        format!("{versions}?cursor={by_name}"),
        format!("{versions}?cursor={}", &good[1..]),
        format!("{versions}?changelog=x&cursor={good}"),
        format!("/v1/applications/other/versions?cursor={good}"),
        format!("{applications}?cursor={good}"),
        format!("{applications}?sortOrder=desc&cursor={by_name}"),
        format!("{applications}?search=o&cursor={by_name}"),
    ] {
        let failure = list(&shop, &target).unwrap_err();
        assert_eq!(reason(&failure), "invalid_cursor", "{target}");
    }
}
