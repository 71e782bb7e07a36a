//! The answers of the listings, as JSON.

use serde_json::Value;

use super::{Shop, asked, reason};
use crate::error::Failure;
use crate::replica::tests::world::{application, entry, for_newer_readers, version};

fn list(shop: &Shop, target: &str) -> Result<Value, Failure> {
    let ask = asked(target, "");
    let permit = shop.permit(&ask);
    let json = match ask.params.get(0) {
        "" => shop.catalog.list_applications(&permit, &ask, "req-1")?,
        _ => shop.catalog.list_versions(&permit, &ask, "req-1")?,
    };
    Ok(serde_json::from_slice(&json).unwrap())
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
        ("/v1/applications?isActive=false", "applications", &[]),
        ("/v1/applications?limit=1&page=2", "applications", &["other"]),
        ("/v1/applications/my-app/versions", "versions", &["3.0.0", "2.0.0", "1.0.0"]),
        ("/v1/applications/my-app/versions?changelog=OF%202.0", "versions", &["2.0.0"]),
        ("/v1/applications/my-app/versions?limit=&page=2&pageSize=2", "versions", &["1.0.0"]),
    ] {
        let field = if items == "versions" { "version" } else { "applicationId" };
        assert_eq!(column(&list(&shop, target).unwrap(), items, field), expected, "{target}");
    }
    for wrong in ["sortBy=size", "sortOrder=up", "isActive=1", "limit=0", "limit=1&limit=1", "page=0"] {
        let failure = list(&shop, &format!("/v1/applications?{wrong}")).unwrap_err();
        assert_eq!(reason(&failure), "invalid_parameter", "{wrong}");
    }
}
