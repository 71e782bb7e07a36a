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
    /// Whether the key in the environment, if there is one, is this system's.
    pub(super) admin_key_fits: Option<bool>,
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
    let (admin_text, admin_from) = tell_admin_key(facts);
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

/// What is said of the admin key, and how a shell line gets it.
fn tell_admin_key(facts: &Facts<'_>) -> (String, String) {
    let file = facts.data.join("admin.key");
    let from_file = format!("$(cat {})", quoted(&file));
    match (facts.first_admin_key, facts.admin_key_fits) {
        (Some(key), _) => {
            let text = format!("Admin key (shown once; also in {}):\n\n  {}", file.display(), key.expose());
            (text, from_file)
        }
        (None, Some(true)) => {
            ("Admin key: yours, from TIDEGATE_ADMIN_KEY".to_owned(), "$TIDEGATE_ADMIN_KEY".to_owned())
        }
        (None, fits) => {
            let text = if file.exists() {
                format!("Admin key: in {}", file.display())
            } else {
                "Admin key: the one that this directory was made with".to_owned()
            };
            let note = "\n(TIDEGATE_ADMIN_KEY is another one: it counts only when the directory is new)";
            (format!("{text}{}", if fits == Some(false) { note } else { "" }), from_file)
        }
    }
}

/// For a POSIX shell, whatever the path holds.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}
