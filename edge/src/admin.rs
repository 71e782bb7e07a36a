//! The private listener: is this edge alive, can it serve, what has it counted. Clear text, never public.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::Edge;
use crate::deliver::body::Body;
use crate::error::{Caller, Refusal};

/// Answers until `drained`; from `stop` on, that this edge is not ready any more.
pub async fn run(
    listener: TcpListener,
    edge: Arc<Edge>,
    stop: CancellationToken,
    drained: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = drained.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, _)) = accepted else { continue };
        let (edge, draining) = (edge.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&edge, request, draining.is_cancelled()));
            // An operator's tool that leaves early is nobody's problem.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(
    edge: &Edge,
    request: Request<Incoming>,
    draining: bool,
) -> Result<Response<Body>, Infallible> {
    let now = edge.clock.now();
    let caller = Caller::of(request.headers(), || edge.make_request_id());
    let text = |text: String| Response::new(Body::bytes(text.into()));
    Ok(match request.uri().path() {
        "/healthz" => text("ok\n".to_owned()),
        // Whatever the bus and the control plane do: an edge with a replica serves, unless it is told to refuse by its age.
        "/readyz" if edge.gate.serves(now) && !draining => {
            text(format!("ready at {}\n", edge.replica.position()))
        }
        "/readyz" => caller.tell(Refusal::NotReady.into(), now),
        "/metrics" => text(edge.metrics.render(&edge.replica, now).unwrap_or_default()),
        _ => caller.tell(Refusal::UnknownRoute.into(), now),
    })
}
