//! What the tests need from Debian: found, named when it is missing, installed when that is wanted.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Failure, say};

/// Something that must be there: a program in the path, a file by its full path, or a module of Python.
struct Need {
    probe: &'static str,
    package: &'static str,
    why: &'static str,
}

const NEEDS: &[Need] = &[
    need("aria2c", "aria2", "downloads over several connections as customers do them"),
    need("axel", "axel", "the same by another program"),
    need("cc", "gcc", "compiles what SQLite, zstd and the TLS library are written in, and links"),
    need("/usr/include/stdio.h", "libc6-dev", "headers for that compiler"),
    need(
        "/etc/ssl/certs/ca-certificates.crt",
        "ca-certificates",
        "clients that speak TLS want roots to trust",
    ),
    need("curl", "curl", "downloads, ranges and resumption as customers do them"),
    need("ip", "iproute2", "networks of their own for long proofs"),
    need("jq", "jq", "the guides read answers with it"),
    need("openssl", "openssl", "certificates, and a client of TLS that says what was agreed"),
    need("redis-server", "redis-server", "the bus between the planes, started privately by each test"),
    need(
        "python3 -m ensurepip",
        "python3-venv",
        "an environment for schemathesis, inside the target directory",
    ),
    need(
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "libfaketime",
        "edges whose clocks are an hour off",
    ),
    need("/usr/sbin/nft", "nftables", "packets that are dropped there"),
    need("wget", "wget", "resumption as customers do it"),
    // Where servers lie is in the path of root alone.
    need("/usr/sbin/nginx", "nginx", "the peer that the edge is measured against, started privately"),
    need(
        "/usr/lib/nginx/modules/ngx_http_lua_module.so",
        "libnginx-mod-http-lua",
        "one of the ways in which it protects files",
    ),
    need("wrk", "wrk", "the load of that measurement"),
];

/// Packages that bring a service of the same name.
const SERVICES: [&str; 2] = ["redis-server", "nginx"];

const fn need(probe: &'static str, package: &'static str, why: &'static str) -> Need {
    Need { probe, package, why }
}

/// Makes sure that everything is there, or says what is not.
pub(crate) fn provide(install: bool) -> Result<(), Failure> {
    let missing = missing(is_there);
    if missing.is_empty() {
        return Ok(());
    }
    let lines =
        missing.iter().map(|need| format!("  {} (package {}): {}", need.probe, need.package, need.why));
    let lines = lines.collect::<Vec<String>>().join("\n");
    if !install {
        return Err(Failure::Failed(format!("missing, and --no-install forbids to install it:\n{lines}")));
    }
    if !is_there("apt-get") {
        return Err(Failure::Failed(format!("missing, and this is no Debian; please install:\n{lines}")));
    }
    say(&format!("xtask: the tests need what is missing here:\n{lines}"));
    run_as_root(&script(&missing))?;
    match self::missing(is_there).first() {
        None => Ok(()),
        Some(need) => Err(Failure::Failed(format!(
            "{} is missing even after {} was installed",
            need.probe, need.package
        ))),
    }
}

fn missing(is_there: impl Fn(&str) -> bool) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !is_there(need.probe)).collect()
}

fn is_there(probe: &str) -> bool {
    if probe.starts_with('/') {
        return Path::new(probe).exists();
    }
    if let Some(module) = probe.strip_prefix("python3 -m ") {
        let import = Command::new("python3").args(["-c", &format!("import {module}")]).output();
        return import.is_ok_and(|output| output.status.success());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(probe).is_file())
}

/// Debian starts a server once it is installed, and at every boot; the tests start their own and want neither. A policy that
/// somebody has made already is left as it is, and ours goes whatever happens.
fn script(missing: &[&Need]) -> String {
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let packages = packages.join(" ");
    let mut script = format!(
        "set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e \"$policy\" ]; then
    trap 'rm -f \"$policy\"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\\nexit 101\\n' >\"$policy\"
    chmod 755 \"$policy\"
fi
apt-get update
apt-get install -y --no-install-recommends {packages}
"
    );
    for service in SERVICES.iter().filter(|service| packages.split(' ').any(|package| package == **service)) {
        script.push_str(&format!(
            "if command -v systemctl >/dev/null; then systemctl disable {service} || true; fi\n"
        ));
    }
    script
}

/// The script is shown before it runs.
fn run_as_root(script: &str) -> Result<(), Failure> {
    let shell: &[&str] = match is_root() {
        true => &["sh"],
        false if is_there("sudo") => &["sudo", "sh"],
        false => return Err(Failure::Failed(format!("root must run this, and there is no sudo:\n{script}"))),
    };
    let shown: Vec<String> = script.lines().map(|line| format!("  {line}")).collect();
    say(&format!("xtask: running as root, by {}:\n{}", shell.join(" "), shown.join("\n")));
    let mut command = Command::new(shell[0]);
    let status = command.args(&shell[1..]).args(["-c", script]).stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::Failed(format!("installing failed: {status}"))),
        Err(fault) => Err(Failure::Failed(format!("cannot start {}: {fault}", shell[0]))),
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[test]
fn only_what_is_missing_is_installed_and_no_server_is_left_running() {
    assert!(missing(|_| true).is_empty());
    let redis = script(&missing(|probe| probe != "redis-server"));
    assert!(redis.contains("install -y --no-install-recommends redis-server\n"), "{redis}");
    assert!(redis.contains("policy-rc.d") && redis.contains("systemctl disable redis-server"), "{redis}");
    let nginx = script(&missing(|probe| !probe.contains("nginx")));
    assert!(nginx.contains("install -y --no-install-recommends nginx libnginx-mod-http-lua\n"), "{nginx}");
    assert!(nginx.contains("systemctl disable nginx ") && !nginx.contains("redis"), "{nginx}");
    let tools = script(&missing(|probe| !["curl", "wget"].contains(&probe)));
    assert!(
        tools.contains("install -y --no-install-recommends curl wget\n") && !tools.contains("redis"),
        "{tools}"
    );
}
