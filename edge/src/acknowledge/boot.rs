//! When this edge started, in a way that only grows: the desk tells by it what it heard last from what it heard before.

use std::path::Path;

use common::time::Timestamp;

const FILE: &str = "started";

/// The moment of this start, later than the one that lies in `directory`, where it is kept for the next. A directory
/// that cannot be written costs no more than this promise.
pub(super) fn next(directory: &Path, now: Timestamp) -> u64 {
    let path = directory.join(FILE);
    let before: Option<u64> = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    let now = u64::try_from(now.millis()).unwrap_or(0);
    let started_at = before.map_or(now, |before| now.max(before.saturating_add(1)));
    if let Err(error) = std::fs::write(&path, started_at.to_string()) {
        tracing::warn!(%error, "when this edge started could not be kept");
    }
    started_at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_later_than_the_last_one_whatever_the_clock_says() {
        let directory = tempfile::tempdir().unwrap();
        let start = |millis| next(directory.path(), Timestamp::from_millis(millis));
        assert_eq!(start(5_000), 5_000);
        assert_eq!(start(1_000), 5_001);
        assert_eq!(start(9_000), 9_000);
        std::fs::write(directory.path().join(FILE), "nonsense").unwrap();
        assert_eq!(start(7_000), 7_000);
        assert_eq!(next(Path::new("/dev/null/nowhere"), Timestamp::from_millis(3)), 3);
    }
}
