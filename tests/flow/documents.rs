//! Every curl example of the five documents that the API was conceived from, as it stands there: only host and key
//! are changed, and the answer is the one that is printed below it.
//!
//! The documents: BinDist's *Authentication*, *Management API* and *Managing Customers*; *Authenticate with API*
//! (tokens and sessions); *API Keys Management* (options of a key). Where an answer differs on purpose, the example
//! names the deviation and its reason.

mod authentication;
mod customers;
mod key_options;
mod management;
mod tokens;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::ports::free_port;
use support::program::{Launch, Program};
use support::{Admin, Client, PATIENCE, eventually};
use tempfile::TempDir;

/// What `tidegate dev` is reached at in place of the documents' hosts.
struct Reader {
    base: String,
    admin_key: String,
    directory: TempDir,
    _program: Program,
}

/// The hosts of the documents.
const HOSTS: [&str; 2] = ["https://api.bindist.eu", "https://api.binom-router.com"];

/// What nobody can know beforehand: compared by type alone.
const VARYING: [&str; 12] = [
    "createdAt",
    "deletedAt",
    "regeneratedAt",
    "expiresAt",
    "timestamp",
    "apiKey",
    "apiSecret",
    "uploadId",
    "uploadUrl",
    "clientIp",
    "userAgent",
    "nextCursor",
];

impl Reader {
    /// A reader with a fresh `tidegate dev`, whose tenant is the one of the examples.
    async fn new() -> Self {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let program = Launch::of("tidegate")
            .arg("dev")
            .arg("--data")
            .arg(directory.path().join("data").display().to_string())
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .env("TIDEGATE_TENANT_ID", "14632221-b1b6-4eec-844a-39f60c7f1523")
            .start(directory.path());
        let base = format!("http://127.0.0.1:{port}");
        let client = Client::new(&base, None);
        eventually(PATIENCE, || async {
            client.try_get("/healthz").await?.is(200).map_err(|told| format!("{told:?}"))
        })
        .await;
        let admin_key = std::fs::read_to_string(directory.path().join("data/admin.key")).unwrap();
        Self { base, admin_key: admin_key.trim().to_owned(), directory, _program: program }
    }

    /// The vendor, for what an example takes for granted.
    fn vendor(&self) -> Admin {
        Admin(Client::new(&self.base, Some(&self.admin_key)))
    }

    /// A file beside the shell that runs the examples.
    fn lay(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.directory.path().join(name), bytes).unwrap();
    }

    /// Runs an example with the vendor's key.
    fn run(&self, example: &str) -> Told {
        self.run_with(example, &[("YOUR_ADMIN_API_KEY", &self.admin_key)])
    }

    /// Runs an example with words of it replaced.
    fn run_with(&self, example: &str, words: &[(&str, &str)]) -> Told {
        let mut line = example.to_owned();
        for (word, by) in words {
            assert!(line.contains(word), "{word} is not in {example}");
            line = line.replace(word, by);
        }
        for host in HOSTS {
            line = line.replace(host, &self.base);
        }
        let told = shell(&line, self.directory.path());
        assert!(!line.contains("https://"), "an example would leave the machine: {line}");
        told
    }
}

/// What curl printed.
struct Told {
    example: String,
    status: u16,
    body: Value,
}

fn shell(line: &str, directory: &Path) -> Told {
    let line = line.trim();
    assert!(line.starts_with("curl "), "{line}");
    let quiet = line.replacen("curl ", "curl -sS -w '\\n%{http_code}' ", 1);
    let mut shell = Command::new("bash");
    shell.args(["-c", &quiet]).current_dir(directory).env_clear();
    shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = shell.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{line}: {text}{}", String::from_utf8_lossy(&output.stderr));
    let (body, status) = text.rsplit_once('\n').unwrap();
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Told { example: line.to_owned(), status: status.parse().unwrap(), body }
}

impl Told {
    /// The answer has this status.
    #[track_caller]
    fn status(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{:#}", self.example, self.body);
        self
    }

    /// The answer holds everything that is printed in the document, and says the same.
    #[track_caller]
    fn documented(self, printed: &str) -> Self {
        let printed: Value = serde_json::from_str(printed).unwrap();
        let held = holds(&self.body, &printed, "");
        assert!(
            held.is_ok(),
            "{}\nanswers otherwise at {held:?}:\n{:#}\nprinted is\n{printed:#}",
            self.example,
            self.body
        );
        self
    }

    /// What lies at a JSON pointer.
    #[track_caller]
    fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).ok_or_else(|| format!("no {pointer} in {:#}", self.body)).unwrap()
    }

    /// The text at a JSON pointer.
    #[track_caller]
    fn text(&self, pointer: &str) -> String {
        self.at(pointer).as_str().ok_or_else(|| format!("no text at {pointer}")).unwrap().to_owned()
    }
}

/// Whether `told` has all that is printed; more fields and more items are no contradiction.
fn holds(told: &Value, printed: &Value, at: &str) -> Result<(), String> {
    match (told, printed) {
        (Value::Object(told), Value::Object(printed)) => printed.iter().try_for_each(|(name, value)| {
            let at = format!("{at}/{name}");
            let there = told.get(name).ok_or_else(|| format!("{at} (missing)"))?;
            if VARYING.contains(&name.as_str()) {
                same_type(there, value, &at)
            } else {
                holds(there, value, &at)
            }
        }),
        (Value::Array(told), Value::Array(printed)) => printed.iter().try_for_each(|item| {
            let found = told.iter().any(|there| holds(there, item, at).is_ok());
            if found { Ok(()) } else { Err(format!("{at}[] (no item like {item})")) }
        }),
        _ if told == printed => Ok(()),
        _ => Err(format!("{at}: {told}")),
    }
}

fn same_type(told: &Value, printed: &Value, at: &str) -> Result<(), String> {
    let same = std::mem::discriminant(told) == std::mem::discriminant(printed);
    if same && told != &Value::String(String::new()) { Ok(()) } else { Err(format!("{at}: {told}")) }
}
