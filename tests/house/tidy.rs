//! How long a file may be, how it begins, what it is called, how much it sees.

use std::io;

use crate::source::{self, File, in_room};
use crate::words::says;
use crate::{code, report};

/// Lines that ship, and lines of a test file.
const LONGEST_SHIPPED: usize = 400;
const LONGEST_TEST: usize = 600;

fn too_long(file: &File) -> Option<String> {
    let (length, longest) = match file.is_test {
        true => (file.text.lines().count(), LONGEST_TEST),
        false => (code::shipped(&code::bare(&file.text)).len(), LONGEST_SHIPPED),
    };
    let text = format!(
        "{}:{length}: {length} lines, at most {longest}: split the room by what its parts make",
        file.path
    );
    (length > longest).then_some(text)
}

fn unexplained(file: &File) -> Option<String> {
    let text = format!("{}:1: a file begins with `//!` and what the room is for: write that line", file.path);
    (!file.text.starts_with("//!")).then_some(text)
}

fn misnamed(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let stem = name.trim_end_matches(".rs");
    if stem == "mod" {
        return Some(format!("{path}:1: no mod.rs: the module `gate` is gate.rs beside gate/"));
    }
    let vague = ["util", "utils", "helper", "helpers", "manager", "managers", "misc"].contains(&stem);
    vague.then(|| format!("{path}:1: `{stem}` says nothing: name the file after the one thing that it makes"))
}

/// A file other than `app.rs` that names more than three quarters of its plane's rooms has become a second `app.rs`.
fn sees_all(file: &File, rooms: &[&str]) -> Option<String> {
    let plane = file.path.split('/').next()?;
    let bare = code::bare(&file.text);
    let shipped = code::shipped(&bare);
    let seen = rooms
        .iter()
        .filter(|room| shipped.iter().any(|(_, line)| says(line, &format!("crate::{room}"))))
        .count();
    let exempt =
        ["app.rs", "lib.rs", "main.rs"].iter().any(|name| file.path == format!("{plane}/src/{name}"));
    (!exempt && rooms.len() >= 8 && seen * 4 > rooms.len() * 3).then(|| {
        let rooms = rooms.len();
        format!(
            "{}:1: sees {seen} of {rooms} rooms: only app.rs puts rooms together, pass what is needed",
            file.path
        )
    })
}

/// The top-level modules of a plane, as far as they are rooms.
fn rooms_of<'a>(plane: &str, files: &'a [File]) -> Vec<&'a str> {
    let inside = files.iter().filter(|file| !file.is_test);
    let names =
        inside.filter_map(|file| file.path.strip_prefix(plane)?.strip_prefix("/src/")?.strip_suffix(".rs"));
    names.filter(|name| !name.contains('/') && !["lib", "main", "app"].contains(name)).collect()
}

#[test]
fn files_are_short_named_and_explained() -> io::Result<()> {
    let files = source::files()?;
    let rust = || files.iter().filter(|file| file.is_rust());
    let mut found: Vec<String> =
        rust().flat_map(|file| too_long(file).into_iter().chain(unexplained(file))).collect();
    found.extend(rust().filter_map(|file| misnamed(&file.path)));
    assert!(found.is_empty(), "{}", report(&found));
    Ok(())
}

#[test]
fn only_app_sees_all_rooms() -> io::Result<()> {
    let files = source::files()?;
    let mut found = Vec::new();
    for plane in ["control-plane", "edge"] {
        let rooms = rooms_of(plane, &files);
        let ships = files.iter().filter(|file| in_room(&file.path, plane) && file.is_rust() && !file.is_test);
        found.extend(ships.filter_map(|file| sees_all(file, &rooms)));
    }
    assert!(found.is_empty(), "{}", report(&found));
    Ok(())
}

#[test]
fn length_name_and_first_line_are_judged() {
    let long = "fn f() {}\n".repeat(LONGEST_SHIPPED + 1);
    assert!(too_long(&File::sample("edge/src/gate.rs", &long)).is_some());
    assert!(too_long(&File::sample("tests/flow/keys.rs", &long)).is_none());
    assert!(too_long(&File::sample("tests/flow/keys.rs", &long.repeat(2))).is_some());
    let tested =
        format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    fn f() {}\n".repeat(LONGEST_SHIPPED));
    assert!(too_long(&File::sample("edge/src/gate.rs", &tested)).is_none());
    assert!(unexplained(&File::sample("edge/src/gate.rs", "use a::b;\n")).is_some());
    assert!(misnamed("edge/src/gate/mod.rs").is_some() && misnamed("cli/src/helpers.rs").is_some());
    assert!(misnamed("edge/src/gate.rs").is_none());
}

#[test]
fn a_second_app_is_noticed() {
    let rooms = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let uses =
        |rooms: &[&str]| rooms.iter().map(|room| format!("use crate::{room}::X;\n")).collect::<String>();
    assert!(sees_all(&File::sample("edge/src/listen.rs", &uses(&rooms)), &rooms).is_some());
    assert!(sees_all(&File::sample("edge/src/app.rs", &uses(&rooms)), &rooms).is_none());
    assert!(sees_all(&File::sample("edge/src/listen.rs", &uses(&rooms[..6])), &rooms).is_none());
}
