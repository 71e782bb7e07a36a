//! `tenants …` on the command line: the operator's way to make, look at, suspend and bound tenants.

use std::fmt::Write as _;

use clap::Subcommand;
use common::id::TenantId;
use common::runtime::clock::SystemClock;
use serde::Serialize;

use super::{Ended, print};
use crate::app::operator::{Account, Operator};
use crate::config::Config;
use crate::domain::tenant::Alter;

/// What there is to do with tenants.
#[derive(Subcommand, Debug)]
pub(super) enum Tenants {
    /// Make a tenant, and print its first admin key, once.
    Create {
        /// Its name, for people.
        name: String,
        /// Its id, as a vendor who moves here brings it along; random when absent.
        #[arg(long, value_name = "UUID")]
        id: Option<TenantId>,
        /// The most bytes that it may store.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=MOST_QUOTA))]
        quota_bytes: Option<u64>,
    },
    /// Show all tenants, oldest first.
    List {
        /// As a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Stop everything of a tenant: keys, sessions, links, uploads.
    Suspend {
        /// Which.
        id: TenantId,
    },
    /// Let a suspended tenant go on.
    Resume {
        /// Which.
        id: TenantId,
    },
    /// Bound what a tenant stores. What is there stays.
    Quota {
        /// Which.
        id: TenantId,
        /// The most bytes, or `none`.
        #[arg(value_name = "BYTES|none", value_parser = parse_quota)]
        quota: Quota,
    },
}

/// The largest number that the database keeps.
const MOST_QUOTA: u64 = i64::MAX as u64;

/// A quota as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota(Option<u64>);

fn parse_quota(text: &str) -> Result<Quota, String> {
    match text {
        "none" => Ok(Quota(None)),
        _ => match text.parse().ok().filter(|bytes| *bytes <= MOST_QUOTA) {
            Some(bytes) => Ok(Quota(Some(bytes))),
            None => Err("must be a number of bytes, or none".to_owned()),
        },
    }
}

/// Does it.
pub(super) async fn run(command: Tenants, config: Config) -> Ended {
    let operator = Operator::open(&config, &SystemClock).await?;
    let done = carry_out(command, &operator).await;
    operator.close().await;
    print(&done?)
}

/// Gives what is printed: after a change, the tenant as it is now.
async fn carry_out(command: Tenants, operator: &Operator<'_>) -> Result<String, Box<dyn std::error::Error>> {
    let (id, alter) = match command {
        Tenants::Create { name, id, quota_bytes } => {
            let founded = operator.create(name, id, quota_bytes).await?;
            return Ok(founded.admin_key.expose().to_owned());
        }
        Tenants::List { json } => {
            let accounts = operator.list().await?;
            return if json { render_json(&accounts) } else { Ok(render_table(&accounts)) };
        }
        Tenants::Suspend { id } => (id, Alter::Suspend),
        Tenants::Resume { id } => (id, Alter::Resume),
        Tenants::Quota { id, quota: Quota(bytes) } => (id, Alter::Quota(bytes)),
    };
    operator.alter(id, alter).await?;
    let all = operator.list().await?;
    let changed: Vec<Account> = all.into_iter().filter(|account| account.tenant.id == id).collect();
    Ok(render_table(&changed))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'a> {
    tenant_id: TenantId,
    name: &'a str,
    is_active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota_bytes: Option<u64>,
    used_bytes: u64,
    created_at: common::time::Timestamp,
}

fn render_json(accounts: &[Account]) -> Result<String, Box<dyn std::error::Error>> {
    let view = |account: &'_ Account| {
        let tenant = &account.tenant;
        serde_json::to_value(View {
            tenant_id: tenant.id,
            name: &tenant.name,
            is_active: tenant.is_active,
            quota_bytes: tenant.quota_bytes,
            used_bytes: account.used_bytes,
            created_at: tenant.created_at,
        })
    };
    let views = accounts.iter().map(view).collect::<Result<Vec<_>, _>>()?;
    Ok(serde_json::to_string_pretty(&views)?)
}

fn render_table(accounts: &[Account]) -> String {
    let mut text =
        format!("{:<36}  {:<9}  {:>16}  {:>16}  {:<24}  NAME", "TENANT", "STATE", "USED", "QUOTA", "CREATED");
    for Account { tenant, used_bytes } in accounts {
        let state = if tenant.is_active { "active" } else { "suspended" };
        let quota = tenant.quota_bytes.map_or_else(|| "none".to_owned(), |quota| quota.to_string());
        // A String takes whatever is written to it.
        let _ = write!(
            text,
            "\n{:<36}  {state:<9}  {used_bytes:>16}  {quota:>16}  {:<24}  {}",
            tenant.id.to_string(),
            tenant.created_at.to_string(),
            tenant.name
        );
    }
    text
}
