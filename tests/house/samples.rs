//! What readers copy must hold: every sample under `deploy/` parses, every link of the documents leads to a file.

use std::io;
use std::path::Path;

use common::runtime::settings::Settings;
use toml::Table;

use crate::report;
use crate::source::{self, File};

/// A parser for the files that it concerns: a path that ends in `/` stands for all that lies below and ends so; any other path
/// is one file, which must exist.
struct Form {
    path: &'static str,
    suffix: &'static str,
    parse: fn(&str) -> Result<(), String>,
}

const FORMS: &[Form] = &[
    Form { path: "deploy/", suffix: ".toml", parse: is_toml },
    Form { path: "deploy/edge.toml", suffix: "", parse: configures_edge },
    Form { path: "deploy/control-plane.toml", suffix: "", parse: configures_control_plane },
];

fn configures_edge(text: &str) -> Result<(), String> {
    let secret = ("TIDEGATE_EDGE_SECRET".to_owned(), "s".repeat(48));
    edge::config::Config::read(Settings::from_parts(text, [secret])).map(drop).map_err(|e| e.to_string())
}

fn configures_control_plane(text: &str) -> Result<(), String> {
    use control_plane::config::{Config, Task};
    Config::read(Settings::from_parts(text, []), Task::Serve).map(drop).map_err(|e| e.to_string())
}

fn is_toml(text: &str) -> Result<(), String> {
    text.parse::<Table>().map(drop).map_err(|fault| fault.to_string())
}

fn misformed(form: &Form, files: &[File]) -> Vec<String> {
    let below = |path: &str| path == form.path || form.path.ends_with('/') && path.starts_with(form.path);
    let concerned: Vec<&File> =
        files.iter().filter(|file| below(&file.path) && file.path.ends_with(form.suffix)).collect();
    if concerned.is_empty() && !form.path.ends_with('/') {
        return vec![format!(
            "{}:1: this sample is gone: bring it back, or take its row out of FORMS",
            form.path
        )];
    }
    let faults = concerned.iter().filter_map(|file| Some((file, (form.parse)(&file.text).err()?)));
    faults.map(|(file, fault)| format!("{}:1: the sample does not parse: {fault}", file.path)).collect()
}

/// Numbered targets of `[text](target)` and `[label]: target` outside of code that are paths in this repository.
fn links(markdown: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut links = Vec::new();
    for (number, line) in (1..).zip(markdown.lines()) {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if fence || fenced {
            continue;
        }
        // Every other piece between back ticks is prose.
        let inline = line
            .split('`')
            .step_by(2)
            .flat_map(|prose| prose.split("](").skip(1))
            .map(|rest| ends_at(rest, ')'));
        let defined = line.strip_prefix('[').and_then(|rest| Some(rest.split_once("]: ")?.1));
        links.extend(inline.chain(defined).map(|target| (number, path_of(target))));
    }
    links.retain(|(_, path)| !path.is_empty() && !path.contains(':'));
    links
}

/// A target without its title and its fragment.
fn path_of(target: &str) -> &str {
    ends_at(ends_at(target.trim().trim_start_matches('<'), ' '), '#').trim_end_matches('>')
}

fn ends_at(text: &str, end: char) -> &str {
    text.split(end).next().unwrap_or(text)
}

fn dead_links(path: &str, markdown: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let directory = Path::new(path).parent().unwrap_or(Path::new(""));
    let target = |link: &str| match link.strip_prefix('/') {
        Some(rooted) => rooted.into(),
        None => directory.join(link),
    };
    let dead = links(markdown).into_iter().filter(|(_, link)| !exists(&target(link)));
    dead.map(|(number, link)| {
        format!("{path}:{number}: `{link}` leads nowhere: mend the link or write the file")
    })
    .collect()
}

#[test]
fn every_sample_parses() -> io::Result<()> {
    let files = source::files()?;
    let found: Vec<String> = FORMS.iter().flat_map(|form| misformed(form, &files)).collect();
    assert!(found.is_empty(), "{}", report(&found));
    Ok(())
}

#[test]
fn every_link_of_the_documents_leads_to_a_file() -> io::Result<()> {
    let files = source::files()?;
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    let exists = |path: &Path| source::root().join(path).exists();
    let found: Vec<String> = documents.flat_map(|file| dead_links(&file.path, &file.text, exists)).collect();
    assert!(found.is_empty(), "{}", report(&found));
    Ok(())
}

#[test]
fn a_sample_that_does_not_parse_or_is_gone_is_noticed() {
    let sample = |text: &str| [File::sample("deploy/edge.toml", text)];
    let one = Form { path: "deploy/edge.toml", suffix: "", parse: is_toml };
    for form in FORMS.iter().filter(|form| sample("")[0].path.starts_with(form.path)).chain([&one]) {
        assert_eq!(misformed(form, &sample("listen = ")).len(), 1);
    }
    assert_eq!(misformed(&one, &sample("listen = \"a\"")), [""; 0]);
    let edge = Form { path: "deploy/edge.toml", suffix: "", parse: configures_edge };
    assert_eq!(misformed(&edge, &sample("listen = \"127.0.0.1:1\"")).len(), 1, "it lacks what an edge needs");
    assert_eq!(misformed(&one, &[]).len(), 1);
}

#[test]
fn a_dead_link_is_noticed_and_code_is_not_a_link() {
    let text = "[a](here.md#part) [b](../gone.md \"title\")\n`[c](gone.md)` [d](https://e.eu) [f](#g)\n```\n[h](gone.md)\n```\n[i]: gone.md\n";
    let found = dead_links("docs/x.md", text, |path| path == Path::new("docs/here.md"));
    let lines: Vec<&str> = found.iter().filter_map(|breach| breach.split(": ").next()).collect();
    assert_eq!(lines, ["docs/x.md:1", "docs/x.md:6"]);
    assert_eq!(links("[a](<b.md>)"), [(1, "b.md")]);
}
