//! What the desk is told at start: parsed once, plain data afterwards.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::id::{CustomerId, InvalidId, TenantId};
use common::key::{Owner, Presented};
use common::mac::SHORTEST_SECRET;
use common::network::is_loopback;
use common::runtime::settings::{
    Mistakes, Settings, parse_directory_url, parse_flag, parse_listen, parse_public_url,
};
use common::secret::Secret;
use common::tenancy::Tenancy;

use crate::backup::make::Automatic;
use crate::ingest::Keeping;

/// Everything that the desk can be told. `tidegate dev` builds it in code.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the API is served.
    pub listen: SocketAddr,
    /// Where health and metrics are served, to ourselves alone.
    pub admin_listen: Option<SocketAddr>,
    /// The URL of the bus. It may hold a password.
    pub bus: Option<Secret>,
    /// The directory that bytes lie in.
    pub blobs: PathBuf,
    /// What links start with; without it, what the request was sent to (on loopback only).
    pub public_url: Option<String>,
    /// The file of the SQLite database.
    pub database: PathBuf,
    /// The directory of keys, and of the first admin key.
    pub data: PathBuf,
    /// The first admin key, for a new tenant.
    pub admin_key: Option<Secret>,
    /// Shared with the edges, the first signs; empty: the one in the data directory.
    pub edge_secrets: Vec<Secret>,
    /// For how many vendors the system works.
    pub tenancy: Tenancy,
    /// The first tenant; without it a random one.
    pub tenant_id: Option<TenantId>,
    /// Uploaded versions start disabled.
    pub draft_by_default: bool,
    /// Customer ids that stand for the vendor itself, beside `admin`.
    pub admin_aliases: Vec<CustomerId>,
    /// How often sessions whose time has been over for long are swept.
    pub session_sweep: Duration,
    /// How often what uploads left behind is removed.
    pub upload_sweep_every: Duration,
    /// How often backups are made by themselves, and how long those are kept.
    pub backups: Automatic,
    /// For how long what happened is kept, and how often counts are told.
    pub keeping: Keeping,
}

/// Where no setting says how often spent sessions are swept.
const SESSION_SWEEP: Duration = Duration::from_secs(60);

/// What the settings are read for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    /// To serve: everything must be there.
    Serve,
    /// To look after keys and tenants, which needs no bus.
    Keys,
}

impl Config {
    /// A system in one process that keeps everything below `data`. The settings may name the first tenant and its key,
    /// the edge secret, the public URL, and whether versions start as drafts.
    pub fn embedded(data: PathBuf, listen: SocketAddr, settings: &mut Settings) -> Self {
        let named =
            settings.optional("tenant_id", |text| text.parse::<TenantId>().map_err(|e| e.to_string()));
        let (admin_key, tenant_id) = admin_key(settings, named);
        Self {
            listen,
            admin_listen: None,
            bus: None,
            blobs: data.join("blobs"),
            public_url: settings.optional("public_url", parse_public_url),
            database: data.join("tidegate.db"),
            data,
            admin_key,
            edge_secrets: edge_secrets(settings),
            tenancy: Tenancy::Single,
            tenant_id,
            draft_by_default: settings.optional("draft_by_default", parse_flag).unwrap_or(false),
            admin_aliases: settings.optional("admin_aliases", parse_aliases).unwrap_or_default(),
            session_sweep: SESSION_SWEEP,
            upload_sweep_every: Duration::from_secs(300),
            backups: Automatic::default(),
            keeping: Keeping::default(),
        }
    }

    /// Reads the file, if one is named, and the environment. Also gives the settings in force, secrets masked.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn load(file: Option<&Path>, task: Task) -> Result<(Self, String), Mistakes> {
        Self::read(Settings::load(file), task)
    }

    /// The same from settings that were read already.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn read(mut settings: Settings, task: Task) -> Result<(Self, String), Mistakes> {
        let config = parse(&mut settings, task);
        let effective = settings.finish()?;
        // `parse` gives nothing only where it has noted a mistake.
        let config = config.ok_or_else(|| Mistakes(vec!["the settings are incomplete".to_owned()]))?;
        Ok((config, effective))
    }
}

fn parse(settings: &mut Settings, task: Task) -> Option<Config> {
    let listen = settings.defaulted("listen", "127.0.0.1:8081", parse_listen);
    let admin_listen = settings.optional("admin_listen", parse_listen);
    let public_url = settings.optional("public_url", parse_public_url);
    if public_url.is_none() && listen.is_some_and(|address| !is_loopback(address.ip())) {
        settings.mistake(
            "TIDEGATE_PUBLIC_URL (public_url) is missing: beyond loopback a request must not choose where links lead",
        );
    }
    let bus = bus(settings, task);
    let data = settings.defaulted("data", "tidegate-data", parse_directory)?;
    let blobs =
        settings.defaulted("blobs", &format!("file://{}", data.join("blobs").display()), parse_directory_url);
    let database = settings.defaulted(
        "database",
        &format!("sqlite://{}", data.join("tidegate.db").display()),
        parse_database,
    );
    let tenancy = settings.defaulted("tenancy", "single", parse_tenancy);
    let named = settings.optional("tenant_id", |text| text.parse::<TenantId>().map_err(|e| e.to_string()));
    let (admin_key, tenant_id) = admin_key(settings, named);
    if tenancy == Some(Tenancy::Multi) && (admin_key.is_some() || named.is_some()) {
        settings.mistake("TIDEGATE_ADMIN_KEY and TIDEGATE_TENANT_ID belong to a system of one tenant: where there are several, make each with `tidegate-control-plane tenants create`");
    }
    let edge_secrets = edge_secrets(settings);
    let draft_by_default = settings.defaulted("draft_by_default", "false", parse_flag);
    let admin_aliases = settings.optional("admin_aliases", parse_aliases).unwrap_or_default();
    let session_sweep = settings.defaulted("session_sweep_seconds", "60", parse_sweep);
    let upload_sweep_every = settings.defaulted("upload_sweep_seconds", "300", parse_seconds);
    let backups = backups(settings);
    let keeping = keeping(settings);
    Some(Config {
        listen: listen?,
        admin_listen,
        bus,
        blobs: blobs?,
        public_url,
        database: database?,
        data,
        admin_key,
        edge_secrets,
        tenancy: tenancy?,
        tenant_id,
        draft_by_default: draft_by_default?,
        admin_aliases,
        session_sweep: session_sweep?,
        upload_sweep_every: upload_sweep_every?,
        backups: backups?,
        keeping: keeping?,
    })
}

fn bus(settings: &mut Settings, task: Task) -> Option<Secret> {
    let bus = settings.secret("bus");
    match bus.as_ref().map(|url| url.expose().split_once("://").map(|(scheme, _)| scheme)) {
        None if task == Task::Keys => {}
        None => {
            settings.mistake("TIDEGATE_BUS (bus) is missing: say where Redis is, like redis://127.0.0.1:6379")
        }
        Some(Some("redis" | "rediss")) => {}
        Some(_) => {
            settings.mistake("TIDEGATE_BUS (bus): must be a URL that begins with redis:// or rediss://")
        }
    }
    bus
}

/// The first admin key may name its tenant, as it does where it was used before.
fn admin_key(settings: &mut Settings, named: Option<TenantId>) -> (Option<Secret>, Option<TenantId>) {
    let Some(key) = settings.secret("admin_key") else { return (None, named) };
    let Some(presented) = Presented::parse(key.expose()) else {
        settings.mistake("TIDEGATE_ADMIN_KEY (admin_key): a key is at least 20 visible characters, perhaps after its tenant's id and a dot");
        return (None, named);
    };
    let tenant = match (presented.owner, named) {
        (Owner::Tenant(tenant), Some(other)) if tenant != other => {
            settings.mistake(
                "TIDEGATE_ADMIN_KEY (admin_key) and TIDEGATE_TENANT_ID (tenant_id) name different tenants",
            );
            named
        }
        (Owner::Tenant(tenant), _) => Some(tenant),
        (Owner::Nobody, named) => named,
        (Owner::Customer(_), named) => {
            settings.mistake(
                "TIDEGATE_ADMIN_KEY (admin_key): what stands before the dot must be a tenant's UUID",
            );
            named
        }
    };
    let secret = match key.expose().split_once('.') {
        Some((_, secret)) => Secret::new(secret.to_owned()),
        None => key,
    };
    (Some(secret), tenant)
}

fn edge_secrets(settings: &mut Settings) -> Vec<Secret> {
    let Some(list) = settings.secret("edge_secret") else { return Vec::new() };
    let texts = list.expose().split(',').map(str::trim).filter(|text| !text.is_empty());
    let secrets: Vec<Secret> = texts.map(|text| Secret::new(text.to_owned())).collect();
    if secrets.iter().any(|secret| secret.expose().len() < SHORTEST_SECRET) {
        settings.mistake("TIDEGATE_EDGE_SECRET (edge_secret): each secret needs at least 16 characters");
    }
    secrets
}

fn parse_sweep(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=3_600).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| format!("'{text}' must be 1 to 3600 seconds"))
}

/// How often backups are made, in hours, and for how many days they are kept.
fn backups(settings: &mut Settings) -> Option<Automatic> {
    let hours = settings.defaulted("backup_every_hours", "24", |text| parse_number(text, 0, 8_760));
    let days = settings.defaulted("backup_keep_days", "30", |text| parse_number(text, 1, 3_650));
    let every = hours?;
    Some(Automatic {
        every: (every > 0).then(|| Duration::from_secs(every * 3_600)),
        keep: Duration::from_secs(days? * 86_400),
    })
}

/// How long things are kept, in days, and how often counts are told.
fn keeping(settings: &mut Settings) -> Option<Keeping> {
    const DAY: u64 = 86_400;
    let activity = settings.defaulted("activity_days", "400", |text| parse_number(text, 1, 36_500));
    let minutes = settings.defaulted("usage_minute_days", "7", |text| parse_number(text, 1, 366));
    let every = settings.defaulted("count_interval_seconds", "60", |text| parse_number(text, 1, 86_400));
    Some(Keeping {
        activity: Duration::from_secs(activity? * DAY),
        minutes: Duration::from_secs(minutes? * DAY),
        tell_every: Duration::from_secs(every?),
    })
}

fn parse_number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("'{text}' must be a number from {least} to {most}"))
}

fn parse_directory(text: &str) -> Result<PathBuf, String> {
    std::path::absolute(text).map_err(|e| format!("'{text}' is no path: {e}"))
}

fn parse_database(text: &str) -> Result<PathBuf, String> {
    match text.split_once("://") {
        Some(("sqlite", path)) if path.starts_with('/') => Ok(path.into()),
        Some(("postgres" | "postgresql", _)) => {
            Err("this release keeps the truth in SQLite (sqlite:///path); PostgreSQL is not supported yet"
                .to_owned())
        }
        // The text is not repeated: it may hold a password.
        _ => Err("must name an absolute file, like sqlite:///var/lib/tidegate/tidegate.db".to_owned()),
    }
}

fn parse_aliases(text: &str) -> Result<Vec<CustomerId>, String> {
    let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    ids.map(|id| id.parse().map_err(|says: InvalidId| format!("'{id}': {says}"))).collect()
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=86_400).contains(seconds));
    let seconds = seconds.ok_or_else(|| format!("'{text}' must be a number from 1 to 86400"))?;
    Ok(Duration::from_secs(seconds))
}

fn parse_tenancy(text: &str) -> Result<Tenancy, String> {
    text.parse().map_err(|says| format!("'{text}' {says}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<(Config, String), Mistakes> {
        Config::read(Settings::from_parts(toml, []), Task::Serve)
    }

    #[test]
    fn everything_has_a_default_but_the_bus() {
        let (config, effective) = read("bus = 'redis://:hush@h'\ndata = '/d'").unwrap();
        assert_eq!(config.database, Path::new("/d/tidegate.db"));
        insta::assert_snapshot!(effective, @r#"
        listen = "127.0.0.1:8081"
        bus = "(secret)"
        data = "/d"
        blobs = "file:///d/blobs"
        database = "sqlite:///d/tidegate.db"
        tenancy = "single"
        draft_by_default = "false"
        session_sweep_seconds = "60"
        upload_sweep_seconds = "300"
        backup_every_hours = "24"
        backup_keep_days = "30"
        activity_days = "400"
        usage_minute_days = "7"
        count_interval_seconds = "60"
        "#);
    }

    #[test]
    fn every_mistake_is_told_and_what_is_not_built_is_named() {
        let toml = "listen = '0.0.0.0:1'\nblobs = 's3://bucket/x'\ndatabase = 'postgres://u:hush@h/d'\ntenancy = 'several'\ntenant_id = 'x'\nadmin_key = 'short'\nedge_secret = 'short'\ndraft_by_default = 'maybe'\nadmin_aliases = 'vendor, a/b'\nsession_sweep_seconds = 0\nactivity_days = 0";
        insta::assert_snapshot!(read(toml).unwrap_err(), @r"
        the settings have 12 mistake(s):
        - TIDEGATE_PUBLIC_URL (public_url) is missing: beyond loopback a request must not choose where links lead
        - TIDEGATE_BUS (bus) is missing: say where Redis is, like redis://127.0.0.1:6379
        - TIDEGATE_BLOBS (blobs): this release keeps bytes in a directory (file:///dir); 's3' is not supported yet
        - TIDEGATE_DATABASE (database): this release keeps the truth in SQLite (sqlite:///path); PostgreSQL is not supported yet
        - TIDEGATE_TENANCY (tenancy): 'several' must be single or multi
        - TIDEGATE_TENANT_ID (tenant_id): a tenant id is a UUID
        - TIDEGATE_ADMIN_KEY (admin_key): a key is at least 20 visible characters, perhaps after its tenant's id and a dot
        - TIDEGATE_EDGE_SECRET (edge_secret): each secret needs at least 16 characters
        - TIDEGATE_DRAFT_BY_DEFAULT (draft_by_default): 'maybe' must be true or false
        - TIDEGATE_ADMIN_ALIASES (admin_aliases): 'a/b': a customerId is 1 to 100 characters of A-Z a-z 0-9 _ -
        - TIDEGATE_SESSION_SWEEP_SECONDS (session_sweep_seconds): '0' must be 1 to 3600 seconds
        - TIDEGATE_ACTIVITY_DAYS (activity_days): '0' must be a number from 1 to 36500
        ");
    }

    #[test]
    fn what_makes_the_first_tenant_has_no_place_among_several() {
        let (config, _) = read("bus = 'redis://h'\ntenancy = 'multi'").unwrap();
        assert_eq!(config.tenancy, Tenancy::Multi);
        for first in
            ["tenant_id = '14632221-b1b6-4eec-844a-39f60c7f1523'", "admin_key = 'an-imported-secret-of-old'"]
        {
            let mistakes = read(&format!("bus = 'redis://h'\ntenancy = 'multi'\n{first}")).unwrap_err();
            assert!(mistakes.to_string().contains("tenants create"), "{mistakes}");
        }
    }

    #[test]
    fn an_admin_key_brings_its_tenant_along() {
        let key = "14632221-b1b6-4eec-844a-39f60c7f1523.an-imported-secret-of-old";
        let (config, _) = read(&format!("bus = 'redis://h'\nadmin_key = '{key}'")).unwrap();
        assert_eq!(config.tenant_id.unwrap().to_string(), "14632221-b1b6-4eec-844a-39f60c7f1523");
        assert_eq!(config.admin_key.unwrap().expose(), "an-imported-secret-of-old");
    }
}
