//! How fresh the replica is: the newest head that it has kept up with.

use common::time::Timestamp;
use common::wire::v1::Head;

use super::followed::{Desk, Edge};
use super::world::key;
use crate::replica::Replica;

#[tokio::test]
async fn a_head_that_is_signed_again_keeps_the_replica_fresh_also_over_a_restart() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    let (head, _) = desk.packed(1, &[key("key_1", 1)]);
    let later = Timestamp::from_millis(3_600_000);
    desk.put_head(&Head { issued_at: later, ..head }).await;
    edge.looks(2).await;
    assert_eq!(edge.replica.head_issued_at(), later);
    let directory = edge.end().await;
    assert_eq!(Replica::open(directory.path()).unwrap().head_issued_at(), later);
}
