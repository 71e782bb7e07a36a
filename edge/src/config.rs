//! The settings of an edge, as parsed types.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::bus::redis::RedisBus;
use common::mac::SHORTEST_SECRET;
use common::network::{Allowlist, is_loopback};
use common::runtime::settings::{Mistakes, Settings, parse_directory_url, parse_listen, parse_public_url};
use common::secret::Secret;
use common::tenancy::Tenancy;
use common::wire::seal::parse_public_keys;
use ed25519_dalek::VerifyingKey;

use crate::gate::Staleness;
use crate::listen::{Deadlines, Limits, Runtimes};
use crate::request::{Proxies, ProxyHeader};

/// Reports that wait for the bus, in MiB: some 400 000 transfers.
const REPORT_SPOOL_MIB: u64 = 256;
/// MiB of small files held in memory.
const HELD_FILES_MIB: u64 = 64;
/// Connections of one address: an office or a carrier behind one has some hundreds, a proxy of the vendor's own more.
const MOST_OF_ADDRESS: u32 = 4_096;

/// What an embedded edge is told by the control plane beside it.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// Where management requests go.
    pub control_plane: String,
    /// What links are signed with.
    pub edge_secrets: Vec<Secret>,
    /// Who speaks for the control plane.
    pub snapshot_key: VerifyingKey,
    /// What links start with.
    pub public_url: Option<String>,
    /// Where the operator looks at it.
    pub admin_listen: Option<SocketAddr>,
}

/// What a share link answers with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShareLinks {
    /// The bytes.
    Stream,
    /// 302 to a signed URL.
    Redirect,
}

/// Everything that an edge is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where customers reach it.
    pub listen: SocketAddr,
    /// Where the operator looks at it.
    pub admin_listen: Option<SocketAddr>,
    /// Redis.
    pub bus: Option<Secret>,
    /// The directory of the bytes.
    pub blobs: PathBuf,
    /// What links start with.
    pub public_url: Option<String>,
    /// Where management requests go.
    pub control_plane: Option<String>,
    /// What links are signed with, newest first.
    pub edge_secrets: Vec<Secret>,
    /// Who may speak for the control plane.
    pub snapshot_keys: Vec<VerifyingKey>,
    /// For how many vendors the system works.
    pub tenancy: Tenancy,
    /// The directory of the replica.
    pub cache: PathBuf,
    /// The most bytes of reports that wait in it for the bus.
    pub report_spool: u64,
    /// Its name in a fleet.
    pub edge_id: String,
    /// How much the listener takes on.
    pub limits: Limits,
    /// Keys held ready.
    pub hot_keys: u64,
    /// Applications held ready.
    pub hot_applications: u64,
    /// Bytes of small files held in memory; each open file counts for some of them.
    pub held_files: u64,
    /// Whether clear text may be sent from files without a copy.
    pub zero_copy: bool,
    /// Certificate chain and key, PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Who stands before it.
    pub proxies: Proxies,
    /// How an old replica is treated.
    pub staleness: Staleness,
    /// What share links answer with.
    pub share_links: ShareLinks,
}

impl Config {
    /// An edge beside its control plane, in one process: the same directories, no Redis.
    pub fn embedded(listen: SocketAddr, data: &Path, desk: Embedded) -> Self {
        Self {
            listen,
            admin_listen: desk.admin_listen,
            bus: None,
            blobs: data.join("blobs"),
            public_url: desk.public_url,
            control_plane: Some(desk.control_plane),
            edge_secrets: desk.edge_secrets,
            snapshot_keys: vec![desk.snapshot_key],
            tenancy: Tenancy::Single,
            cache: data.join("edge"),
            report_spool: REPORT_SPOOL_MIB << 20,
            edge_id: "embedded".to_owned(),
            limits: Limits {
                workers: cores(),
                runtimes: Runtimes::PerCore,
                most_connections: 10_000,
                most_of_address: MOST_OF_ADDRESS,
                deadlines: Deadlines::default(),
                drain: Duration::from_secs(10),
            },
            hot_keys: 100_000,
            hot_applications: 10_000,
            held_files: HELD_FILES_MIB << 20,
            zero_copy: true,
            tls: None,
            proxies: Proxies::default(),
            staleness: Staleness { most: Duration::from_secs(86_400), denies: false },
            share_links: ShareLinks::Stream,
        }
    }

    /// Reads the file, if one is named, and the environment. Also gives the settings in force, secrets masked.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn load(file: Option<&Path>) -> Result<(Self, String), Mistakes> {
        Self::read(Settings::load(file))
    }

    /// The same from settings that were read already.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn read(mut settings: Settings) -> Result<(Self, String), Mistakes> {
        let config = read(&mut settings);
        let printed = settings.finish()?;
        // Every absence was a mistake, and mistakes have ended this already.
        config
            .map(|config| (config, printed))
            .ok_or_else(|| Mistakes(vec!["settings are incomplete".to_owned()]))
    }
}

fn read(settings: &mut Settings) -> Option<Config> {
    let listen = settings.defaulted("listen", "127.0.0.1:8080", parse_listen);
    let admin_listen = settings.optional("admin_listen", parse_listen);
    let bus = settings.secret("bus");
    let blobs = settings.required(
        "blobs",
        "where the bytes lie, like file:///var/lib/tidegate/blobs",
        parse_directory_url,
    );
    let public_url = settings.optional("public_url", parse_public_url);
    let control_plane = settings.optional("control_plane", parse_public_url);
    let edge_secrets = read_edge_secrets(settings);
    let what = "the control plane's public keys (`tidegate-control-plane keys public` prints them)";
    let snapshot_keys = settings.required("snapshot_key", what, |text| {
        parse_public_keys(text)
            .ok_or_else(|| "must be keys of 64 hexadecimal digits, separated by commas".to_owned())
    });
    let cache =
        settings.required("cache", "a directory for the replica, like /var/cache/tidegate", parse_directory);
    let report_spool = settings
        .defaulted("report_spool_mib", &REPORT_SPOOL_MIB.to_string(), |text| parse_number(text, 1, 1 << 20));
    let edge_id = settings.optional("edge_id", parse_name);
    let tenancy =
        settings.defaulted("tenancy", "single", |text| text.parse().map_err(|e| format!("'{text}' {e}")));
    let limits = read_limits(settings);
    let hot_keys = settings.defaulted("hot_keys", "100000", |text| parse_number(text, 1, 100_000_000));
    let held_files = settings
        .defaulted("held_files_mib", &HELD_FILES_MIB.to_string(), |text| parse_number(text, 1, 1 << 20));
    let zero_copy = settings.defaulted("zero_copy", "on", parse_switch);
    let tls = read_tls(settings);
    let staleness = read_staleness(settings);
    let share_links = settings.defaulted("share_links", "stream", parse_share_links);
    let proxies = read_proxies(settings);
    match bus.as_ref().map(|url| RedisBus::new(url.expose())) {
        None => settings
            .mistake("TIDEGATE_BUS (bus) is missing: where changes come from, like redis://127.0.0.1:6379"),
        Some(Err(says)) => settings.mistake(format!("TIDEGATE_BUS (bus) {says}")),
        Some(Ok(_)) => {}
    }
    if let (Some(address), None) = (listen.filter(|l| !is_loopback(l.ip())), &public_url) {
        settings.mistake(format!(
            "TIDEGATE_PUBLIC_URL (public_url) is missing: {address} is not on loopback, and a Host header must not choose where links lead"
        ));
    }
    let listen = listen?;
    Some(Config {
        listen,
        admin_listen,
        bus,
        blobs: blobs?,
        public_url,
        control_plane,
        edge_secrets,
        snapshot_keys: snapshot_keys?,
        tenancy: tenancy?,
        cache: cache?,
        report_spool: report_spool? << 20,
        edge_id: edge_id.unwrap_or_else(|| format!("{}-{}", host_name(), listen.port())),
        limits: limits?,
        hot_keys: hot_keys?,
        hot_applications: 10_000,
        held_files: held_files? << 20,
        zero_copy: zero_copy?,
        tls,
        proxies: proxies?,
        staleness: staleness?,
        share_links: share_links?,
    })
}

fn read_edge_secrets(settings: &mut Settings) -> Vec<Secret> {
    let text = settings.secret("edge_secret");
    let secrets: Vec<Secret> = (text.iter().flat_map(|text| text.expose().split(',')))
        .map(|secret| Secret::new(secret.trim().to_owned()))
        .filter(|secret| !secret.expose().is_empty())
        .collect();
    if secrets.is_empty() {
        settings.mistake(
            "TIDEGATE_EDGE_SECRET (edge_secret) is missing: the content of DATA/keys/edge.secret of the control plane",
        );
    } else if secrets.iter().any(|secret| secret.expose().len() < SHORTEST_SECRET) {
        settings.mistake("TIDEGATE_EDGE_SECRET (edge_secret): each secret needs at least 16 characters");
    }
    secrets
}

fn read_limits(settings: &mut Settings) -> Option<Limits> {
    let workers = settings.defaulted("workers", &cores().to_string(), |text| parse_number(text, 1, 1_024));
    let runtimes = settings.defaulted("runtime", "per-core", |text| match text {
        "per-core" => Ok(Runtimes::PerCore),
        "multi-thread" => Ok(Runtimes::MultiThread),
        _ => Err(format!("'{text}' must be per-core or multi-thread")),
    });
    let most_connections =
        settings.defaulted("max_connections", "50000", |text| parse_number(text, 1, 1_000_000));
    let most_of_address = MOST_OF_ADDRESS.to_string();
    let most_of_address = settings
        .defaulted("max_connections_per_address", &most_of_address, |text| parse_number(text, 1, 1_000_000));
    let drain = settings.defaulted("drain_seconds", "30", |text| parse_number(text, 0, 86_400));
    Some(Limits {
        workers: usize::try_from(workers?).ok()?,
        runtimes: runtimes?,
        most_connections: usize::try_from(most_connections?).ok()?,
        most_of_address: u32::try_from(most_of_address?).ok()?,
        deadlines: Deadlines::default(),
        drain: Duration::from_secs(drain?),
    })
}

fn read_tls(settings: &mut Settings) -> Option<(PathBuf, PathBuf)> {
    let certificate = settings.optional("tls_cert", parse_readable);
    let key = settings.optional("tls_key", parse_readable);
    if certificate.is_some() != key.is_some() {
        settings.mistake("TIDEGATE_TLS_CERT and TIDEGATE_TLS_KEY belong together: set both or none");
    }
    certificate.zip(key)
}

fn read_staleness(settings: &mut Settings) -> Option<Staleness> {
    let most = settings.defaulted("max_staleness_seconds", "86400", |text| parse_number(text, 1, 31_536_000));
    let denies = settings.defaulted("stale_policy", "serve", |text| match text {
        "serve" => Ok(false),
        "deny" => Ok(true),
        _ => Err(format!("'{text}' must be serve or deny")),
    });
    Some(Staleness { most: Duration::from_secs(most?), denies: denies? })
}

fn read_proxies(settings: &mut Settings) -> Option<Proxies> {
    let trusted = settings.optional("trusted_proxies", |text| {
        let networks = Allowlist::parse([text]).map_err(|error| error.to_string())?;
        if networks.networks().iter().any(|network| network.prefix_len() == 0) {
            return Err("must not be everybody: who asks could then name any address as its own".to_owned());
        }
        Ok(networks)
    });
    let header = settings.optional("proxy_header", |text| match text {
        "x-forwarded-for" => Ok(ProxyHeader::XForwardedFor),
        "forwarded" => Ok(ProxyHeader::Forwarded),
        _ => Err(format!("'{text}' must be x-forwarded-for or forwarded")),
    });
    let announces = settings.defaulted("proxy_protocol", "off", |text| match text {
        "off" => Ok(false),
        "v2" => Ok(true),
        _ => Err(format!("'{text}' must be v2 or off")),
    });
    Some(Proxies { trusted: trusted.unwrap_or_default(), header, announces: announces? })
}

fn parse_share_links(text: &str) -> Result<ShareLinks, String> {
    match text {
        "stream" => Ok(ShareLinks::Stream),
        "redirect" => Ok(ShareLinks::Redirect),
        _ => Err(format!("'{text}' must be stream or redirect")),
    }
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("'{text}' must be on or off")),
    }
}

fn parse_directory(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("must be a path".to_owned()) } else { Ok(PathBuf::from(text)) }
}

fn parse_readable(text: &str) -> Result<PathBuf, String> {
    std::fs::File::open(text).map(|_| PathBuf::from(text)).map_err(|e| format!("cannot read {text}: {e}"))
}

fn parse_name(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    if matches!(text, "." | "..") {
        // Whoever writes a URL reads these as "here" and "up": such an edge could be neither looked at nor removed.
        return Err(format!("must not be '{text}', which cannot be named in the path of a URL"));
    }
    let fits = (1..=100).contains(&text.len()) && text.bytes().all(plain);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 100 characters of A-Z a-z 0-9 - _ . :".to_owned())
    }
}

fn parse_number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("'{text}' must be a number from {least} to {most}"))
}

/// As the kernel knows it; a machine without one is `edge`.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    parse_name(name.trim()).unwrap_or_else(|_| "edge".to_owned())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(set: &[(&str, &str)]) -> (Option<Proxies>, Vec<String>) {
        let environment = set.iter().map(|(name, value)| (format!("TIDEGATE_{name}"), (*value).to_owned()));
        let mut settings = Settings::from_parts("", environment);
        let proxies = read_proxies(&mut settings);
        (proxies, settings.finish().err().map_or(Vec::new(), |mistakes| mistakes.0))
    }

    #[test]
    fn proxies_are_trusted_only_where_the_operator_says_who_they_are() {
        let (none, _) = proxies(&[]);
        assert!(none.is_some_and(|proxies| proxies.trusted.networks().is_empty() && !proxies.announces));
        let networks = ("TRUSTED_PROXIES", "10.0.0.0/8, ::ffff:192.0.2.1,2001:db8::/48");
        let (all, _) = proxies(&[networks, ("PROXY_HEADER", "forwarded"), ("PROXY_PROTOCOL", "v2")]);
        let all = all.unwrap();
        assert_eq!(all.trusted.to_texts(), ["10.0.0.0/8", "192.0.2.1", "2001:db8::/48"]);
        assert_eq!((all.header, all.announces), (Some(ProxyHeader::Forwarded), true));
        for wrong in [
            ("TRUSTED_PROXIES", "10.0.0.0/8, proxy"),
            ("TRUSTED_PROXIES", "10.0.0.0/8, 0.0.0.0/0"),
            ("TRUSTED_PROXIES", "::/0"),
            ("PROXY_HEADER", "x-real-ip"),
            ("PROXY_PROTOCOL", "v1"),
        ] {
            let (_, mistakes) = proxies(&[wrong]);
            assert!(mistakes.len() == 1 && mistakes[0].contains(wrong.0), "{wrong:?}: {mistakes:?}");
        }
    }

    #[test]
    fn an_edge_has_a_name_that_can_stand_in_the_path_of_a_url() {
        for name in ["edge-1", "host.example:8080", "...", ".a", "a."] {
            assert_eq!(parse_name(name).as_deref(), Ok(name));
        }
        for wrong in [".", "..", "", "a/b", "a b", "%2e"] {
            assert!(parse_name(wrong).is_err(), "{wrong}");
        }
        let environment = [("TIDEGATE_EDGE_ID".to_owned(), "..".to_owned())];
        let mistakes = Config::read(Settings::from_parts("", environment)).unwrap_err().0;
        let says = mistakes.iter().find(|mistake| mistake.contains("EDGE_ID")).unwrap();
        assert!(says.contains("must not be '..'"), "{says}");
    }
}
