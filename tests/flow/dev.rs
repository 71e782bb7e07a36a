//! `tidegate dev` as a newcomer meets it: one command, lines to paste, stopped and started again.

use std::path::Path;
use std::process::{Command, Output};

use support::ports::free_port;
use support::program::{Launch, Program};
use support::{Client, PATIENCE, eventually, tools};

fn launch(data: &Path, port: u16) -> Launch {
    Launch::of("tidegate")
        .arg("dev")
        .arg("--data")
        .arg(data.display().to_string())
        .arg("--listen")
        .arg(format!("127.0.0.1:{port}"))
}

async fn healthy(port: u16) -> Client {
    let client = Client::new(&format!("http://127.0.0.1:{port}"), None);
    eventually(PATIENCE, || async {
        client.try_get("/healthz").await?.is(200).map_err(|told| format!("{told:?}"))
    })
    .await;
    client
}

/// What it prints once it can be reached; `from` is where that begins in its output.
async fn greeting(program: &Program, from: usize) -> String {
    let whole = || async {
        let printed = program.log()[from..].to_owned();
        if printed.contains("as the vendor") { Ok(printed) } else { Err(printed) }
    };
    eventually(PATIENCE, whole).await
}

/// The shell lines of a greeting, pasted one after the other.
fn paste(greeting: &str, directory: &Path) -> Output {
    let command =
        |line: &&str| ["curl", "sha256sum", "head", "cmp"].iter().any(|word| line.starts_with(word));
    let lines: Vec<&str> = greeting.lines().map(str::trim_start).filter(command).collect();
    assert_eq!(lines.len(), 8, "{greeting}");
    let mut shell = Command::new("bash");
    shell.args(["-e", "-c", &lines.join("\n")]).current_dir(directory).env_clear();
    shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    shell.output().unwrap()
}

fn executable() -> std::path::PathBuf {
    std::env::current_exe().unwrap().parent().and_then(Path::parent).unwrap().join("tidegate")
}

async fn stopped(program: &mut Program) {
    program.interrupt();
    assert_eq!(program.ended().await.code(), Some(0), "{}", program.log());
}

#[tokio::test]
async fn the_printed_lines_work_when_pasted_at_the_first_start_and_at_the_next() {
    let directory = tempfile::tempdir().unwrap();
    // A name that a shell would trip over when it is not quoted.
    let (data, port) = (directory.path().join("the vendor's data"), free_port());
    let mut program = launch(&data, port).start(directory.path());
    healthy(port).await;
    let first = greeting(&program, 0).await;
    let admin_key = std::fs::read_to_string(data.join("admin.key")).unwrap();
    assert!(first.contains(admin_key.trim()), "shown once");
    let pasted = paste(&first, directory.path());
    let told = String::from_utf8_lossy(&pasted.stdout).into_owned();
    assert!(pasted.status.success(), "{told}{}", String::from_utf8_lossy(&pasted.stderr));
    let checksum = tools::sha256sum(&executable()).await;
    for expected in ["\"applicationId\":\"tidegate\"", checksum.as_str(), "identical", "sample-customer"] {
        assert!(told.contains(expected), "{expected} is not in {told}");
    }
    stopped(&mut program).await;

    let before = program.log().len();
    program.start();
    healthy(port).await;
    let again = greeting(&program, before).await;
    assert!(!again.contains(admin_key.trim()), "not shown again: {again}");
    assert!(paste(&again, directory.path()).status.success(), "{again}");
    stopped(&mut program).await;
}

#[tokio::test]
async fn whoever_connects_early_finds_everything_there() {
    let directory = tempfile::tempdir().unwrap();
    let (data, port) = (directory.path().join("data"), free_port());
    let _program = launch(&data, port).start(directory.path());
    let client = healthy(port).await;
    // No second look: the first answer of /healthz was the promise.
    let key = std::fs::read_to_string(data.join("sample.key")).unwrap();
    client.with(Some(key.trim())).get("/v1/applications/tidegate").await.expect(200);
    let admin = std::fs::read_to_string(data.join("admin.key")).unwrap();
    client.with(Some(admin.trim())).get("/v1/management/customers").await.expect(200);
}

#[tokio::test]
async fn a_key_that_is_brought_along_is_the_admin_key_and_is_not_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let (data, port) = (directory.path().join("data"), free_port());
    let key = "an-admin-key-of-the-vendors-own";
    let _program = launch(&data, port).env("TIDEGATE_ADMIN_KEY", key).start(directory.path());
    let client = healthy(port).await;
    client.with(Some(key)).get("/v1/management/customers").await.expect(200);
    assert!(!data.join("admin.key").exists());
}

#[tokio::test]
async fn a_taken_port_or_directory_is_told_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let (data, port) = (directory.path().join("data"), free_port());
    let _program = launch(&data, port).start(directory.path());
    healthy(port).await;
    let refused = |data: &Path, port: u16| {
        let output = launch(data, port).output();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let told = refused(&data, free_port());
    assert!(told.contains("another tidegate dev uses"), "{told}");
    let other = directory.path().join("other");
    let told = refused(&other, port);
    assert!(told.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{told}");
    assert!(!other.join("admin.key").exists(), "its key would have been shown to nobody");
}
