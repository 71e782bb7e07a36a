//! Which crate may know which: read from the manifests and from what cargo makes of them.

use std::error::Error;
use std::process::Command;

use cargo_metadata::MetadataCommand;
use toml::Table;

use crate::{report, source};

/// Who alone may depend on a crate, whether in its code, its tests or its build, and why.
const WALLS: &[(&str, &[&str], &str)] = &[
    (
        "control-plane",
        &["cli", "tests", "benches"],
        "the door must work while the desk is closed: speak through common::wire",
    ),
    ("edge", &["cli", "tests", "benches"], "the desk knows edges only by what common::bus brings"),
    ("cli", &[], "programs are ends, not parts"),
    ("tests", &[], "nothing that ships leans on tests"),
    ("benches", &[], "nothing that ships leans on measurements"),
    ("xtask", &[], "nothing that ships leans on tests"),
    ("sqlx", &["control-plane"], "the truth has one keeper"),
    ("moka", &["edge"], "only the door remembers what it was told"),
    ("governor", &["edge"], "only the door throttles"),
];

/// What a crate cannot do without.
const GROUND: &[(&str, &str)] = &[("edge", "common"), ("control-plane", "common")];

/// What the language of both planes must not pull in when it is taken without features.
const IMPURE: &[&str] = &["tokio", "hyper", "axum", "sqlx", "redis", "reqwest", "rustls"];

/// `(crate, its dependency)`, as the manifests say it.
type Edges = Vec<(String, String)>;

fn edges() -> Result<Edges, Box<dyn Error>> {
    let metadata = MetadataCommand::new().current_dir(source::root()).no_deps().exec()?;
    let of = |package: &cargo_metadata::Package| {
        let from = package.name.to_string();
        package.dependencies.iter().map(|to| (from.clone(), to.name.clone())).collect::<Edges>()
    };
    Ok(metadata.packages.iter().flat_map(of).collect())
}

fn breached_walls(edges: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (crate_name, allowed, why) in WALLS {
        let others = edges.iter().filter(|(from, to)| to == crate_name && !allowed.contains(&from.as_str()));
        found.extend(
            others.map(|(from, to)| format!("{from}/Cargo.toml:1: `{from}` depends on `{to}`: {why}")),
        );
    }
    let has =
        |from: &str, to: &str| edges.iter().any(|edge| (edge.0.as_str(), edge.1.as_str()) == (from, to));
    let missing = GROUND.iter().filter(|(from, to)| !has(from, to));
    found.extend(missing.map(|(from, to)| {
        format!("{from}/Cargo.toml:1: `{from}` does not depend on `{to}`: it speaks that language")
    }));
    found
}

/// `tree` is what `cargo tree --prefix none` prints: a crate a line, its name first.
fn impure(tree: &str) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let mut found: Vec<&str> = names.filter(|name| IMPURE.contains(name)).collect();
    found.sort_unstable();
    found.dedup();
    let say = |name| {
        format!(
            "common/Cargo.toml:1: `{name}` without any feature: make it optional, behind `bus` or `runtime`"
        )
    };
    found.into_iter().map(say).collect()
}

/// Crates of our own, named by path, need no reason; everything else says behind its version why it is here.
fn unreasoned(root_manifest: &str) -> Vec<String> {
    let section =
        (1..).zip(root_manifest.lines()).skip_while(|(_, line)| *line != "[workspace.dependencies]").skip(1);
    let entries =
        section.take_while(|(_, line)| !line.starts_with('[')).filter(|(_, line)| line.contains('='));
    let silent =
        entries.filter(|(_, line)| !line.contains("path =") && comment(line).is_none_or(str::is_empty));
    silent
        .map(|(number, _)| {
            format!("Cargo.toml:{number}: a dependency without its reason: add `# why` on its line")
        })
        .collect()
}

/// The comment behind a line of TOML: what follows the first `#` outside quotes.
fn comment(line: &str) -> Option<&str> {
    let mut quoted = false;
    let at = line.find(|c| {
        quoted ^= c == '"';
        c == '#' && !quoted
    })?;
    Some(line[at + 1..].trim())
}

/// Dependencies of a member that do not say `workspace = true`.
fn versioned(path: &str, manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(|targets| targets.as_table());
    let tables =
        targets.into_iter().flat_map(Table::values).filter_map(|target| target.as_table()).chain([manifest]);
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let entries =
        tables.flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table())).flatten();
    let own = entries
        .filter(|(_, entry)| entry.get("workspace").and_then(|inherits| inherits.as_bool()) != Some(true));
    own.map(|(name, _)| {
        format!("{path}:1: `{name}` has a version of its own: write `{name}.workspace = true`")
    })
    .collect()
}

#[test]
fn crates_know_only_whom_they_may_know() -> Result<(), Box<dyn Error>> {
    let found = breached_walls(&edges()?);
    assert!(found.is_empty(), "{}", report(&found));
    Ok(())
}

#[test]
fn the_language_is_pure_without_features() -> Result<(), Box<dyn Error>> {
    let arguments = "tree -p common --no-default-features -e normal --prefix none --locked --offline";
    let output =
        Command::new(env!("CARGO")).args(arguments.split(' ')).current_dir(source::root()).output()?;
    assert!(output.status.success(), "cargo {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout)?;
    assert!(tree.starts_with("common "), "not a tree of common: {tree}");
    let found = impure(&tree);
    assert!(found.is_empty(), "{}", report(&found));
    Ok(())
}

#[test]
fn versions_are_chosen_in_one_place_and_have_reasons() -> Result<(), Box<dyn Error>> {
    let mut found = Vec::new();
    for file in source::files()?.iter().filter(|file| file.path.ends_with("Cargo.toml")) {
        match file.path.as_str() {
            "Cargo.toml" => found.extend(unreasoned(&file.text)),
            path => found.extend(versioned(path, &file.text.parse()?)),
        }
    }
    assert!(found.is_empty(), "{}", report(&found));
    Ok(())
}

#[test]
fn each_wall_is_noticed_when_it_falls() {
    let ground = || GROUND.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
    assert_eq!(breached_walls(&ground().collect::<Edges>()), [""; 0]);
    assert_eq!(breached_walls(&[]).len(), GROUND.len());
    for (name, allowed, _) in WALLS {
        let stranger = ("common".to_owned(), (*name).to_owned());
        assert_eq!(breached_walls(&ground().chain([stranger]).collect::<Edges>()).len(), 1, "{name}");
        let friends = allowed.iter().map(|from| ((*from).to_owned(), (*name).to_owned()));
        assert_eq!(breached_walls(&ground().chain(friends).collect::<Edges>()), [""; 0], "{name}");
    }
}

#[test]
fn impurity_missing_reasons_and_own_versions_are_noticed() -> Result<(), Box<dyn Error>> {
    assert_eq!(impure("common v0.1.0 (/x)\nserde v1.0\ntokio-macros v2.0\n").len(), 0);
    assert_eq!(impure("common v0.1.0 (/x)\ntokio v1.0 (*)\ntokio v1.0\nsqlx v0.9\n").len(), 2);

    let manifest = "[workspace.dependencies]\nours = { path = \"ours\" }\na = \"1\" # why\nb = \"1#2\"\nc = \"1\" #\n\n[x]\nd = 1\n";
    let lines: Vec<String> =
        unreasoned(manifest).iter().filter_map(|s| Some(s.split(": ").next()?.to_owned())).collect();
    assert_eq!(lines, ["Cargo.toml:4", "Cargo.toml:5"]);

    let own = "[dependencies]\na.workspace = true\nb = \"1\"\n[target.x.dev-dependencies]\nc = { version = \"2\" }\n";
    assert_eq!(versioned("edge/Cargo.toml", &own.parse()?).len(), 2);
    Ok(())
}
