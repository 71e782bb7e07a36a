//! Requests to a server whose time they take: for the same work, one to each of the peers.

use reqwest::header::{ETAG, HeaderMap};

use crate::Failure;
use crate::desk::client;
use crate::rows::Peer;
use crate::stage::{APPLICATION, Stage};

/// A request, and the process that it costs.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) peer: Peer,
    pub(crate) pid: u32,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// What a target was answered.
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) length: u64,
    pub(crate) answer: reqwest::Response,
}

impl Target {
    /// Asks once; the body is not read yet.
    pub(crate) async fn ask(&self) -> Result<Told, Failure> {
        let mut request = client()?.get(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let length = answer.content_length().unwrap_or_default();
        Ok(Told { status, headers, length, answer })
    }

    /// The same for whoever brings another header instead.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut target = self.clone();
        target.headers.retain(|(known, _)| known != name);
        target.headers.push((name.to_owned(), value.to_owned()));
        target
    }
}

fn target(stage: &Stage, peer: Peer, pid: u32, url: String) -> Target {
    let headers = vec![("Authorization".to_owned(), format!("Bearer {}", stage.key))];
    Target { peer, pid, url, headers }
}

/// Any path of the edge in clear text.
pub(crate) fn at_edge(stage: &Stage, path: &str) -> Target {
    target(stage, Peer::Ours, stage.clear.program.pid(), format!("http://{}{path}", stage.clear.address))
}

pub(crate) fn ours(stage: &Stage, file: &str) -> Target {
    at_edge(stage, &format!("/v1/download/{APPLICATION}/1.0.0/{file}"))
}

pub(crate) fn ours_tls(stage: &Stage, file: &str) -> Target {
    let url = format!("https://{}/v1/download/{APPLICATION}/1.0.0/{file}", stage.tls.address);
    target(stage, Peer::Ours, stage.tls.program.pid(), url)
}

/// `way` is a location of `nginx.conf`.
pub(crate) fn nginx(stage: &Stage, way: &str, file: &str) -> Target {
    let url = format!("http://{}/{way}/{file}", stage.nginx.clear);
    target(stage, Peer::Nginx, stage.nginx.program.pid(), url)
}

pub(crate) fn nginx_tls(stage: &Stage, file: &str) -> Target {
    let url = format!("https://{}/static/{file}", stage.nginx.tls);
    target(stage, Peer::Nginx, stage.nginx.program.pid(), url)
}

pub(crate) fn floor(stage: &Stage, file: &str) -> Target {
    target(stage, Peer::Floor, stage.floor.pid(), format!("http://{}/{file}", stage.floor_address))
}

/// What the edge says now, and nginx with a file that says the same.
pub(crate) async fn beside_file(stage: &Stage, ours: Target, file: &str) -> Result<Vec<Target>, Failure> {
    let told = ours.ask().await?;
    if told.status != 200 {
        return Err(format!("{} is answered {}", ours.url, told.status).into());
    }
    std::fs::write(stage.files.join(file), told.answer.bytes().await?)?;
    Ok(vec![ours, nginx(stage, "static", file)])
}

/// Both for who knows the answer already. Nobody, when the edge gives no ETag to know it by.
pub(crate) async fn beside_known(stage: &Stage, ours: Target, file: &str) -> Result<Vec<Target>, Failure> {
    let mut known = Vec::new();
    for target in beside_file(stage, ours, file).await? {
        let told = target.ask().await?;
        let Some(etag) = told.headers.get(ETAG) else { return Ok(Vec::new()) };
        known.push(target.with("If-None-Match", etag.to_str()?));
    }
    Ok(known)
}
