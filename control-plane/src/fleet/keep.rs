//! The names of the edges, kept for the next start: when somebody comes or goes, and now and then when each was heard.
//! Who is struck off there by somebody else, the operator or another desk, is let go of here too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use common::bus::AckInbox;
use tokio_util::sync::CancellationToken;

use super::roster::{Member, Place};
use super::{Fleet, State};
use crate::store::{KeptEdge, Store, StoreFault};

/// How often what edges said last is written down, when nobody comes or goes.
const EVERY: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(1);

impl Fleet {
    /// Listens and keeps until `stop`.
    pub(crate) async fn run(
        self: Arc<Self>,
        inbox: Arc<dyn AckInbox>,
        store: Arc<dyn Store>,
        stop: CancellationToken,
    ) {
        let heard = CancellationToken::new();
        let reading = async {
            self.read(inbox.as_ref(), &stop).await;
            heard.cancel();
        };
        tokio::join!(reading, self.keep(store.as_ref(), &heard), self.watch_history(store.as_ref(), &heard));
    }

    /// Looks whenever an edge has come further than any before.
    async fn watch_history(&self, store: &dyn Store, heard: &CancellationToken) {
        let (mut changed, mut seen) = (self.changed.subscribe(), None);
        loop {
            let furthest = self.furthest();
            if furthest > seen {
                match self.check_history(store).await {
                    Ok(_) => seen = furthest,
                    Err(fault) => {
                        tracing::warn!(%fault, "whether history was put back could not be looked at")
                    }
                }
            }
            tokio::select! {
                () = heard.cancelled() => return,
                // The sender is as old as we are.
                _ = changed.changed() => {}
            }
        }
    }

    async fn keep(&self, store: &dyn Store, heard: &CancellationToken) {
        let mut failed = false;
        loop {
            let pause = if failed { RETRY } else { EVERY };
            let all = tokio::select! {
                () = heard.cancelled() => true,
                () = self.came_or_went.notified() => false,
                () = tokio::time::sleep(pause) => true,
            };
            let last = heard.is_cancelled();
            let kept = self.write(store, all).await;
            if let (Err(fault), false) = (&kept, failed) {
                tracing::warn!(%fault, "what is known of the edges could not be kept");
            }
            failed = kept.is_err();
            if last {
                return;
            }
        }
    }

    /// Writes who came and who went; with `all` also when everybody was last heard.
    pub(super) async fn write(&self, store: &dyn Store, all: bool) -> Result<(), StoreFault> {
        let (came, went) = self.state().news();
        let (new, mut heard): (Vec<KeptEdge>, Vec<KeptEdge>) =
            self.members().iter().map(KeptEdge::of).partition(|edge| came.contains(&edge.id));
        if !all {
            heard.clear();
        }
        let gone: Vec<String> = went.iter().cloned().collect();
        if new.is_empty() && heard.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let kept = store.keep_edges(&new, &heard, &gone).await;
        if kept.is_err() {
            self.state().put_back(came, went);
        }
        kept?;
        if all {
            self.heed(&store.kept_edges().await?);
        }
        Ok(())
    }

    /// Who was written down and is so no more was removed elsewhere: it is let go of, unless it speaks.
    fn heed(&self, kept: &[KeptEdge]) {
        let (kept, now) = (kept.iter().map(|edge| &edge.id).collect::<BTreeSet<_>>(), self.clock.now());
        let mut state = self.state();
        let removed: Vec<(String, bool)> = (state.roster.members())
            .filter(|member| !kept.contains(&member.id) && !state.came.contains(&member.id))
            .map(|member| (member.id.clone(), member.is_live(now)))
            .collect();
        if removed.is_empty() {
            return;
        }
        for (edge, speaks) in removed {
            tracing::info!(edge, speaks, "was removed elsewhere");
            if speaks {
                state.came.insert(edge);
            } else {
                state.roster.remove(&edge, now);
            }
        }
        drop(state);
        self.came_or_went.notify_one();
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl State {
    fn news(&mut self) -> (BTreeSet<String>, BTreeSet<String>) {
        (std::mem::take(&mut self.came), std::mem::take(&mut self.went))
    }

    /// What could not be written, under what happened since.
    fn put_back(&mut self, came: BTreeSet<String>, went: BTreeSet<String>) {
        self.came.extend(came.into_iter().filter(|edge| !self.went.contains(edge)));
        self.went.extend(went.into_iter().filter(|edge| !self.came.contains(edge)));
    }
}

impl KeptEdge {
    fn of(member: &Member) -> Self {
        Self {
            id: member.id.clone(),
            version: member.version.clone(),
            started_at: member.place.started_at,
            number: member.place.number,
            position: member.position,
            first_seen: member.first_seen,
            last_seen: member.last_seen,
        }
    }

    pub(super) fn into_member(self) -> Member {
        let place = Place { started_at: self.started_at, number: self.number };
        Member::kept((self.id, self.version), (place, self.position), (self.first_seen, self.last_seen))
    }
}
