//! The long proofs, as `tests/prove/main.rs` declares them.

use std::path::Path;

use crate::{Failure, steps};

/// One line a proof: its name and what it proves.
pub(crate) fn list() -> Result<String, Failure> {
    let names = names()?;
    if names.is_empty() {
        return Ok("There is no long proof yet: tests/prove/main.rs declares none.".to_owned());
    }
    let lines = names.iter().map(|name| {
        let text = read(&format!("{name}.rs"))?;
        Ok(format!("  {name:16} {}", headline(&text)))
    });
    let lines = lines.collect::<Result<Vec<String>, Failure>>()?;
    Ok(format!("The long proofs, run by `cargo xtask prove NAME`:\n{}", lines.join("\n")))
}

/// A name that is in the list; else a usage mistake that shows the list.
pub(crate) fn require(name: &str) -> Result<(), Failure> {
    match names()?.iter().any(|known| known == name) {
        true => Ok(()),
        false => Err(Failure::Usage(format!("No proof is called `{name}`.\n{}", list()?))),
    }
}

fn names() -> Result<Vec<String>, Failure> {
    Ok(declared(&read("main.rs")?))
}

fn read(name: &str) -> Result<String, Failure> {
    let path = steps::root().join("tests/prove").join(name);
    std::fs::read_to_string(&path).map_err(|fault| Failure::Failed(unreadable(&path, &fault)))
}

fn unreadable(path: &Path, fault: &std::io::Error) -> String {
    format!("cannot read {}: {fault}", path.display())
}

fn declared(main: &str) -> Vec<String> {
    main.lines().filter_map(|line| Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())).collect()
}

fn headline(text: &str) -> &str {
    text.lines().next().unwrap_or("").trim_start_matches("//!").trim()
}

#[test]
fn proofs_are_the_modules_of_their_target() {
    assert_eq!(declared("//! Words.\n\nmod kill;\nmod scale;\n\nfn f() {}\n"), ["kill", "scale"]);
    assert_eq!(headline("//! Kills everything.\n\nuse a;"), "Kills everything.");
}
