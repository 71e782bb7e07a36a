//! The private listener: whether the desk lives, whether it can work, and what it has counted.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;

use crate::api::Desk;
use crate::error::tell;
use crate::store::StoreFault;

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
    match unannounced(desk).await {
        Ok(_) => tell(true, TEXT, "ready\n".to_owned()),
        Err(fault) => {
            tracing::warn!(cause = %fault, "not ready");
            tell(false, TEXT, "the database does not answer\n".to_owned())
        }
    }
}

async fn metrics(desk: &Desk) -> Response {
    // A database that is away leaves its number at zero: readiness tells of that.
    let waiting = unannounced(desk).await.unwrap_or(0);
    tell(true, OPEN_METRICS, desk.metrics.render(waiting))
}

async fn unannounced(desk: &Desk) -> Result<u64, StoreFault> {
    let standing = desk.store.read().await?.standing().await?;
    Ok(standing.position.sequence.saturating_sub(standing.announced))
}
