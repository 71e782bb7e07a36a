//! What a key sees of applications and versions, and what it gets.

mod kept;
mod listings;
mod races;
mod shares;
mod updates;

use std::sync::Arc;
use std::time::Duration;

use common::key;
use common::mac::{MacKeys, Purpose};
use common::secret::Secret;

use crate::catalog::Catalog;
use crate::catalog::selection::Wanted;
use crate::error::Failure;
use crate::gate::{Gate, Permit, Staleness};
use crate::keyring::Keyring;
use crate::replica::tests::world::{
    Row, World, app, application, customer, entry, for_newer_readers, gone, key_row, secret, tenant_id,
    version, version_at,
};
use crate::request::Ask;
use crate::request::tests::{ask, nowhere};

struct Shop {
    world: World,
    keyring: Arc<Keyring>,
    gate: Gate,
    catalog: Catalog,
}

impl Shop {
    /// Over `World::furnished`, whose `key_1` sees `my-app` and `other` on Basic.
    fn with(rows: &[Row]) -> Self {
        let world = World::furnished(rows);
        let keyring = Arc::new(Keyring::new(world.replica.clone(), 100));
        let staleness = Staleness { most: Duration::from_secs(1), denies: false };
        let gate = Gate::new(keyring.clone(), world.replica.clone(), staleness);
        let cursors = MacKeys::derive(&[Secret::new("an-edge-secret".to_owned())], Purpose::Cursor);
        let catalog = Catalog::new(world.replica.clone(), 100, cursors);
        Self { world, keyring, gate, catalog }
    }

    fn write(&mut self, rows: &[Row]) {
        let changed = self.world.write(rows);
        self.keyring.refresh(&changed);
        self.catalog.refresh(&changed);
    }

    fn permit(&self, ask: &Ask) -> Permit {
        self.gate.admit(ask).unwrap()
    }

    /// The version that a download of the main file leads to, or why none.
    fn gets(&self, id: &str, version: &str, channel: &str) -> Result<String, &'static str> {
        let ask = asked(&format!("/v1/downloads/url?applicationId={id}&version={version}"), channel);
        let selected = Wanted::parse(&ask)
            .and_then(|wanted| self.catalog.select(&self.permit(&ask), &wanted, ask.channel()));
        selected.map(|selected| selected.version.to_string()).map_err(|failure| reason(&failure))
    }

    /// The versions that are listed.
    fn lists(&self, id: &str, channel: &str) -> Result<Vec<String>, &'static str> {
        let ask = asked("/v1/applications", channel);
        let permit = self.permit(&ask);
        let view = self.catalog.view(&permit, &app(id)).map_err(|failure| reason(&failure))?;
        Ok(self.catalog.visible(&permit, &view, ask.channel()).map(|v| v.name.to_string()).collect())
    }
}

fn asked(target: &str, channel: &str) -> Ask {
    let text = key::text_of(tenant_id(), &secret(1));
    ask(("GET", target), &[("x-api-key", &text), ("x-channel", channel)], nowhere()).unwrap()
}

fn reason(failure: &Failure) -> &'static str {
    match failure {
        Failure::Refused(refusal) => refusal.reason(),
        other => panic!("{other:?}"),
    }
}

const NONE: Result<Vec<String>, &str> = Ok(Vec::new());

#[test]
fn a_version_above_the_tier_is_in_no_list_and_403_by_name() {
    let premium = version("2.0.0", |v| v.required_tier = Some("Premium".parse().unwrap()));
    let mut shop = Shop::with(&[version("1.0.0", |_| ()), premium]);
    assert_eq!(shop.lists("my-app", "").unwrap(), ["1.0.0"]);
    assert_eq!(shop.gets("my-app", "2.0.0", ""), Err("tier_too_low"));
    assert_eq!(shop.gets("my-app", "latest", "").unwrap(), "1.0.0");
    shop.write(&[customer(|c| c.tier = "Premium".parse().unwrap())]);
    assert_eq!(shop.lists("my-app", "").unwrap(), ["2.0.0", "1.0.0"]);
    assert_eq!(shop.gets("my-app", "latest", "").unwrap(), "2.0.0");
    // A tier that nobody has heard of suffices for nothing, and nobody is on it.
    shop.write(&[customer(|c| c.tier = "Gone".parse().unwrap())]);
    assert_eq!(shop.gets("my-app", "2.0.0", ""), Err("tier_too_low"));
    shop.write(&[customer(|_| ()), version("1.0.0", |v| v.required_tier = Some("Gone".parse().unwrap()))]);
    assert_eq!(shop.gets("my-app", "latest", ""), Err("version_not_found"));
}

#[test]
fn drafts_and_channels_show_to_who_asks_for_them_and_is_entitled() {
    let rows = [
        version("1.0.0", |_| ()),
        version("1.1.0", |v| v.is_enabled = false),
        version("2.0.0", |v| v.channel = "Beta".to_owned()),
    ];
    let mut shop = Shop::with(&rows);
    for (channel, listed) in [("", &["1.0.0"][..]), ("Test", &["1.0.0"]), ("Beta", &["1.0.0"])] {
        assert_eq!(shop.lists("my-app", channel).unwrap(), listed, "{channel}: not entitled");
        assert_eq!(shop.gets("my-app", "1.1.0", channel), Err("version_not_enabled"));
        assert_eq!(shop.gets("my-app", "2.0.0", channel), Err("version_not_enabled"));
    }
    shop.write(&[
        customer(|c| c.channels = vec!["Test".to_owned()]),
        key_row("key_1", 1, |k| k.channels = vec!["beta".to_owned()]),
    ]);
    for (channel, listed) in [
        ("", &["1.0.0"][..]),
        ("test", &["1.1.0", "1.0.0"]),
        ("Beta", &["2.0.0", "1.0.0"]),
        ("Nightly", &["1.0.0"]),
    ] {
        assert_eq!(shop.lists("my-app", channel).unwrap(), listed, "{channel}: entitled");
        assert_eq!(shop.gets("my-app", "latest", channel).unwrap(), listed[0]);
    }
    assert_eq!(shop.gets("my-app", "1.1.0", ""), Err("version_not_enabled"));
}

#[test]
fn a_yanked_version_is_as_one_that_never_was() {
    let yanked = version("2.0.0", |v| {
        v.is_active = false;
        v.required_tier = Some("Premium".parse().unwrap());
    });
    let shop = Shop::with(&[version("1.0.0", |_| ()), yanked]);
    assert_eq!(shop.lists("my-app", "").unwrap(), ["1.0.0"]);
    assert_eq!(shop.gets("my-app", "2.0.0", ""), Err("version_not_found"));
    assert_eq!(shop.gets("my-app", "9.9.9", ""), Err("version_not_found"));
    assert_eq!(shop.gets("my-app", "latest", "").unwrap(), "1.0.0");
}

#[test]
fn latest_is_the_newest_that_shows_by_semver() {
    for (names, newest) in [
        (&["1.9.0", "1.10.0", "1.2.0"][..], "1.10.0"),
        (&["2.0.0-rc.1", "1.0.0"], "2.0.0-rc.1"),
        (&["2.0.0-rc.1", "2.0.0"], "2.0.0"),
        (&["2.0.0-rc.2", "2.0.0-rc.11"], "2.0.0-rc.11"),
    ] {
        let rows: Vec<Row> = names.iter().map(|name| version(name, |_| ())).collect();
        assert_eq!(Shop::with(&rows).gets("my-app", "latest", "").unwrap(), newest, "{names:?}");
    }
    assert_eq!(Shop::with(&[]).gets("my-app", "latest", ""), Err("version_not_found"));
}

#[test]
fn an_application_that_is_not_for_this_key_is_as_one_that_never_was() {
    type Hide = fn(&mut Shop);
    let cases: [(&str, Hide); 7] = [
        ("outside the key's applications", |shop| {
            shop.write(&[key_row("key_1", 1, |k| k.applications = Some(vec![app("other")]))]);
        }),
        ("narrowed to none", |shop| shop.write(&[key_row("key_1", 1, |k| k.applications = Some(vec![]))])),
        ("not assigned", |shop| shop.write(&[customer(|c| c.applications = vec![app("other")])])),
        ("inactive", |shop| shop.write(&[application("my-app", false)])),
        ("deleted", |shop| shop.write(&[gone(application("my-app", true).0)])),
        ("denied", |shop| shop.world.deny(&[application("my-app", true).0])),
        ("for newer readers", |shop| {
            let row = for_newer_readers(entry(9, &application("my-app", true)));
            let changed = shop.world.write_entries(vec![row]);
            shop.catalog.refresh(&changed);
        }),
    ];
    for (what, hide) in cases {
        let mut shop = Shop::with(&[version("1.0.0", |_| ())]);
        assert_eq!(shop.gets("my-app", "1.0.0", "").unwrap(), "1.0.0");
        hide(&mut shop);
        assert_eq!(shop.gets("my-app", "1.0.0", ""), Err("application_not_found"), "{what}");
        assert_eq!(shop.lists("my-app", ""), Err("application_not_found"), "{what}");
    }
    let shop = Shop::with(&[]);
    assert_eq!(shop.gets("nowhere", "1.0.0", ""), Err("application_not_found"));
    assert_eq!(shop.lists("my-app", ""), NONE);
}

#[test]
fn a_denial_of_a_version_hides_it_at_once() {
    let shop = Shop::with(&[version("1.0.0", |_| ()), version("2.0.0", |_| ())]);
    assert_eq!(shop.gets("my-app", "latest", "").unwrap(), "2.0.0");
    shop.world.deny(&[version_at("2.0.0")]);
    assert_eq!(shop.gets("my-app", "latest", "").unwrap(), "1.0.0");
    assert_eq!(shop.gets("my-app", "2.0.0", ""), Err("version_not_found"));
    assert_eq!(shop.lists("my-app", "").unwrap(), ["1.0.0"]);
}

#[test]
fn files_belong_to_application_and_version() {
    let shop = Shop::with(&[version("1.0.0", |_| ()), version("2.0.0", |_| ())]);
    let get = |target: &str| {
        let ask = asked(target, "");
        let selected = Wanted::parse(&ask)
            .and_then(|wanted| shop.catalog.select(&shop.permit(&ask), &wanted, ask.channel()));
        selected.map(|selected| selected.object.file_name.to_string()).map_err(|failure| reason(&failure))
    };
    assert_eq!(get("/v1/download/my-app/1.0.0/my-app-1.0.0.zip").unwrap(), "my-app-1.0.0.zip");
    assert_eq!(get("/v1/download/my-app/latest/my-app-2.0.0.zip").unwrap(), "my-app-2.0.0.zip");
    assert_eq!(get("/v1/download/my-app/1.0.0/my-app-2.0.0.zip"), Err("file_not_found"));
    let by_id = |version: &str, id: &str| {
        get(&format!("/v1/applications/my-app/versions/{version}/files/{id}/download"))
    };
    assert_eq!(by_id("1.0.0", "file_1_0_0").unwrap(), "my-app-1.0.0.zip");
    assert_eq!(by_id("2.0.0", "file_1_0_0"), Err("file_not_found"));
    assert_eq!(get("/v1/download/other/1.0.0/my-app-1.0.0.zip"), Err("version_not_found"));
}
