//! Which version and file an update check offers.

use common::catalog::{File, FileType};
use common::digest::Digest;

use super::{Shop, asked, reason};
use crate::catalog::updates::Question;
use crate::replica::tests::world::{Row, customer, key_row, version};

fn file(name: &str, file_type: FileType, size: u64) -> File {
    File {
        id: format!("file_{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")).parse().unwrap(),
        name: name.to_owned(),
        file_type,
        content_type: "application/octet-stream".to_owned(),
        size,
        digest: Digest::of(name.as_bytes()),
        order: 0,
        description: None,
    }
}

/// A version of `my-app` with main files of these names; signatures are small.
fn of(name: &str, files: &[&str]) -> Row {
    version(name, |v| {
        let main = |name: &&str| file(name, FileType::Main, if name.ends_with("sig") { 300 } else { 9_000 });
        v.files = files.iter().map(main).collect();
    })
}

/// The version and file that are offered, and whether signed; or why nothing is.
fn offered(shop: &Shop, query: &str, channel: &str) -> Result<(String, String, bool), String> {
    let ask = asked(&format!("/v1/updates/my-app?{query}"), channel);
    let question = Question::parse(&ask).map_err(|refusal| format!("{refusal:?}"))?;
    let permit = shop.permit(&ask);
    let asked = shop.catalog.recall_update(&permit, &ask).map_err(|f| reason(&f).to_owned())?.unwrap_err();
    let offer = shop.catalog.find_update(&permit, &asked, &question).ok_or_else(|| "nothing".to_owned())?;
    let selected = offer.selected;
    Ok((selected.version.to_string(), selected.object.file_name.to_string(), offer.signature.is_some()))
}

fn check(shop: &Shop, query: &str, expected: Option<(&str, &str)>) {
    let found = offered(shop, query, "").map(|(version, file, _)| (version, file));
    let expected = expected.map(|(version, file)| (version.to_owned(), file.to_owned()));
    assert_eq!(found.clone().ok(), expected, "{query}: {found:?}");
}

#[test]
fn only_what_is_newer_by_semver_is_offered() {
    let shop = Shop::with(&[of("1.10.0", &["a.zip"]), of("1.9.0", &["b.zip"]), of("2.0.0-rc.1", &["c.zip"])]);
    for (current, newest) in [
        ("", Some("2.0.0-rc.1")),
        ("1.9.0", Some("2.0.0-rc.1")),
        ("v1.2", Some("2.0.0-rc.1")),
        ("2.0.0-beta", Some("2.0.0-rc.1")),
        ("2.0.0-rc.1", None),
        // Who has another spelling or another build of it has it.
        ("v2.0.0-rc.1", None),
        ("2.0-rc.1", None),
        ("2.0.0-rc.1%2B77", None),
        ("2.0.0-rc.1+77", None),
        ("2.0.0", None),
        ("3", None),
    ] {
        let expected = newest.map(|newest| (newest, "c.zip"));
        check(&shop, &format!("current={current}"), expected);
    }
    check(&Shop::with(&[]), "", None);
}

#[test]
fn everything_that_is_wrong_with_a_check_is_named() {
    let shop = Shop::with(&[of("1.0.0", &["a.zip"])]);
    let wrong = offered(&shop, "current=1/0&os=plan9&arch=pdp11&channel=x", "").unwrap_err();
    for name in ["current", "os", "arch"] {
        assert!(wrong.contains(name), "{name}: {wrong}");
    }
    let long = format!("current={}", "1".repeat(10_000));
    for one in ["current=latest", "current=..", "current=1%00", "current=%C3%A9", "os=", &long] {
        let is_empty = one == "os=";
        assert_eq!(offered(&shop, one, "").is_ok(), is_empty, "{one}");
    }
}

#[test]
fn the_file_for_the_platform_is_chosen_and_exact_beats_unspecific() {
    let files = ["my-app-any.zip", "my-app-win.zip", "my-app-win-x64.zip", "my-app.dmg", "my-app_arm64.deb"];
    let shop = Shop::with(&[of("1.0.0", &files)]);
    for (query, file) in [
        ("", "my-app-any.zip"),
        ("os=windows&arch=x86_64", "my-app-win-x64.zip"),
        ("os=windows&arch=i686", "my-app-win.zip"),
        ("os=WIN32&arch=ia32", "my-app-win.zip"),
        ("os=darwin&arch=aarch64", "my-app.dmg"),
        ("os=linux&arch=arm64", "my-app_arm64.deb"),
        ("os=linux&arch=amd64", "my-app-any.zip"),
        ("os=freebsd", "my-app-any.zip"),
    ] {
        check(&shop, query, Some(("1.0.0", file)));
    }
}

#[test]
fn the_newest_version_with_a_fitting_file_is_offered() {
    let shop = Shop::with(&[
        of("3.0.0", &["my-app-mac.zip"]),
        of("2.0.0", &["my-app-win.exe"]),
        of("1.0.0", &["my-app-win.exe", "my-app.AppImage"]),
        of("4.0.0", &[]),
    ]);
    check(&shop, "os=windows", Some(("2.0.0", "my-app-win.exe")));
    check(&shop, "os=macos", Some(("3.0.0", "my-app-mac.zip")));
    check(&shop, "os=linux", Some(("1.0.0", "my-app.AppImage")));
    check(&shop, "os=linux&current=1.0.0", None);
    check(&shop, "os=android", None);
}

#[test]
fn only_main_files_are_offered_unless_there_are_none() {
    let documents = |main: FileType| {
        version("1.0.0", |v| {
            v.files = vec![file("readme.txt", FileType::Documentation, 9), file("my-app.exe", main, 9)];
        })
    };
    let shop = Shop::with(&[documents(FileType::Main)]);
    check(&shop, "os=windows", Some(("1.0.0", "my-app.exe")));
    check(&shop, "os=linux", None);
    let shop = Shop::with(&[documents(FileType::Dependency)]);
    check(&shop, "os=linux", Some(("1.0.0", "readme.txt")));
}

#[test]
fn a_signature_goes_with_its_file_and_is_never_offered_itself() {
    let files = [
        "a.AppImage.sig",
        "a.AppImage",
        "a.AppImage.tar.gz",
        "a.AppImage.tar.gz.sig",
        "a.exe",
        "a.exe.minisig",
        "b.msi",
        "a.exe.blockmap",
    ];
    let shop = Shop::with(&[of("1.0.0", &files)]);
    for (query, file, signed) in [
        // Among equals the signed one; among signed ones the first.
        ("os=linux", "a.AppImage", true),
        ("os=windows", "a.exe", true),
    ] {
        let found = offered(&shop, query, "").unwrap();
        assert_eq!(found, ("1.0.0".to_owned(), file.to_owned(), signed), "{query}");
    }
    check(&shop, "os=macos", None);
    let signed_later = Shop::with(&[of("1.0.0", &["a.exe", "b.exe", "b.exe.sig"])]);
    check(&signed_later, "os=windows", Some(("1.0.0", "b.exe")));
    check(&Shop::with(&[of("1.0.0", &["a.zip.SIG", "a.minisig"])]), "", None);
    let large = version("1.0.0", |v| {
        v.files = vec![file("a.exe", FileType::Main, 9), file("a.exe.sig", FileType::Main, 4_097)];
    });
    assert!(!offered(&Shop::with(&[large]), "", "").unwrap().2, "too large to be one");
}

#[test]
fn a_check_sees_what_the_key_sees() {
    let mut shop = Shop::with(&[
        of("1.0.0", &["a.zip"]),
        version("2.0.0", |v| v.channel = "Beta".to_owned()),
        version("3.0.0", |v| v.is_enabled = false),
        version("4.0.0", |v| v.required_tier = Some("Premium".parse().unwrap())),
        version("5.0.0", |v| v.is_active = false),
    ]);
    let newest = |shop: &Shop, query: &str, header: &str| offered(shop, query, header).unwrap().0;
    assert_eq!(newest(&shop, "channel=Beta", "Beta"), "1.0.0", "not entitled");
    let test = |k: &mut common::policy::KeyPolicy| k.channels = vec!["Test".to_owned()];
    shop.write(&[customer(|c| c.channels = vec!["Beta".to_owned()]), key_row("key_1", 1, test)]);
    assert_eq!(newest(&shop, "", ""), "1.0.0");
    assert_eq!(newest(&shop, "channel=beta", ""), "2.0.0");
    assert_eq!(newest(&shop, "", "Test"), "3.0.0");
    assert_eq!(newest(&shop, "channel=Beta", "Test"), "2.0.0", "the query is nearer");
    assert_eq!(newest(&shop, "channel=", "Test"), "3.0.0");
    shop.write(&[customer(|c| c.tier = "Premium".parse().unwrap())]);
    assert_eq!(newest(&shop, "", ""), "4.0.0");
    shop.write(&[customer(|c| c.applications = vec![])]);
    assert_eq!(offered(&shop, "", "").unwrap_err(), "application_not_found");
}
