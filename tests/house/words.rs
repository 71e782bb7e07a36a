//! What the files of a room may not say. A new rule is a row, with a text that breaks it.

use std::io;

use crate::source::{self, File, in_room};
use crate::{code, report};

/// What a rule reads of a file.
#[derive(Clone, Copy, PartialEq)]
enum View {
    /// Rust that ships, without comments and strings.
    Shipped,
    /// All Rust, tests included, without comments and strings.
    Code,
    /// Every text file as it is.
    Text,
}

struct Rule {
    name: &'static str,
    view: View,
    /// Whole words, or phrases, that must not appear …
    words: &'static [&'static str],
    /// … in these rooms …
    rooms: &'static [&'static str],
    /// … but in these, each for its reason.
    except: &'static [(&'static str, &'static str)],
    instead: &'static str,
    /// A path and a text that break the rule, so that the test sees it bite.
    broken_by: (&'static str, &'static str),
}

const EVERYWHERE: &[&str] = &[""];

const RULES: &[Rule] = &[
    Rule {
        name: "one place of the desk knows HTTP statuses",
        view: View::Shipped,
        words: &["StatusCode"],
        rooms: &["control-plane/src"],
        except: &[("control-plane/src/error.rs", "the table from refusals and faults to statuses")],
        instead: "return a Refusal, a Fault or a value, and let error.rs choose the status",
        broken_by: ("control-plane/src/api/keys.rs", "let s = StatusCode::CONFLICT;"),
    },
    Rule {
        name: "one place of the door maps refusals to statuses",
        view: View::Shipped,
        words: &["StatusCode"],
        rooms: &["edge/src"],
        except: &[
            ("edge/src/error.rs", "the table from refusals and faults to statuses"),
            ("edge/src/deliver", "206, 304, 412 and 416 are what RFC 9110 makes of a plan, not refusals"),
        ],
        instead: "return a Refusal or a Plan, and let error.rs or deliver choose the status",
        broken_by: ("edge/src/gate.rs", "fn f() -> StatusCode {}"),
    },
    Rule {
        name: "only config.rs reads settings",
        view: View::Shipped,
        words: &["settings::", "runtime::settings", "env::var", "env::vars", "env::var_os", "env::vars_os"],
        rooms: &["common/src", "control-plane/src", "edge/src", "cli/src"],
        except: &[
            ("common/src/runtime", "where settings are read for everybody"),
            ("control-plane/src/config", "the desk's parsed types"),
            ("edge/src/config", "the door's parsed types"),
            ("cli/src/config", "the client's parsed types"),
        ],
        instead: "take the parsed value as an argument; config.rs reads it",
        broken_by: ("edge/src/report.rs", "let id = settings::text(\"edge_id\");"),
    },
    Rule {
        name: "SQL lives in the store",
        view: View::Shipped,
        words: &["sqlx"],
        rooms: &["control-plane/src"],
        except: &[("control-plane/src/store", "the truth and its two databases")],
        instead: "add a method to the Store trait that says what is wanted",
        broken_by: ("control-plane/src/api/keys.rs", "sqlx::query(q)"),
    },
    Rule {
        name: "the domain decides and does nothing else",
        view: View::Shipped,
        words: &["serde", "serde_json", "axum", "http", "tokio", "async", "tracing"],
        rooms: &["control-plane/src/domain"],
        except: &[],
        instead: "take facts and the time as arguments, give back a Change or a Refusal",
        broken_by: ("control-plane/src/domain/key.rs", "use serde::Serialize;"),
    },
    Rule {
        name: "the gate never waits",
        view: View::Shipped,
        words: &["async", ".await", "tokio"],
        rooms: &["edge/src/gate"],
        except: &[],
        instead: "look up before the gate, in keyring or catalog, and pass what was found",
        broken_by: ("edge/src/gate/budget.rs", "lock.lock().await"),
    },
    Rule {
        name: "unsafe has one room",
        view: View::Code,
        words: &["unsafe"],
        rooms: EVERYWHERE,
        except: &[
            ("edge/src/file_io", "writes file slices to sockets, and argues for itself"),
            ("tests", "signals and sockets of the tests' own processes"),
        ],
        instead: "use a safe crate, or bring it to file_io.rs with its argument",
        broken_by: ("edge/src/origin.rs", "let b = unsafe { *p };"),
    },
    Rule {
        name: "nothing is allowed silently",
        view: View::Code,
        words: &["#[allow(", "#![allow("],
        rooms: EVERYWHERE,
        except: &[],
        instead: "mend it, or write #[expect(…, reason = \"…\")], which ends when it is no longer needed",
        broken_by: ("common/src/key.rs", "#[allow(dead_code)]"),
    },
    Rule {
        name: "every test runs",
        view: View::Code,
        words: &["#[ignore"],
        rooms: EVERYWHERE,
        except: &[],
        instead: "make it fast enough, or make it a proof in tests/prove",
        broken_by: ("tests/flow/keys.rs", "#[ignore]"),
    },
    Rule {
        name: "nothing is left for later in the code",
        view: View::Code,
        words: &["todo!", "unimplemented!"],
        rooms: EVERYWHERE,
        except: &[],
        instead: "leave the thing out until it is built",
        broken_by: ("cli/src/main.rs", "fn f() { todo!() }"),
    },
    Rule {
        name: "no notes to self",
        view: View::Text,
        words: &[concat!("TO", "DO"), concat!("FIX", "ME")],
        rooms: EVERYWHERE,
        except: &[],
        instead: "do it now, or write it where work is planned",
        broken_by: ("deploy/edge.toml", concat!("# TO", "DO: size")),
    },
    Rule {
        name: "what ships does not unwrap",
        view: View::Shipped,
        words: &[".unwrap()"],
        rooms: EVERYWHERE,
        except: &[],
        instead: "return the error, or make the type such that it cannot happen",
        broken_by: ("edge/src/keyring.rs", "a.b().unwrap();"),
    },
    Rule {
        name: "tests never sleep",
        view: View::Code,
        words: &["sleep("],
        rooms: &["tests/flow", "tests/support"],
        except: &[("tests/support/eventually.rs", "the one poll with a deadline")],
        instead: "use support::eventually, or pass the time as an argument",
        broken_by: ("tests/flow/keys.rs", "tokio::time::sleep(d).await;"),
    },
    Rule {
        name: "no machine's own paths",
        view: View::Text,
        words: &[concat!("/wo", "rk/"), concat!("/ro", "ot/")],
        rooms: EVERYWHERE,
        except: &[],
        instead: "write a path relative to the repository, or one that the reader's machine has too",
        broken_by: ("docs/operating.md", concat!("cd /wo", "rk/main")),
    },
];

fn breaches(rule: &Rule, file: &File) -> Vec<String> {
    let concerns = rule.rooms.iter().any(|room| in_room(&file.path, room))
        && !rule.except.iter().any(|(room, _)| in_room(&file.path, room))
        && (rule.view == View::Text || file.is_rust())
        && (rule.view != View::Shipped || !file.is_test);
    if !concerns {
        return Vec::new();
    }
    let bare = code::bare(&file.text);
    let lines: Vec<(usize, &str)> = match rule.view {
        View::Shipped => code::shipped(&bare),
        View::Code => (1..).zip(bare.lines()).collect(),
        View::Text => (1..).zip(file.text.lines()).collect(),
    };
    let broken = lines.into_iter().filter(|(_, line)| rule.words.iter().any(|word| says(line, word)));
    broken.map(|(number, _)| format!("{}:{number}: {}: {}", file.path, rule.name, rule.instead)).collect()
}

/// Whether `word` stands in `line` as a whole word; ends of `word` that are punctuation may touch anything.
pub(crate) fn says(line: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_letter) && word.starts_with(is_letter);
        let after =
            line[at + word.len()..].chars().next().is_some_and(is_letter) && word.ends_with(is_letter);
        !before && !after
    })
}

#[test]
fn no_file_says_what_its_room_may_not_say() -> io::Result<()> {
    let files = source::files()?;
    let found: Vec<String> =
        files.iter().flat_map(|file| RULES.iter().flat_map(move |rule| breaches(rule, file))).collect();
    assert!(found.is_empty(), "{}", report(&found));
    Ok(())
}

#[test]
fn every_rule_bites_and_spares_its_exceptions() {
    for rule in RULES {
        let (path, text) = rule.broken_by;
        let text = format!("//! Words.\n{text}\n");
        let found = breaches(rule, &File::sample(path, &text));
        assert!(found.len() == 1 && found[0].starts_with(&format!("{path}:2: ")), "{}: {found:?}", rule.name);
        for (room, reason) in rule.except {
            let inside = format!("{}.rs", room.trim_end_matches(".rs"));
            assert!(
                breaches(rule, &File::sample(&inside, &text)).is_empty(),
                "{}: {inside}: {reason}",
                rule.name
            );
        }
    }
}

#[test]
fn a_word_is_found_whole_and_not_in_comments_strings_or_tests() {
    assert!(says("#![unsafe_code] unsafe {", "unsafe"));
    assert!(!says("#![deny(unsafe_code)]", "unsafe"));
    assert!(says("std::thread::sleep(d)", "sleep(") && !says("go_to_sleep(d)", "sleep("));
    let unwraps = RULES.iter().filter(|rule| rule.words.contains(&".unwrap()"));
    let text = "//! .unwrap()\nfn f() { \".unwrap()\"; }\n#[cfg(test)]\nmod tests {\n    x.unwrap();\n}\n";
    assert_eq!(unwraps.flat_map(|rule| breaches(rule, &File::sample("edge/src/gate.rs", text))).count(), 0);
}
