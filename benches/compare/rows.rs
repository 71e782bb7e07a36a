//! What is compared: the work, who does it, and the bar.

use std::fmt;

use crate::Failure;
use crate::stage::{LISTED, Stage};
use crate::targets::{self, Target};

/// Who does the work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub(crate) enum Unit {
    /// Microseconds of CPU for one request.
    #[serde(rename = "µs/request")]
    Request,
    /// Seconds of CPU for 10⁹ bytes.
    #[serde(rename = "s/GB")]
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

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) connections: u32,
    /// The status of a right answer.
    pub(crate) status: u16,
    /// Whether all answers are the same to the byte. Documents name the request that they answer, and are equally long.
    pub(crate) is_file: bool,
    /// Nobody where the edge cannot do the work at all.
    pub(crate) targets: Vec<Target>,
    /// The most that ours may cost as a part of what nginx costs, where the bar says so.
    pub(crate) bar: Option<f64>,
    /// The same against the floor.
    pub(crate) floor_bar: Option<f64>,
}

/// The files by the names that all sides give them.
pub(crate) const SMALL: &str = "1024.bin";
pub(crate) const MIDDLE: &str = "65536.bin";
const LARGE: &str = "1048576.bin";
pub(crate) const HUGE: &str = "268435456.bin";

/// Whether the filter of the command line wants what has this name.
pub(crate) fn is_wanted(name: &str, only: Option<&str>) -> bool {
    only.is_none_or(|filter| name.to_lowercase().contains(&filter.to_lowercase()))
}

/// The rows that are wanted.
pub(crate) async fn chosen(stage: &Stage, only: Option<&str>) -> Result<Vec<Row>, Failure> {
    let mut rows = files(stage);
    rows.extend(documents(stage).await?);
    rows.retain(|row| is_wanted(row.name, only));
    Ok(rows)
}

fn files(stage: &Stage) -> Vec<Row> {
    use Unit::{Gigabyte, Request};
    let targets = |file, way| vec![targets::ours(stage, file), targets::nginx(stage, way, file)];
    let clear = |name, file, unit, (bar, floor_bar)| {
        let mut targets = targets(file, "static");
        targets.push(targets::floor(stage, file));
        Row { floor_bar: Some(floor_bar), ..row(name, unit, Some(bar), targets) }
    };
    let tls = |name, file, unit, bar| {
        row(name, unit, Some(bar), vec![targets::ours_tls(stage, file), targets::nginx_tls(stage, file)])
    };
    let against = |name, way, bar| row(name, Request, bar, targets(SMALL, way));
    let few = |row: Row| Row { connections: 8, ..row };
    vec![
        clear("1 KiB", SMALL, Request, (0.70, 1.25)),
        clear("64 KiB", MIDDLE, Request, (0.75, 1.25)),
        clear("1 MiB", LARGE, Gigabyte, (0.60, 1.10)),
        few(clear("256 MiB", HUGE, Gigabyte, (1.00, 1.10))),
        tls("TLS 1 KiB", SMALL, Request, 0.75),
        tls("TLS 1 MiB", LARGE, Gigabyte, 0.45),
        few(tls("TLS 256 MiB", HUGE, Gigabyte, 0.35)),
        against("1 KiB, auth_request", "auth-request", Some(0.10)),
        against("1 KiB, auth_request, keep-alive", "auth-request-kept", None),
        against("1 KiB, Lua", "lua", Some(0.55)),
    ]
}

/// What updaters ask, against a static file of nginx that is as large.
async fn documents(stage: &Stage) -> Result<[Row; 2], Failure> {
    let check = targets::at_edge(stage, &format!("/v1/updates/{LISTED}?current=1.0.0"));
    let list = targets::at_edge(stage, &format!("/v1/applications/{LISTED}/versions?limit=20"));
    let check = targets::beside_known(stage, check, "update.json").await?;
    let list = targets::beside_file(stage, list, "versions.json").await?;
    let bar = Some(1.00);
    let check = Row { status: 304, is_file: false, ..row("update check, 304", Unit::Request, bar, check) };
    let list = Row { is_file: false, ..row("20 versions listed", Unit::Request, bar, list) };
    Ok([check, list])
}

fn row(name: &'static str, unit: Unit, bar: Option<f64>, targets: Vec<Target>) -> Row {
    Row { name, unit, connections: 64, status: 200, is_file: true, targets, bar, floor_bar: None }
}

#[test]
fn filters_look_into_names() {
    assert!(is_wanted("TLS 1 KiB", None) && is_wanted("TLS 1 KiB", Some("tls")));
    assert!(!is_wanted("1 KiB", Some("TLS")));
}
