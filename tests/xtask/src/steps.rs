//! The cargo commands that a job consists of, and running them one after the other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::{Failure, say};

/// The arguments of one cargo command.
pub(crate) type Step = Vec<String>;

/// Asked of cargo at run time: two checkouts that share a target directory share this executable too.
pub(crate) fn root() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).join("../..")
}

/// All tests, or those that the filters choose. One build makes the programs too, because flow tests start them from the
/// directory that holds their own executable's; a second build of them alone would choose other features and compile anew.
/// Benchmarks run each measurement once.
pub(crate) fn tests(filters: &[String]) -> Vec<Step> {
    let (targets, names): (Vec<&String>, Vec<&String>) = filters.iter().partition(|filter| is_target(filter));
    let chosen = match (targets.is_empty(), names.is_empty()) {
        (true, true) => step("--tests --benches"),
        (true, false) => step("--tests"),
        (false, _) => targets.into_iter().flat_map(|target| ["--test".to_owned(), target.clone()]).collect(),
    };
    let build = [step("build --locked --workspace --bins"), chosen.clone()].concat();
    let mut test = [step("test --locked --workspace --no-fail-fast"), chosen].concat();
    if filters.is_empty() {
        let doc = step("test --locked --workspace --no-fail-fast --doc");
        let alone =
            ["schemathesis", "compare"].map(|name| step(&format!("test --locked --workspace --test {name}")));
        return [vec![build, test, doc], alone.to_vec()].concat();
    }
    if !names.is_empty() {
        test.push("--".to_owned());
        test.extend(names.into_iter().cloned());
    }
    vec![build, test]
}

/// One proof, alone and with its output shown: what it measures is what is read.
pub(crate) fn proof(name: &str) -> Vec<Step> {
    let run =
        format!("test --locked --release -p tests --test prove -- {name}:: --nocapture --test-threads=1");
    vec![step("build --locked --release --workspace --bins"), step(&run)]
}

fn is_target(name: &str) -> bool {
    name != "prove"
        && name.chars().all(char::is_alphanumeric)
        && root().join("tests").join(name).join("main.rs").exists()
}

fn step(words: &str) -> Step {
    words.split(' ').map(str::to_owned).collect()
}

/// Stops at the first command that fails.
pub(crate) fn run(steps: &[Step]) -> Result<(), Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for step in steps {
        let line = format!("cargo {}", step.join(" "));
        say(&format!("xtask: {line}"));
        let started = Instant::now();
        let status = Command::new(&cargo).args(step).current_dir(root()).status();
        let status = status.map_err(|fault| format!("cannot start cargo: {fault}"))?;
        say(&format!("xtask: {:.0} s", started.elapsed().as_secs_f64()));
        if !status.success() {
            return Err(Failure::Failed(format!("failed: {line}")));
        }
    }
    Ok(())
}

#[test]
fn filters_choose_targets_or_names() {
    let lines = |filters: &[&str]| {
        let filters: Vec<String> = filters.iter().map(|f| (*f).to_owned()).collect();
        tests(&filters).iter().map(|step| step.join(" ")).collect::<Vec<String>>()
    };
    let check = |filters, chosen| {
        let test = format!("test --locked --workspace --no-fail-fast {chosen}");
        assert_eq!(lines(filters)[1], test);
    };
    check(&["house"], "--test house");
    check(&["revoked"], "--tests -- revoked");
    check(&["flow", "a", "b"], "--test flow -- a b");
    check(&["prove"], "--tests -- prove");
    check(&[], "--tests --benches");
    assert_eq!(lines(&["flow", "a"])[0], "build --locked --workspace --bins --test flow");
    assert_eq!(lines(&[]).len(), 5);
    assert_eq!(lines(&["schemathesis"])[1], "test --locked --workspace --no-fail-fast --test schemathesis");
}
