//! What a newcomer sees: where it runs, the admin key once, and lines to paste.

use std::net::SocketAddr;
use std::path::Path;

use common::secret::Secret;

use super::sample::{APPLICATION, FILE, Sample, VERSION};

/// What is told.
pub(super) struct Facts<'a> {
    pub(super) address: SocketAddr,
    pub(super) data: &'a Path,
    pub(super) first_admin_key: Option<&'a Secret>,
    /// The key was brought along in the environment, so no file holds it.
    pub(super) brought_key: bool,
    pub(super) sample: &'a Sample,
}

/// Prints it. The keys in it are the newcomer's own, on the newcomer's own terminal.
#[expect(clippy::print_stdout, reason = "a command talks to who started it")]
pub(super) fn print(facts: &Facts<'_>) {
    println!("{}", render(facts));
}

fn render(facts: &Facts<'_>) -> String {
    let base = format!("http://{}", facts.address);
    let auth = format!("-H 'Authorization: Bearer {}'", facts.sample.key.expose());
    let file = format!("{base}/v1/download/{APPLICATION}/{VERSION}/{FILE}");
    let (admin_text, admin_from) = if facts.brought_key {
        ("Admin key: yours, from TIDEGATE_ADMIN_KEY".to_owned(), "$TIDEGATE_ADMIN_KEY".to_owned())
    } else {
        (tell_admin_key(facts), format!("$(cat '{}')", facts.data.join("admin.key").display()))
    };
    let checksum = match &facts.sample.checksum {
        Some(checksum) => format!("\n  # SHA-256 {checksum}"),
        None => String::new(),
    };
    format!(
        "Tidegate runs at {base}, data in {data}. Ctrl-C stops it.

{admin_text}

The sample is this program itself, shipped to a sample customer. In another terminal:

  # what this customer may have
  curl {auth} {base}/v1/applications

  # the whole file{checksum}
  curl {auth} -o tidegate-copy {file}
  sha256sum tidegate-copy

  # its first 16 bytes
  curl {auth} -r 0-15 {file} | od -c

  # cut after a megabyte, then resumed
  head -c 1000000 tidegate-copy > tidegate-resumed
  curl {auth} -C - -o tidegate-resumed {file}
  cmp tidegate-copy tidegate-resumed && echo identical

  # as the vendor
  curl -H \"Authorization: Bearer {admin_from}\" {base}/v1/management/customers
",
        data = facts.data.display(),
    )
}

fn tell_admin_key(facts: &Facts<'_>) -> String {
    let file = facts.data.join("admin.key");
    match facts.first_admin_key {
        Some(key) => format!("Admin key (shown once; also in {}):\n\n  {}", file.display(), key.expose()),
        None => format!("Admin key: in {}", file.display()),
    }
}
