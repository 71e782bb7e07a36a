//! What the keys of the benchmarks see: an application with 20 versions, each with an installer and its signature.

use common::catalog::{Application, File, FileType, PRODUCTION, Version};
use common::digest::Digest;
use common::id::{ApplicationId, TenantId};
use common::time::Timestamp;
use common::wire::address::Address;
use common::wire::v1::Record;

const VERSIONS: u64 = 20;
/// When all of it was made, Unix milliseconds.
const MADE_AT: i64 = 1_736_935_200_000;

/// The records of `my-app`.
pub(crate) fn rows(tenant: TenantId, id: &ApplicationId) -> Vec<(Address, Record)> {
    let application = Application {
        id: id.clone(),
        name: "My application".to_owned(),
        description: "Does what it does".to_owned(),
        tags: vec![],
        is_active: true,
        created_at: Timestamp::from_millis(MADE_AT),
        updated_at: Timestamp::from_millis(MADE_AT),
    };
    let mut rows = vec![(Address::Application(tenant, id.clone()), Record::Application(application))];
    rows.extend((0..VERSIONS).map(|number| {
        let version = version(number);
        (Address::Version(tenant, id.clone(), version.name.clone()), Record::Version(version))
    }));
    rows
}

fn version(number: u64) -> Version {
    let name = format!("1.{number}.0");
    let installer = format!("my-app-{name}-linux-x64.tar.gz");
    Version {
        id: format!("ver_{number:032x}").parse().expect("an id"),
        name: name.parse().expect("a version"),
        release_notes: Some(format!(
            "What is new in {name}: this, that, and a few things that were asked for."
        )),
        required_tier: None,
        channel: PRODUCTION.to_owned(),
        is_active: true,
        is_enabled: true,
        files: vec![file(number * 2, &installer), file(number * 2 + 1, &format!("{installer}.sig"))],
        download_count: number,
        created_at: Timestamp::from_millis(MADE_AT),
        updated_at: Timestamp::from_millis(MADE_AT),
    }
}

fn file(number: u64, name: &str) -> File {
    File {
        id: format!("file_{number:032x}").parse().expect("an id"),
        name: name.to_owned(),
        file_type: FileType::Main,
        content_type: "application/gzip".to_owned(),
        size: 1_024,
        digest: Digest::of(name.as_bytes()),
        order: 0,
        description: None,
    }
}
