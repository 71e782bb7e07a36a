//! The guides in `docs/`: every shell line of them, executed from the file as a reader would paste it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::ports::free_port;
use support::program::{Launch, Program};
use support::{Admin, Client, PATIENCE, content, eventually};

/// `tidegate dev`, as the guides take it for granted.
struct Dev {
    base: String,
    data: PathBuf,
    _program: Program,
}

impl Dev {
    async fn start(directory: &Path, name: &str, admin_key: Option<&str>) -> Self {
        let (data, port) = (directory.join(name), free_port());
        let launch = Launch::of("tidegate").arg("dev").arg("--data").arg(data.display().to_string());
        let launch = launch.arg("--listen").arg(format!("127.0.0.1:{port}"));
        let launch = admin_key.iter().fold(launch, |launch, key| launch.env("TIDEGATE_ADMIN_KEY", *key));
        let program = launch.start(directory);
        let base = format!("http://127.0.0.1:{port}");
        let client = Client::new(&base, None);
        eventually(PATIENCE, || async {
            client.try_get("/healthz").await?.is(200).map_err(|told| format!("{told:?}"))
        })
        .await;
        Self { base, data, _program: program }
    }

    fn admin(&self, key: &str) -> Admin {
        Admin(Client::new(&self.base, Some(key)))
    }
}

/// The shell blocks of a guide, in one script.
pub(super) fn script(guide: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join("docs").join(guide)).unwrap();
    let mut script = String::from("set -euo pipefail\n");
    let mut inside = false;
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => script.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    script
}

pub(super) fn paste(script: &str, directory: &Path) -> String {
    let mut shell = Command::new("bash");
    shell.args(["-c", script]).current_dir(directory).env_clear();
    shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = shell.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

#[tokio::test]
async fn ship_your_first_version() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(directory.path(), "tidegate-data", None).await;
    let script = script("first-download.md").replace("http://127.0.0.1:8080", &dev.base);
    let told = paste(&script, directory.path());
    assert!(dev.data.join("admin.key").exists());
    assert_eq!(told.matches("identical").count(), 2, "{told}");
    assert_eq!(told.matches("\"success\":false").count(), 1, "the key that was taken back: {told}");
    assert!(told.contains("key_disabled"), "{told}");
}

const OLD_KEY: &str = "14632221-b1b6-4eec-844a-39f60c7f1523.your-old-admin-secret";

/// A vendor at BinDist: what it has is made through the API that both speak.
async fn populate(old: &Dev) -> Vec<u8> {
    let vendor = old.admin(OLD_KEY);
    vendor.create_customer("cust_abc123", "Premium").await.expect(201);
    let application = json!({
        "applicationId": "My_App", "name": "My App", "tags": ["windows"], "customerIds": ["cust_abc123"], "imported": true,
    });
    vendor.post("/v1/management/applications", &application).await.expect(201);
    for (version, notes) in [("1.0.0", "First"), ("1.1.0", "Second")] {
        let fields = [("applicationId", "My_App"), ("version", version), ("releaseNotes", notes)];
        vendor.upload(&fields, "setup.exe", &content::bytes(version.len() as u64, 90_000)).await.expect(201);
    }
    let fields = [("applicationId", "My_App"), ("version", "1.1.0"), ("fileType", "DOCUMENTATION")];
    let manual = content::bytes(77, 1_000);
    vendor.upload(&fields, "manual.pdf", &manual).await.expect(201);
    manual
}

#[tokio::test]
async fn move_from_bindist() {
    let directory = tempfile::tempdir().unwrap();
    let old = Dev::start(directory.path(), "old", Some(OLD_KEY)).await;
    let manual = populate(&old).await;
    let new = Dev::start(directory.path(), "new", Some(OLD_KEY)).await;
    let secret = "an-old-secret-of-the-customers";
    std::fs::write(directory.path().join("keys.txt"), format!("cust_abc123 {secret}\n")).unwrap();
    // Both have the sample of `dev`, whose names are taken: only in a test is the old system one of ours.
    let sample = old.admin(OLD_KEY);
    sample.delete("/v1/management/applications/tidegate").await.expect(200);
    let script = script("move-from-bindist.md")
        .replace("https://api.bindist.eu", &old.base)
        .replace("http://127.0.0.1:8080", &new.base)
        .replace(".data.customers[]'", ".data.customers[] | select(.customerId != \"sample-customer\")'");
    let told = paste(&script, directory.path());
    assert_eq!(told.matches("file ").count(), 3, "{told}");
    assert!(told.ends_with("My_App\n"), "{told}");
    let customer = Client::new(&new.base, Some(secret));
    let versions = customer.get("/v1/applications/My_App/versions").await.expect(200);
    assert_eq!(versions.column("/versions", "releaseNotes"), ["Second", "First"]);
    let got = customer.get("/v1/download/My_App/1.1.0/manual.pdf").await.expect(200);
    assert!(got.body == manual, "other bytes");
}
