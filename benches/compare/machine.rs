//! What it was measured on: without that, a figure says nothing.

use std::fs;
use std::process::Command;

use rustix::thread::{CpuSet, sched_getaffinity};
use serde::Serialize;

use crate::Failure;
use crate::programs::{find, say};

/// Which cores are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Cores {
    /// For whoever is measured.
    pub(crate) server: usize,
    /// For the load, and for whatever is not measured.
    pub(crate) load: usize,
}

impl Cores {
    /// The first two that this process may use.
    pub(crate) fn choose() -> Result<Self, Failure> {
        let allowed = sched_getaffinity(None)?;
        let usable: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).take(2).collect();
        match usable[..] {
            [server, load, ..] => Ok(Self { server, load }),
            [only] => {
                say("there is one core alone: load and server take turns on it, and no figure means much");
                Ok(Self { server: only, load: only })
            }
            [] => Err("this process may run nowhere".into()),
        }
    }
}

/// The machine, and what was built for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: Cores,
    pub(crate) kernel: String,
    pub(crate) congestion_control: String,
    pub(crate) nginx: String,
    /// Of the tree that the tool was run in.
    pub(crate) commit: String,
    pub(crate) build: &'static str,
}

impl Machine {
    pub(crate) fn look(cores: &Cores) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let nginx = find("nginx").map(|path| said(Command::new(path).arg("-v"))).unwrap_or_default();
        let commit = said(Command::new("git").args(["describe", "--always", "--dirty", "--exclude", "*"]));
        Self {
            cpu: model(&read("/proc/cpuinfo")).unwrap_or("unknown").to_owned(),
            cores: *cores,
            kernel: read("/proc/sys/kernel/osrelease"),
            congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control"),
            nginx: nginx.trim_start_matches("nginx version: nginx/").to_owned(),
            commit,
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }
}

/// What a program says on either stream; nothing when there is none.
fn said(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return String::new() };
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { String::from_utf8_lossy(&said).trim().to_owned() } else { String::new() }
}

fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[test]
fn the_model_is_found() {
    assert_eq!(model("processor : 0\nmodel name\t: A Fast One\nmodel name\t: B\n"), Some("A Fast One"));
    assert_eq!(model("processor : 0\n"), None);
}

#[test]
fn two_cores_are_used_where_there_are_two() {
    let cores = Cores::choose().unwrap();
    let count = std::thread::available_parallelism().unwrap().get();
    assert!(count == 1 || cores.server != cores.load, "{cores:?}");
}
