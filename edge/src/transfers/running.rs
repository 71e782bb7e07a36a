//! One transfer: cut at most once, whatever it is doing, and whether or not it has a connection yet.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Context;

use common::wire::address::Address;
use futures_util::task::AtomicWaker;

use super::{Claim, Transfers};

/// The connection that transfers go out on.
pub trait Way: Send + Sync {
    /// One more goes out here.
    fn board(&self);

    /// One of them is over.
    fn alight(&self);

    /// One of them is cut: the connection too, unless it has others that go on.
    fn cut(&self);
}

/// What is shared by who sends it and who may cut it.
pub struct Transfer {
    claim: Claim,
    /// Looked at before every piece.
    is_cut: AtomicBool,
    /// Who waits for a piece.
    task: AtomicWaker,
    /// Written under this lock: whether it is cut, and by which way it goes, are decided together.
    stage: Mutex<Stage>,
}

enum Stage {
    /// It has no connection yet.
    Waits,
    /// It is counted there.
    Goes(Weak<dyn Way>),
    /// It is cut, or at its end: counted nowhere.
    Over,
}

impl Transfer {
    pub(super) fn new(claim: Claim) -> Self {
        let (is_cut, task, stage) = (AtomicBool::new(false), AtomicWaker::new(), Mutex::new(Stage::Waits));
        Self { claim, is_cut, task, stage }
    }

    pub(super) fn claim(&self) -> &Claim {
        &self.claim
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        // Each step on it is one assignment: a panic leaves it whole.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was cut. A relaxed load: it is asked again for the next piece, and a connection that must end at once is
    /// told so itself.
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// The same by a task that is woken when it is.
    pub fn is_cut_meanwhile(&self, context: &Context<'_>) -> bool {
        self.task.register(context.waker());
        self.is_cut.load(Ordering::Acquire)
    }

    /// From now on it goes out there. Cut before, it takes the connection with it.
    pub fn go(&self, way: Weak<dyn Way>) {
        let mut stage = self.stage();
        let Some(there) = way.upgrade() else { return };
        match *stage {
            Stage::Waits => {
                there.board();
                *stage = Stage::Goes(way);
            }
            Stage::Over if self.is_cut() => {
                there.board();
                there.cut();
            }
            // One answer, one connection.
            Stage::Goes(_) | Stage::Over => {}
        }
    }

    /// Cuts it; gives whether that is news.
    pub(super) fn cut(&self) -> bool {
        let mut stage = self.stage();
        if self.is_cut() {
            return false;
        }
        let before = std::mem::replace(&mut *stage, Stage::Over);
        if matches!(before, Stage::Over) {
            return false;
        }
        self.is_cut.store(true, Ordering::Release);
        if let Stage::Goes(way) = before
            && let Some(way) = way.upgrade()
        {
            way.cut();
        }
        drop(stage);
        self.task.wake();
        true
    }

    fn end(&self) {
        if let Stage::Goes(way) = std::mem::replace(&mut *self.stage(), Stage::Over)
            && let Some(way) = way.upgrade()
        {
            way.alight();
        }
    }
}

/// A transfer that runs, until this is dropped.
pub struct Running {
    pub(super) transfer: Arc<Transfer>,
    pub(super) number: u64,
    pub(super) addresses: Box<[Address]>,
    pub(super) among: Arc<Transfers>,
}

impl Running {
    /// What its body looks at.
    pub fn transfer(&self) -> &Arc<Transfer> {
        &self.transfer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.among.leave(self.number, &self.addresses);
        self.transfer.end();
    }
}
