//! What a share link is asked for and given.

use common::fields::Fields;
use common::mac::{MacKeys, Purpose};
use common::secret::Secret;
use common::time::Timestamp;
use serde_json::{Value, json};

use super::{Shop, asked, reason};
use crate::catalog::issue::{Issuer, Order, lend_on};
use crate::catalog::link::Link;
use crate::error::Refusal;
use crate::replica::tests::world::version;

const MINUTE: i64 = 60_000;

fn order(body: &str) -> Result<Order, Vec<String>> {
    Order::parse(Fields::of_json(body.as_bytes()).unwrap()).map_err(|refusal| match refusal {
        Refusal::BadFields(faults) => faults.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    })
}

fn keys(purpose: Purpose) -> MacKeys {
    MacKeys::derive(&[Secret::new("s".to_owned())], purpose)
}

fn share(shop: &Shop, body: &str) -> Result<Value, &'static str> {
    let ask = asked("/v1/applications", "");
    let (links, shares) = (keys(Purpose::Link), keys(Purpose::Share));
    let issuer = Issuer { base: "https://dl.example.com/x", links: &links, shares: &shares };
    let order = order(body).unwrap();
    let shared = shop.catalog.share(&shop.permit(&ask), &ask, &order, &issuer);
    shared.map(|shared| serde_json::to_value(shared).unwrap()).map_err(|failure| reason(&failure))
}

#[test]
fn everything_that_is_wrong_with_a_body_is_named_at_once() {
    for (body, faults) in [
        ("", &["applicationId: is required", "version: is required"][..]),
        (r#"{"applicationId":"","version":null}"#, &["applicationId: is required", "version: is required"]),
        (
            r#"{"applicationId":7,"version":"1","fileId":[],"expiresInMinutes":"60"}"#,
            &[
                "applicationId: must be a text, not a number",
                "fileId: must be a text, not a list",
                "expiresInMinutes: must be a whole number, not a text",
            ],
        ),
        (
            r#"{"applicationId":"a","version":"1","expiresInMinutes":5,"expiresMinutes":6}"#,
            &["expiresMinutes: differs from expiresInMinutes: send one of them"],
        ),
        (
            r#"{"applicationId":"a","applicationId":"b","version":"1"}"#,
            &["applicationId: is sent more than once"],
        ),
    ] {
        assert_eq!(order(body).unwrap_err(), faults, "{body}");
    }
    for minutes in ["4", "1441", "0", "-5", "5.5", "30.0", "9007199254740993"] {
        for name in ["expiresInMinutes", "expiresMinutes"] {
            let body = format!(r#"{{"applicationId":"a","version":"1","{name}":{minutes}}}"#);
            let expected = format!("{name}: must be a whole number from 5 to 1440");
            assert_eq!(order(&body).unwrap_err(), [expected], "{body}");
        }
    }
}

#[test]
fn a_share_link_names_one_file_and_ends_when_it_says() {
    let shop = Shop::with(&[version("1.0.0", |_| ()), version("2.0.0", |_| ())]);
    for (options, minutes) in [
        ("", 30),
        (r#","expiresInMinutes":null"#, 30),
        (r#","expiresInMinutes":5"#, 5),
        (r#","expiresMinutes":1440"#, 1_440),
        (r#","expiresMinutes":60,"expiresInMinutes":60"#, 60),
    ] {
        let told =
            share(&shop, &format!(r#"{{"applicationId":"my-app","version":"latest"{options}}}"#)).unwrap();
        let token = told["token"].as_str().unwrap();
        let end = Timestamp::from_millis(100_000 + minutes * MINUTE);
        assert_eq!(
            told,
            json!({
                "shareUrl": format!("https://dl.example.com/x/v1/downloads/d/{token}"),
                "token": token, "expiresAt": end.to_string(), "expiresInMinutes": minutes,
            })
        );
        let before = Timestamp::from_millis(end.millis() - 1);
        let link = Link::open(token, &keys(Purpose::Share), before).unwrap();
        assert_eq!((link.version.as_str(), link.file.as_str()), ("2.0.0", "file_2_0_0"));
        assert_eq!(Link::open(token, &keys(Purpose::Share), end), Err(Refusal::LinkExpired));
        assert_eq!(Link::open(token, &keys(Purpose::Link), before), Err(Refusal::LinkInvalid));
    }
    for (names, refused) in [
        (r#""applicationId":"nowhere","version":"1.0.0""#, "application_not_found"),
        (r#""applicationId":"../x","version":"1.0.0""#, "application_not_found"),
        (r#""applicationId":"my-app","version":"9.9.9""#, "version_not_found"),
        (r#""applicationId":"my-app","version":"1 0""#, "version_not_found"),
        (r#""applicationId":"my-app","version":"1.0.0","fileId":"file_2_0_0""#, "file_not_found"),
        (r#""applicationId":"my-app","version":"1.0.0","fileId":"../..""#, "file_not_found"),
    ] {
        assert_eq!(share(&shop, &format!("{{{names}}}")), Err(refused), "{names}");
    }
}

#[test]
fn what_a_share_link_leads_to_lives_no_longer_than_it_and_never_beyond_half_an_hour() {
    let shop = Shop::with(&[version("1.0.0", |_| ())]);
    let (links, shares) = (keys(Purpose::Link), keys(Purpose::Share));
    let issuer = Issuer { base: "http://b", links: &links, shares: &shares };
    let told = share(&shop, r#"{"applicationId":"my-app","version":"1.0.0","expiresInMinutes":60}"#).unwrap();
    let begin = 100_000;
    for (minutes_later, left) in [(0, 30), (29, 30), (30, 30), (31, 29), (59, 1)] {
        let now = Timestamp::from_millis(begin + minutes_later * MINUTE);
        let link = Link::open(told["token"].as_str().unwrap(), &shares, now).unwrap();
        assert!(!link.is_shared);
        let lent = lend_on(&link, now, "ü b.zip", &issuer).unwrap();
        let path = lent.url.strip_prefix("http://b/v1/d/").unwrap();
        let (sealed, name) = path.split_once('/').unwrap();
        assert_eq!(name, "%C3%BC%20b.zip");
        let opened = Link::open(sealed, &links, now).unwrap();
        assert_eq!(opened.expires_at().millis(), now.millis() + left * MINUTE);
        assert_eq!(opened, link.handed_on(opened.expires_at()));
    }
}
