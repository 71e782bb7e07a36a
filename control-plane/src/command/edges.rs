//! `edges …` on the command line: the operator's way to let go of an edge, which where there are several tenants nobody
//! else may.

use std::fmt::Write as _;

use clap::Subcommand;
use common::runtime::clock::SystemClock;

use super::{Ended, print};
use crate::app::operator::Operator;
use crate::config::Config;
use crate::store::KeptEdge;

/// What there is to do with edges.
#[derive(Subcommand, Debug)]
pub(super) enum Edges {
    /// Show all edges that did not say goodbye, as a control plane last wrote them down.
    List,
    /// Let go of an edge that is gone for good, so that nobody waits for it. One that speaks is back within 15 seconds.
    Remove {
        /// Its name, `edgeId` in the list.
        edge: String,
    },
}

/// Does it.
pub(super) async fn run(command: Edges, config: Config) -> Ended {
    let operator = Operator::open(&config, &SystemClock).await?;
    let done = match &command {
        Edges::List => operator.edges().await.map(|edges| render(&edges)),
        Edges::Remove { edge } => operator
            .remove_edge(edge)
            .await
            .map(|()| format!("{edge} is removed; control planes that run let go of it within 15 seconds")),
    };
    operator.close().await;
    print(&done?)
}

fn render(edges: &[KeptEdge]) -> String {
    let width = edges.iter().map(|edge| edge.id.len()).max().unwrap_or(0).max(4);
    let mut text = format!("{:<width$}  {:<9}  {:>12}  LAST SEEN", "EDGE", "VERSION", "SEQUENCE");
    for edge in edges {
        // A String takes whatever is written to it.
        let _ = write!(
            text,
            "\n{:<width$}  {:<9}  {:>12}  {}",
            edge.id, edge.version, edge.position.sequence, edge.last_seen
        );
    }
    text
}
