//! Load, by wrk: as much as the server takes, over connections that stay.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::Failure;
use crate::programs::pinned;
use crate::targets::Target;

/// Numbers instead of the rounded text that wrk prints by itself.
const SCRIPT: &str = r#"
done = function(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format("measured %d %d %d %d\n", summary.requests, summary.bytes, errors.status,
        errors.connect + errors.read + errors.write))
end
"#;

/// What wrk is told.
pub(crate) struct Load<'a> {
    pub(crate) target: &'a Target,
    pub(crate) connections: u32,
    pub(crate) time: Duration,
}

/// What came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Served {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
}

/// Writes down what wrk is told to print.
pub(crate) fn script(directory: &Path) -> Result<PathBuf, Failure> {
    let path = directory.join("wrk.lua");
    std::fs::write(&path, SCRIPT)?;
    Ok(path)
}

/// Runs it on a core.
pub(crate) async fn run(script: &Path, core: usize, load: &Load<'_>) -> Result<Served, Failure> {
    let mut command = Command::from(pinned(core));
    command.args(["wrk", "--threads", "1", "--connections", &load.connections.to_string()]);
    command.args(["--duration", &format!("{}s", load.time.as_secs()), "--timeout", "30s"]);
    for (name, value) in &load.target.headers {
        command.args(["--header", &format!("{name}: {value}")]);
    }
    command.arg("--script").arg(script).arg(&load.target.url).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await?;
    let printed = String::from_utf8_lossy(&output.stdout);
    parse(&printed).map_err(|fault| {
        format!("{}: {fault}: {printed}{}", load.target.url, String::from_utf8_lossy(&output.stderr)).into()
    })
}

fn parse(printed: &str) -> Result<Served, &'static str> {
    let line =
        printed.lines().find_map(|line| line.strip_prefix("measured ")).ok_or("wrk measured nothing")?;
    let numbers: Vec<u64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [requests, bytes, 0, 0] => Ok(Served { requests, bytes }),
        [_, _, _, 0] => Err("not all was answered with success"),
        [_, _, _, _] => Err("connections broke"),
        _ => Err("wrk printed something else"),
    }
}

#[test]
fn only_flawless_runs_count() {
    let check = |printed, expected| assert_eq!(parse(printed).ok(), expected, "{printed}");
    check("Running 1s\nmeasured 10 2048 0 0\n", Some(Served { requests: 10, bytes: 2048 }));
    check("measured 10 2048 1 0\n", None);
    check("measured 10 2048 0 1\n", None);
    check("measured 10\n", None);
    check("", None);
}
