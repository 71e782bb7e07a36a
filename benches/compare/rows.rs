//! What is compared: the work, who does it, and the bar.

use std::fmt;

use crate::stage::{APPLICATION, LISTED, Stage};

/// Who does the work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Peer {
    /// The edge.
    Ours,
    /// nginx, in whichever way the row says.
    Nginx,
    /// The loop that does nothing but send.
    Floor,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Nginx => "nginx",
            Self::Floor => "floor",
        })
    }
}

/// What the cost is divided by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    /// Microseconds of CPU for one request.
    Request,
    /// Seconds of CPU for 10⁹ bytes.
    Gigabyte,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "µs/request",
            Self::Gigabyte => "s/GB",
        })
    }
}

/// A request to one of them, and the process whose time it takes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) peer: Peer,
    pub(crate) pid: u32,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) connections: u32,
    /// What a right answer is: its status and the size of its body.
    pub(crate) status: u16,
    pub(crate) targets: Vec<Target>,
    /// The most that ours may cost, as a part of what nginx costs.
    pub(crate) bar: f64,
    /// The same against the floor.
    pub(crate) floor_bar: Option<f64>,
}

/// The rows of the bar whose name holds the filter.
pub(crate) fn chosen(stage: &Stage, only: Option<&str>) -> Vec<Row> {
    let filter = only.unwrap_or_default().to_lowercase();
    let mut rows = all(stage);
    rows.retain(|row| row.name.to_lowercase().contains(&filter));
    rows
}

/// The files by the names that both sides give them.
const SMALL: &str = "1024.bin";
const MIDDLE: &str = "65536.bin";
const LARGE: &str = "1048576.bin";
const HUGE: &str = "268435456.bin";

fn all(stage: &Stage) -> Vec<Row> {
    let clear = |name, file, unit, bar, floor_bar| Row {
        floor_bar: Some(floor_bar),
        ..row(name, unit, bar, vec![ours(stage, file), nginx(stage, "static", file), floor(stage, file)])
    };
    let tls =
        |name, file, unit, bar| row(name, unit, bar, vec![ours_tls(stage, file), nginx_tls(stage, file)]);
    let few = |row: Row| Row { connections: 8, ..row };
    let against =
        |name, way, bar| row(name, Unit::Request, bar, vec![ours(stage, SMALL), nginx(stage, way, SMALL)]);
    vec![
        clear("1 KiB", SMALL, Unit::Request, 0.70, 1.25),
        clear("64 KiB", MIDDLE, Unit::Request, 0.75, 1.25),
        clear("1 MiB", LARGE, Unit::Gigabyte, 0.60, 1.10),
        few(clear("256 MiB", HUGE, Unit::Gigabyte, 1.00, 1.10)),
        tls("TLS 1 KiB", SMALL, Unit::Request, 0.75),
        tls("TLS 1 MiB", LARGE, Unit::Gigabyte, 0.45),
        few(tls("TLS 256 MiB", HUGE, Unit::Gigabyte, 0.35)),
        against("1 KiB, nginx auth_request", "auth-request", 0.10),
        against("1 KiB, nginx Lua", "lua", 0.55),
    ]
}

fn row(name: &'static str, unit: Unit, bar: f64, targets: Vec<Target>) -> Row {
    Row { name, unit, connections: 64, status: 200, targets, bar, floor_bar: None }
}

fn target(stage: &Stage, peer: Peer, pid: u32, url: String) -> Target {
    let headers = vec![("Authorization".to_owned(), format!("Bearer {}", stage.key))];
    Target { peer, pid, url, headers }
}

fn ours(stage: &Stage, file: &str) -> Target {
    let url = format!("http://{}/v1/download/{APPLICATION}/1.0.0/{file}", stage.clear.address);
    target(stage, Peer::Ours, stage.clear.program.pid(), url)
}

fn ours_tls(stage: &Stage, file: &str) -> Target {
    let url = format!("https://{}/v1/download/{APPLICATION}/1.0.0/{file}", stage.tls.address);
    target(stage, Peer::Ours, stage.tls.program.pid(), url)
}

fn nginx(stage: &Stage, way: &str, file: &str) -> Target {
    let url = format!("http://{}/{way}/{file}", stage.nginx.clear);
    target(stage, Peer::Nginx, stage.nginx.program.pid(), url)
}

fn nginx_tls(stage: &Stage, file: &str) -> Target {
    let url = format!("https://{}/static/{file}", stage.nginx.tls);
    target(stage, Peer::Nginx, stage.nginx.program.pid(), url)
}

fn floor(stage: &Stage, file: &str) -> Target {
    let url = format!("http://{}/{file}", stage.floor_address);
    target(stage, Peer::Floor, stage.floor.pid(), url)
}
