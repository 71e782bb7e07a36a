//! A report as text: JSON in which what many transfers have in common stands once.
//!
//! A busy edge ends tens of thousands of transfers a second, mostly of a few files for a few clients. Told one by one
//! they cost it more than sending small files did, in bytes and in time; this way a transfer takes some sixty bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Carrier, Report, Transfer, Usage};
use crate::id::{ApplicationId, CustomerId, FileId, KeyId, TenantId, VersionName};
use crate::time::Timestamp;
use crate::wire::Unreadable;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(borrow)]
    edge: Cow<'a, str>,
    boot: u64,
    number: u64,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    shipments: Vec<Shipment<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    transfers: Vec<Row<'a>>,
    #[serde(default, skip_serializing_if = "<[Usage]>::is_empty")]
    usage: Cow<'a, [Usage]>,
}

/// Who gets what, by what right.
#[derive(PartialEq, Eq, Hash, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shipment<'a> {
    tenant: TenantId,
    key: KeyId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<CustomerId>,
    application: ApplicationId,
    version: VersionName,
    file: FileId,
    #[serde(borrow)]
    file_name: Cow<'a, str>,
    file_size: u64,
    carrier: Carrier,
    address: IpAddr,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<Cow<'a, str>>,
}

/// A transfer: the place of its shipment, when it began and ended in Unix milliseconds, the pieces that were handed
/// over, whether they were all, and the request.
#[derive(Serialize, Deserialize)]
struct Row<'a>(usize, i64, i64, Cow<'a, [(u64, u64)]>, bool, #[serde(borrow)] Cow<'a, str>);

/// The JSON text.
pub(super) fn write(report: &Report) -> Result<Vec<u8>, Unreadable> {
    let mut shipments = Vec::new();
    let mut places = HashMap::new();
    let row = |transfer| {
        let shipment = Shipment::of(transfer);
        let place = *places.entry(shipment).or_insert_with_key(|shipment| {
            shipments.push(shipment.clone());
            shipments.len() - 1
        });
        let Transfer { began_at, ended_at, sent, completed, request_id, .. } = transfer;
        Row(place, began_at.millis(), ended_at.millis(), sent.into(), *completed, request_id.into())
    };
    let transfers = report.transfers.iter().map(row).collect();
    let Report { edge, boot, number, usage, .. } = report;
    let (edge, usage) = (edge.into(), usage.into());
    let written = Written { edge, boot: *boot, number: *number, shipments, transfers, usage };
    serde_json::to_vec(&written).map_err(|e| Unreadable::json("report", &e))
}

/// Reads the JSON text.
///
/// # Errors
/// When it does not have the form, or a transfer names a shipment that is not there.
pub(super) fn read(text: &[u8]) -> Result<Report, Unreadable> {
    let written: Written<'_> = serde_json::from_slice(text).map_err(|e| Unreadable::json("report", &e))?;
    let Written { edge, boot, number, shipments, transfers, usage } = written;
    let transfers = transfers.into_iter().map(|row| row.of(&shipments)).collect::<Option<_>>();
    let transfers = transfers.ok_or(Unreadable::new("report: a transfer of no shipment"))?;
    Ok(Report { edge: edge.into_owned(), boot, number, transfers, usage: usage.into_owned() })
}

impl<'a> Shipment<'a> {
    fn of(transfer: &'a Transfer) -> Self {
        Self {
            tenant: transfer.tenant,
            key: transfer.key.clone(),
            customer: transfer.customer.clone(),
            application: transfer.application.clone(),
            version: transfer.version.clone(),
            file: transfer.file.clone(),
            file_name: Cow::Borrowed(&transfer.file_name),
            file_size: transfer.file_size,
            carrier: transfer.carrier,
            address: transfer.address,
            user_agent: transfer.user_agent.as_deref().map(Cow::Borrowed),
        }
    }
}

impl Row<'_> {
    fn of(self, shipments: &[Shipment<'_>]) -> Option<Transfer> {
        let Self(place, began_at, ended_at, sent, completed, request_id) = self;
        let shipment = shipments.get(place)?.clone();
        Some(Transfer {
            began_at: Timestamp::from_millis(began_at),
            ended_at: Timestamp::from_millis(ended_at),
            tenant: shipment.tenant,
            key: shipment.key,
            customer: shipment.customer,
            application: shipment.application,
            version: shipment.version,
            file: shipment.file,
            file_name: shipment.file_name.into_owned(),
            file_size: shipment.file_size,
            sent: sent.into_owned(),
            completed,
            carrier: shipment.carrier,
            address: shipment.address,
            user_agent: shipment.user_agent.map(Cow::into_owned),
            request_id: request_id.into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;

    use super::*;

    prop_compose! {
        fn transfer()(
            (key, file, agent) in (0..3u8, 0..3u8, proptest::option::of("[ -~ü\"\\\\]{0,12}")),
            (began, took, sent) in (0..2_000_000_000_000i64, 0..9i64, prop::collection::vec((0..9u64, 9..99u64), 0..4)),
            (completed, share, six, request) in (any::<bool>(), any::<bool>(), any::<bool>(), "[ -~]{0,30}"),
        ) -> Transfer {
            Transfer {
                began_at: Timestamp::from_millis(began),
                ended_at: Timestamp::from_millis(began + took),
                tenant: TenantId(uuid::Uuid::from_u128(u128::from(key))),
                key: format!("key_{key}").parse().unwrap(),
                customer: (key > 0).then(|| format!("c{key}").parse().unwrap()),
                application: "tool".parse().unwrap(),
                version: "1.0".parse().unwrap(),
                file: format!("file_{file}").parse().unwrap(),
                file_name: format!("tool-{file}.exe"),
                file_size: u64::MAX - u64::from(file),
                sent,
                completed,
                carrier: if share { Carrier::Share } else { Carrier::Key },
                address: if six { "2001:db8::1".parse().unwrap() } else { "192.0.2.1".parse().unwrap() },
                user_agent: agent,
                request_id: request,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(transfers in prop::collection::vec(transfer(), 0..20), number: u64) {
            let report = Report { edge: "e \"1\"".to_owned(), boot: 7, number, transfers, usage: Vec::new() };
            prop_assert_eq!(read(&write(&report).unwrap()).unwrap(), report);
        }
    }

    #[test]
    fn what_transfers_have_in_common_stands_once() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let one = transfer().new_tree(&mut runner).unwrap().current();
        let transfers = (0..3).map(|n| Transfer { request_id: format!("r{n}"), ..one.clone() }).collect();
        let report = Report { edge: "e".to_owned(), boot: 7, number: 1, transfers, usage: Vec::new() };
        let text = String::from_utf8(write(&report).unwrap()).unwrap();
        assert_eq!(text.matches(&one.file_name).count(), 1, "{text}");
        assert_eq!(read(text.as_bytes()).unwrap(), report);
    }

    #[test]
    fn a_transfer_of_no_shipment_is_refused() {
        let text = br#"{"edge":"e","boot":1,"number":0,"transfers":[[0,1,2,[[0,9]],true,"r"]]}"#;
        assert!(read(text).is_err());
    }
}
