//! Schemathesis, in a Python environment of its own inside the target directory: nothing of the system is touched.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, say, steps};

/// Every version is pinned there, those of dependencies too.
const REQUIREMENTS: &str = "tests/schemathesis/requirements.txt";

/// Whether these filters of `cargo xtask test` lead to it.
pub(crate) fn is_asked(filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| filter == "schemathesis")
}

/// Makes sure that it is there in the version that is pinned, or says that it is not.
pub(crate) fn provide(install: bool) -> Result<(), Failure> {
    let place = target()?.join("schemathesis");
    let wanted = std::fs::read_to_string(steps::root().join(REQUIREMENTS));
    let wanted = wanted.map_err(|fault| format!("cannot read {REQUIREMENTS}: {fault}"))?;
    // Written last: an environment that was left half made has none.
    let stamp = place.join("requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if !install {
        let place = place.display();
        let says = format!("{place} lacks what {REQUIREMENTS} pins, and --no-install forbids to install it");
        return Err(Failure::Failed(says));
    }
    say(&format!("xtask: installing what {REQUIREMENTS} pins into {}", place.display()));
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    // Without looking for dependencies: a package that is not pinned does not come.
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
    run(Command::new(place.join("bin/python")).args(pip).arg(steps::root().join(REQUIREMENTS)))?;
    std::fs::write(&stamp, wanted)
        .map_err(|fault| format!("cannot write {}: {fault}", stamp.display()).into())
}

/// The directory that this executable was built into: `target/debug/xtask`.
fn target() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|fault| format!("cannot find this executable: {fault}"))?;
    let target = own.parent().and_then(Path::parent).map(Path::to_owned);
    target.ok_or_else(|| Failure::Failed("this executable is in no target directory".to_owned()))
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let line = format!("{command:?}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::Failed(format!("{line}: {status}"))),
        Err(fault) => Err(Failure::Failed(format!("cannot start {line}: {fault}"))),
    }
}

#[test]
fn only_whole_runs_and_its_own_name_need_it() {
    assert!(is_asked(&[]) && is_asked(&["schemathesis".to_owned()]));
    assert!(!is_asked(&["house".to_owned()]));
}

#[test]
fn every_requirement_is_pinned() {
    let text = std::fs::read_to_string(steps::root().join(REQUIREMENTS)).unwrap();
    for line in text.lines() {
        assert!(line.contains("=="), "{line}");
    }
}
