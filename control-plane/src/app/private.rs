//! The private listener: whether the desk lives, whether it can work, and what it has counted.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use common::wire::Position;

use crate::api::Desk;
use crate::error::tell;
use crate::store::{Standing, StoreFault};

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn router(desk: Arc<Desk>) -> Router {
    let ready = desk.clone();
    Router::new()
        .route("/healthz", get(async || tell(true, TEXT, "ok\n".to_owned())))
        .route("/readyz", get(async move || readiness(&ready).await))
        .route("/metrics", get(async move || metrics(&desk).await))
}

/// Ready when the database answers.
async fn readiness(desk: &Desk) -> Response {
    match standing(desk).await {
        Ok(_) => tell(true, TEXT, "ready\n".to_owned()),
        Err(fault) => {
            tracing::warn!(cause = %fault, "not ready");
            tell(false, TEXT, "the database does not answer\n".to_owned())
        }
    }
}

async fn metrics(desk: &Desk) -> Response {
    // A database that is away leaves its numbers at zero: readiness tells of that.
    let standing = standing(desk).await.unwrap_or(Standing { position: Position::default(), announced: 0 });
    let fleet = desk.fleet.count(standing.position);
    tell(true, OPEN_METRICS, desk.metrics.render(unannounced(standing), fleet))
}

async fn standing(desk: &Desk) -> Result<Standing, StoreFault> {
    desk.store.read().await?.standing().await
}

fn unannounced(standing: Standing) -> u64 {
    standing.position.sequence.saturating_sub(standing.announced)
}
