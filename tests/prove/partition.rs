//! An edge whose packets to Redis and the control plane are dropped, in a network of its own, serves on and is named.
#![expect(
    clippy::unwrap_used,
    reason = "also outside of the test function itself this is how a proof fails, and its figures are for reading"
)]

use std::process::Command;

use support::faults::{LARGE, programs};
use support::wire::Wire;

/// Set where the network is the proof's own.
const INSIDE: &str = "TIDEGATE_PROOF_NETWORK";
/// Packets from and to the ports in this set are dropped, without a word to either side.
const RULES: &str = "table inet proof {
    set cut { type inet_service; }
    chain input { type filter hook input priority 0; tcp dport @cut drop; tcp sport @cut drop; }
}";

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_behind_dropped_packets_serves_on_and_is_named() {
    if std::env::var_os(INSIDE).is_none() {
        return go_inside();
    }
    run("ip", &["link", "set", "lo", "up"]);
    run("nft", &[RULES]);
    let (tally, told) = programs::an_edge_is_cut_off(LARGE, drop_packets).await;
    println!("{told}; {}", tally.told());
}

/// This proof again, in a network where nobody else is.
fn go_inside() {
    let program = std::env::current_exe().unwrap();
    let mut inside = Command::new("unshare");
    inside.arg("--net");
    if !std::fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0) {
        // Whoever may make namespaces of users is root in one.
        inside.arg("--map-root-user");
    }
    let status = inside.arg(program).args(["partition::", "--nocapture"]).env(INSIDE, "1").status();
    assert!(status.unwrap().success(), "the proof failed in its own network, or could not have one");
}

fn drop_packets(wires: &[Wire], pass: bool) {
    let ports: Vec<String> =
        wires.iter().filter_map(|wire| Some(wire.address().rsplit_once(':')?.1.to_owned())).collect();
    let act = if pass { "delete" } else { "add" };
    run("nft", &[&format!("{act} element inet proof cut {{ {} }}", ports.join(", "))]);
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.is_ok_and(|status| status.success()), "{program} {arguments:?} failed");
}
