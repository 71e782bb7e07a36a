//! `tidegate dev` asked by schemathesis, which makes requests of the OpenAPI document, honest ones and others.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::admin::{Admin, Stock};
use crate::client::Client;
use crate::eventually::{PATIENCE, eventually};
use crate::ports::free_port;
use crate::program::{Launch, Program};

/// How much is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effort {
    /// What fits an ordinary run.
    Short,
    /// A proof.
    Long,
}

impl Effort {
    /// Requests an operation beside those at the edges of its schemas.
    fn examples(self) -> &'static str {
        match self {
            Self::Short => "8",
            Self::Long => "300",
        }
    }

    /// Longer than this hangs.
    fn longest(self) -> Duration {
        match self {
            Self::Short => Duration::from_secs(180),
            Self::Long => Duration::from_secs(3_600),
        }
    }

    fn phases(self) -> &'static str {
        match self {
            Self::Short => "examples,coverage,fuzzing",
            Self::Long => "examples,coverage,fuzzing,stateful",
        }
    }
}

/// Asks, and panics with what was answered otherwise than documented. The summary of what was asked.
pub async fn ask(effort: Effort) -> String {
    let directory = tempfile::tempdir().unwrap();
    let (mut program, base, admin) = start(&directory).await;
    // A key of its own: the run may do what it likes to all others.
    let key = admin.create_admin_key(json!({ "name": "schemathesis" })).await;
    let stock = admin.stock("seeded").await;
    let place = directory.path().join("questions");
    lay_out(&place, &admin, &stock).await;
    let mut command = Command::new(executable());
    command.args([
        "--config-file",
        "schemathesis.toml",
        "run",
        &format!("{base}/openapi.json"),
        "--no-color",
    ]);
    command.args(["--max-examples", effort.examples(), "--phases", effort.phases()]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", &place).env("TIDEGATE_KEY", &key.text).env("TIDEGATE_KEY_ID", &key.id);
    command.current_dir(&place).kill_on_drop(true);
    let output = tokio::time::timeout(effort.longest(), command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("no end after {:?}", effort.longest())).unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let log = program.log();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(program.is_running() && !log.contains("panicked"), "{log}");
    // The run did not end because its key did.
    admin.with(Some(&key.text)).get("/v1/management/customers").await.expect(200);
    told.split("= SUMMARY =").last().unwrap_or_default().to_owned()
}

async fn start(directory: &TempDir) -> (Program, String, Admin) {
    let (data, address) = (directory.path().join("data"), format!("127.0.0.1:{}", free_port()));
    let launch = Launch::of("tidegate").arg("dev").arg("--data").arg(data.display().to_string());
    let program = launch.arg("--listen").arg(&address).start(directory.path());
    let base = format!("http://{address}");
    let stranger = Client::new(&base, None);
    eventually(PATIENCE, || async {
        stranger.try_get("/healthz").await?.is(200).map_err(|told| format!("{told:?}\n{}", program.log()))
    })
    .await;
    let key = std::fs::read_to_string(data.join("admin.key")).unwrap();
    (program, base, Admin(stranger.with(Some(key.trim()))))
}

/// The configuration, and what exists for it to ask about.
async fn lay_out(place: &Path, admin: &Admin, stock: &Stock) {
    std::fs::create_dir(place).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis");
    for name in ["schemathesis.toml", "hooks.py"] {
        std::fs::copy(source.join(name), place.join(name)).unwrap();
    }
    let about = json!({ "fileName": "large.bin", "fileSize": 2 });
    let begun = admin.begin_upload(&stock.application, "9.0.0", about).await.expect(200).text("/uploadUrl");
    let url = format!("/v1/downloads/url?applicationId={}&version=latest", stock.application);
    let link = admin.with(Some(&stock.key.text)).get(&url).await.expect(200).text("/url");
    let segment = |url: &str, from_end: usize| url.rsplit('/').nth(from_end).unwrap().to_owned();
    let tenant = stock.key.text.split('.').next().unwrap().to_owned();
    let known: [(&str, &[&str]); 9] = [
        ("applications", &[&stock.application, "tidegate"]),
        ("versions", &["latest", &stock.version]),
        ("files", &[&stock.file_id]),
        ("names", &[&stock.file_name]),
        ("customers", &[&stock.customer, "sample-customer", "admin"]),
        ("keys", &[&stock.key.id]),
        ("links", &[&segment(&link, 1)]),
        ("tickets", &[&segment(&begun, 0)]),
        ("tenants", &[&tenant]),
    ];
    for (name, values) in known {
        let lines: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
        std::fs::write(place.join(format!("{name}.txt")), lines.join("\n")).unwrap();
    }
}

/// Where `cargo xtask test` installs it: in the target directory.
fn executable() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap();
    let path = target.join("schemathesis/bin/schemathesis");
    assert!(path.is_file(), "{} is missing: run `cargo xtask test`, which installs it", path.display());
    path
}
