//! How often a follower asks its carrier.

use std::time::Duration;

use tokio::sync::watch;

use super::jittered;

/// How long one wait for news lasts; between two of them the head is looked at.
const WAIT: Duration = Duration::from_secs(1);
/// How often the control plane is asked, while the bus works, whether it knows more.
const CONFIRM_EVERY: Duration = Duration::from_millis(1_400);
/// Between two questions while it does not: a fleet asks the control plane at most twice a second each, however much is
/// written.
const SHORTEST: Duration = Duration::from_millis(500);

/// The part that a carrier plays.
pub enum Pace {
    /// It is followed all the time, and says whether it works.
    Bus(watch::Sender<bool>),
    /// It confirms the bus, and is followed while that does not work.
    Desk(Backup),
}

/// What the follower of the control plane knows of the bus.
pub struct Backup {
    /// Whether the bus works.
    bus: watch::Receiver<bool>,
    /// Whether the control plane was asked: it answered, or is away.
    asked: watch::Sender<bool>,
}

impl Pace {
    /// A pace for the bus and one for the control plane beside it, and what says that the latter has been asked: from
    /// then on this edge knows what can be known.
    pub fn pair() -> (Self, Self, watch::Receiver<bool>) {
        let (works, bus) = watch::channel(false);
        let (asked, confirmed) = watch::channel(false);
        (Self::Bus(works), Self::Desk(Backup { bus, asked }), confirmed)
    }

    /// A pace for a carrier that has none beside it.
    pub fn alone() -> Self {
        Self::Bus(watch::channel(false).0)
    }

    pub(super) fn carrier(&self) -> &'static str {
        match self {
            Self::Bus(_) => "bus",
            Self::Desk(_) => "control plane",
        }
    }

    pub(super) fn wait(&self) -> Duration {
        match self {
            Self::Desk(Backup { bus, asked }) if *bus.borrow() || !*asked.borrow() => Duration::ZERO,
            Self::Bus(_) | Self::Desk(_) => WAIT,
        }
    }

    /// Says whether the carrier works, and whether all that it knows has been taken in, or it knows nothing.
    pub(super) fn tell(&self, works: bool, asked: bool) {
        let (said, says) = match self {
            Self::Bus(tells) => (tells, works),
            Self::Desk(backup) => (&backup.asked, asked || *backup.asked.borrow()),
        };
        said.send_if_modified(|told| std::mem::replace(told, says) != says);
    }

    /// Lets time pass before the next question.
    pub(super) async fn rest(&mut self, seed: u64) {
        let Self::Desk(Backup { bus, asked }) = self else { return };
        // Until it was asked, somebody may wait for it.
        if *asked.borrow() && *bus.borrow_and_update() {
            // Until it is time, or the bus breaks.
            let broke = bus.wait_for(|works| !works);
            let _ = tokio::time::timeout(jittered(CONFIRM_EVERY, seed), broke).await;
        } else {
            tokio::time::sleep(SHORTEST).await;
        }
    }
}
