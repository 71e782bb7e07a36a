//! What a server has cost so far, as the kernel counts it for the process and everything that it started.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::Failure;

/// The clock ticks of `/proc/PID/stat`: the kernel's `USER_HZ`, which is 100 on everything that Linux runs on today.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process and its descendants.
#[derive(Clone, Default, Debug)]
pub(crate) struct Spent {
    /// All threads that ever were, in ticks.
    coarse: Duration,
    /// The threads of now, to the nanosecond.
    threads: BTreeMap<u32, Duration>,
}

impl Spent {
    pub(crate) fn of(pid: u32) -> Result<Self, Failure> {
        let mut spent = Self::default();
        spent.add(pid)?;
        Ok(spent)
    }

    fn add(&mut self, pid: u32) -> Result<(), Failure> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        self.coarse += TICK * ticks(&stat).ok_or("/proc/PID/stat is not as proc(5) describes it")?;
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = entry?.path();
            let id = thread.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or_default();
            // A kernel without scheduler statistics, or a thread that has just ended: the ticks are there too.
            if let Some(ran) = fs::read_to_string(thread.join("schedstat")).ok().as_deref().and_then(ran) {
                self.threads.insert(id, ran);
            }
            let children = fs::read_to_string(thread.join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
                self.add(child)?;
            }
        }
        Ok(())
    }

    /// What was spent since then: exactly, unless a thread has ended meanwhile and taken its exact time along.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let ended = before.threads.keys().any(|id| !self.threads.contains_key(id));
        if ended || self.threads.is_empty() {
            return self.coarse.saturating_sub(before.coarse);
        }
        let spent = self
            .threads
            .iter()
            .map(|(id, now)| now.saturating_sub(before.threads.get(id).copied().unwrap_or_default()));
        spent.sum()
    }
}

/// `utime` and `stime` of proc(5), which follow a name that may have blanks and parentheses in it.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// Nanoseconds on a core: the first number of `schedstat`.
fn ran(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Anonymous memory of a process in bytes: what it allocated, without the files that the system keeps for it.
pub(crate) fn anonymous_memory(pid: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    rss_anon(&status).ok_or_else(|| "/proc/PID/status names no RssAnon".into())
}

fn rss_anon(status: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = rest.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_any_name() {
        let stat = "41 (a ) b) S 1 41 41 0 -1 4194560 9 0 0 0 120 7 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(127));
        assert_eq!(ticks("41 (a"), None);
        assert_eq!(ran("1234567 89 10\n"), Some(Duration::from_nanos(1_234_567)));
        assert_eq!(ran(""), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(rss_anon("Name:\tx\nRssAnon:\t    2048 kB\nRssFile:\t 1 kB\n"), Some(2 << 20));
        assert_eq!(rss_anon("Name:\tx\n"), None);
    }

    #[test]
    fn new_threads_count_whole_and_ended_ones_fall_back_to_ticks() {
        let spent = |ticks: u64, threads: &[(u32, u64)]| Spent {
            coarse: Duration::from_millis(ticks * 10),
            threads: threads.iter().map(|(id, ns)| (*id, Duration::from_nanos(*ns))).collect(),
        };
        let before = spent(1, &[(1, 100)]);
        assert_eq!(spent(2, &[(1, 150), (2, 7)]).since(&before), Duration::from_nanos(57));
        assert_eq!(spent(3, &[(2, 7)]).since(&before), Duration::from_millis(20));
    }

    #[test]
    fn this_process_has_spent_something_and_holds_memory() {
        let own = std::process::id();
        let before = Spent::of(own).unwrap();
        while Spent::of(own).unwrap().since(&before) < Duration::from_millis(1) {}
        assert!(anonymous_memory(own).unwrap() > 0);
    }
}
