//! The tree as the rules see it: every text file of the repository, with its path from the root.

use std::io;
use std::path::{Path, PathBuf};

use crate::code;

/// Build output, history and a running system's data: nobody wrote these.
const SKIPPED: [&str; 3] = [".git", "target", "tidegate-data"];

pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Seen by tests only, so that rules about what ships do not apply.
    pub(crate) is_test: bool,
}

impl File {
    /// A file as the checkers' own tests need one.
    pub(crate) fn sample(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned(), is_test: in_room(path, "tests") }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Asked of cargo at run time: two checkouts that share a target directory share this executable too.
pub(crate) fn root() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&manifest).join("..")
}

/// All text files below the root, in a stable order.
pub(crate) fn files() -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    collect(&root(), "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    mark_tests(&mut files);
    Ok(files)
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<File>) -> io::Result<()> {
    for entry in directory.read_dir()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if SKIPPED.contains(&name.as_str()) || name.starts_with("target-") {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file()
            && let Ok(text) = String::from_utf8(std::fs::read(entry.path())?)
        {
            files.push(File { path, text, is_test: false });
        }
    }
    Ok(())
}

/// Below `tests/` and `benches/` nothing ships; elsewhere the parent module says so with `#[cfg(test)] mod name;`.
fn mark_tests(files: &mut [File]) {
    let rooms: Vec<String> =
        files.iter().filter(|f| f.is_rust()).flat_map(|f| test_rooms(&f.path, &f.text)).collect();
    for file in files {
        let whole = ["tests", "benches"].iter().any(|room| in_room(&file.path, room));
        file.is_test = whole || rooms.iter().any(|room| in_room(&file.path, room));
    }
}

fn test_rooms(path: &str, text: &str) -> Vec<String> {
    let stem = path.trim_end_matches(".rs");
    let base = match stem.rsplit_once('/') {
        Some((directory, "lib" | "main")) => directory,
        _ => stem,
    };
    code::test_modules(&code::bare(text)).iter().map(|name| format!("{base}/{name}")).collect()
}

/// A room is `gate.rs` and everything below `gate/`; a file's full path names that file alone.
pub(crate) fn in_room(path: &str, room: &str) -> bool {
    room.is_empty()
        || path
            .strip_prefix(room)
            .is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}

#[test]
fn a_room_is_its_file_and_its_directory() {
    for path in ["edge/src/gate.rs", "edge/src/gate/budget.rs"] {
        assert!(in_room(path, "edge/src/gate"), "{path}");
    }
    assert!(!in_room("edge/src/gateway.rs", "edge/src/gate"));
    assert_eq!(test_rooms("edge/src/lib.rs", "#[cfg(test)]\nmod proofs;\n"), ["edge/src/proofs"]);
    assert_eq!(test_rooms("edge/src/gate.rs", "#[cfg(test)]\nmod tests;\n"), ["edge/src/gate/tests"]);
}
