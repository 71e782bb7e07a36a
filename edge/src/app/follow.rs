//! Which carriers an edge follows, and says by which how far it has come.

use std::sync::Arc;

use common::bus::https::HttpsBus;
use common::bus::{Acks, EdgeBus, Feed};
use common::mac::{MacKeys, Purpose};
use common::proof::EdgeWord;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Edge, StartError, other};
use crate::config::Config;
use crate::replica::feed::pace::Pace;
use crate::replica::feed::{Applier, Follower};

/// What follows.
pub(super) struct Following {
    /// Whether the control plane was asked what it knows beyond the replica; none where it is not asked.
    pub(super) confirmed: Option<watch::Receiver<bool>>,
    /// What carries acknowledgements.
    pub(super) carriers: Vec<Arc<dyn Acks>>,
}

/// Follows the bus, and where that is another program, the control plane as well. Until the last request has ended: who
/// is revoked while this edge drains is cut as ever.
pub(super) fn follow(
    config: &Config,
    (edge, bus): (&Arc<Edge>, &Arc<dyn EdgeBus>),
    applier: Arc<Applier>,
    (tasks, drained): (&TaskTracker, &CancellationToken),
) -> Result<Following, StartError> {
    let feed: Arc<dyn Feed> = bus.clone();
    let acks: Arc<dyn Acks> = bus.clone();
    let (Some(control_plane), Some(_)) = (&config.control_plane, &config.bus) else {
        tasks.spawn(Follower { applier, feed, pace: Pace::alone() }.run(drained.clone()));
        return Ok(Following { confirmed: None, carriers: vec![acks] });
    };
    let (keys, id, clock) =
        (MacKeys::derive(&config.edge_secrets, Purpose::Feed), config.edge_id.clone(), edge.clock.clone());
    let word = move || EdgeWord { edge: id.clone(), at: clock.now() }.seal(&keys);
    let desk = Arc::new(HttpsBus::new(control_plane.clone(), Arc::new(word)).map_err(other)?);
    let (of_bus, of_desk, confirmed) = Pace::pair();
    tasks.spawn(Follower { applier: applier.clone(), feed, pace: of_bus }.run(drained.clone()));
    tasks.spawn(Follower { applier, feed: desk.clone(), pace: of_desk }.run(drained.clone()));
    Ok(Following { confirmed: Some(confirmed), carriers: vec![acks, desk] })
}
