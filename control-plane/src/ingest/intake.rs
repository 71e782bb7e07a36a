//! From a sealed report to what the store takes in. Pure.

use common::id::ActivityId;
use common::mac::MacKeys;
use common::time::Timestamp;
use common::wire::v1::event::{Report, Transfer, Usage};

use crate::domain::activity::{Activity, ActivityKind};
use crate::store::activity::{Download, Intake, ReportName};

/// A larger report is none of ours: an edge sends hundreds of transfers at once.
const LARGEST: usize = 16 * 1024 * 1024;
/// No edge hands over more in a report: a PiB.
const MOST: u64 = 1 << 50;
/// Texts that are kept for every transfer have an end, in characters; a file's name is within it.
const LONGEST: usize = 255;
/// What a client calls itself.
const LONGEST_AGENT: usize = 200;

/// The report that an edge of ours sealed; `None` for everything else.
pub(super) fn open(sealed: &[u8], keys: &MacKeys) -> Option<Report> {
    if sealed.len() > LARGEST {
        return None;
    }
    Report::open(sealed, keys)
}

/// How many rows it takes to write it, roughly.
pub(super) fn weight(intake: &Intake) -> usize {
    1 + intake.downloads.len() + 2 * intake.usage.len()
}

/// What a report brings, as of `now`: an edge whose clock is ahead does not write into the future.
pub(super) fn intake(report: Report, now: Timestamp) -> Intake {
    let name = ReportName { edge: cut(report.edge, LONGEST), boot: report.boot, number: report.number };
    let download = |numbered| download(numbered, &name, now);
    let downloads = report.transfers.into_iter().enumerate().map(download).collect();
    let usage = report.usage.into_iter().map(|used| bounded(used, now)).collect();
    Intake { report: name, downloads, usage }
}

fn download((at, transfer): (usize, Transfer), name: &ReportName, now: Timestamp) -> Download {
    let ReportName { edge, boot, number } = name;
    let (counts, bytes) = (transfer.is_whole(), transfer.bytes().min(MOST));
    let activity = Activity {
        id: ActivityId::of(&format!("{edge}/{boot}/{number}/{at}")),
        tenant: transfer.tenant,
        kind: ActivityKind::Download,
        at: transfer.began_at.min(now),
        ended_at: transfer.ended_at.min(now),
        application: transfer.application,
        version: transfer.version,
        file: transfer.file,
        file_name: cut(transfer.file_name, LONGEST),
        file_size: transfer.file_size,
        sent: transfer.sent,
        bytes,
        completed: transfer.completed,
        customer: transfer.customer,
        key: Some(transfer.key),
        carrier: Some(transfer.carrier),
        address: Some(transfer.address),
        user_agent: transfer.user_agent.map(|agent| cut(agent, LONGEST_AGENT)),
        request_id: cut(transfer.request_id, LONGEST),
    };
    Download { activity, counts }
}

fn bounded(used: Usage, now: Timestamp) -> Usage {
    let refused =
        used.refused.into_iter().map(|(reason, count)| (cut(reason, LONGEST), count.min(MOST))).collect();
    Usage {
        minute: used.minute.min(now),
        requests: used.requests.min(MOST),
        bytes: used.bytes.min(MOST),
        refused,
        ..used
    }
}

fn cut(text: String, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}
