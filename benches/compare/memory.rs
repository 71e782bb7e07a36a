//! What a server holds in memory of its own (`RssAnon`): with all keys, for each connection that waits, and for each
//! download that a slow client reads.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Failure;
use crate::arguments::Arguments;
use crate::cost::anonymous_memory;
use crate::paced::{Answer, wire};
use crate::programs::say;
use crate::report::Memory;
use crate::rows::{HUGE, SMALL, is_wanted};
use crate::stage::Stage;
use crate::targets::{self, Target};

const IDLE: u32 = 2_000;
const READERS: u32 = 32;
/// So many pieces each slow reader takes, one at each pause.
const PIECES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);
/// Until a server has done what it does now and then: reports, sweeps.
const SETTLING: Duration = Duration::from_secs(1);
const KIB: u64 = 1 << 10;

/// Everything, of fresh servers.
pub(crate) async fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Memory>, Failure> {
    if !is_wanted("memory", arguments.only.as_deref()) {
        return Ok(Vec::new());
    }
    tokio::time::sleep(SETTLING).await;
    let edge = anonymous_memory(stage.clear.program.pid())?;
    let keys = Memory::new(format!("edge with {} keys", arguments.keys() + 1), edge, None, None);
    let (clear, nginx) = (targets::ours(stage, SMALL), targets::nginx(stage, "static", SMALL));
    let (clear, nginx) = (idle(stage, &clear).await?, idle(stage, &nginx).await?);
    let idle = Memory::new("an idle connection".to_owned(), clear, Some(nginx), Some(16 * KIB));
    let (clear, nginx) = (targets::ours(stage, HUGE), targets::nginx(stage, "static", HUGE));
    let (clear, nginx) = (downloads(stage, &clear).await?, downloads(stage, &nginx).await?);
    let clear = Memory::new("a 256 MiB download".to_owned(), clear, Some(nginx), Some(64 * KIB));
    let (tls, nginx) = (targets::ours_tls(stage, HUGE), targets::nginx_tls(stage, HUGE));
    let (tls, nginx) = (downloads(stage, &tls).await?, downloads(stage, &nginx).await?);
    let tls = Memory::new("a 256 MiB download, TLS".to_owned(), tls, Some(nginx), Some(256 * KIB));
    Ok(vec![keys, idle, clear, tls])
}

/// The process that holds the connections: of nginx, its worker.
fn holder(stage: &Stage, target: &Target) -> Result<u32, Failure> {
    if target.pid != stage.nginx.program.pid() {
        return Ok(target.pid);
    }
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", target.pid))?;
    let worker = children.split_whitespace().next().ok_or("nginx has no worker")?;
    Ok(worker.parse()?)
}

/// For each connection that has asked once and may ask again.
async fn idle(stage: &Stage, target: &Target) -> Result<u64, Failure> {
    let ((address, request), pid) = (wire(target)?, holder(stage, target)?);
    let first = kept(address, &request).await?;
    let before = anonymous_memory(pid)?;
    let mut open = vec![first];
    for _ in 0..IDLE {
        open.push(kept(address, &request).await?);
    }
    tokio::time::sleep(SETTLING).await;
    let each = anonymous_memory(pid)?.saturating_sub(before) / u64::from(IDLE);
    say(&format!("memory: {} {} KiB an idle connection", target.peer, each / KIB));
    Ok(each)
}

async fn kept(address: SocketAddr, request: &[u8]) -> Result<TcpStream, Failure> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(request).await?;
    let (mut answer, mut buffer) = (Answer::default(), [0u8; 4096]);
    loop {
        let length = socket.read(&mut buffer).await?;
        if length == 0 {
            return Err("the server keeps no connection".into());
        }
        if answer.feed(&buffer[..length])? {
            return Ok(socket);
        }
    }
}

/// For each download whose client reads slowly.
async fn downloads(stage: &Stage, target: &Target) -> Result<u64, Failure> {
    let pid = holder(stage, target)?;
    drop(target.ask().await?);
    tokio::time::sleep(SETTLING).await;
    let before = anonymous_memory(pid)?;
    let mut open = Vec::new();
    for _ in 0..READERS {
        open.push(target.ask().await?.answer);
    }
    for _ in 0..PIECES {
        for answer in &mut open {
            answer.chunk().await?.ok_or("a download ended early")?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let each = anonymous_memory(pid)?.saturating_sub(before) / u64::from(READERS);
    say(&format!("memory: {} {} KiB a download from {}", target.peer, each / KIB, target.url));
    Ok(each)
}
