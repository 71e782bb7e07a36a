//! Tiers: a vendor's plans, ranked; what they allow changes for all their customers at once.

use common::limit::RequestsPerMinute;
use common::tier::{Tier, TierName};
use common::wire::address::Address;

use super::change::{Change, Decision, Facts, Noun};
use super::{Context, Faults, Refusal};

/// The most tiers of a tenant: an edge looks through them for every version.
pub const MOST_TIERS: usize = 100;
const HIGHEST_RANK: u64 = 1_000_000;
const MOST_DOWNLOADS: u64 = 1_000_000;
/// A terabyte: more than any edge sends.
const MOST_BYTES: u64 = 1_000_000_000_000;

/// The fields of PUT as they come: what is absent is unlimited.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// 0 to 1 000 000; higher sees more.
    pub rank: Option<u64>,
    /// Requests in 60 seconds of keys that have no limit of their own, from 1.
    pub rate_limit_rpm: Option<u64>,
    /// Transfers at the same time, from 1.
    pub max_concurrent_downloads: Option<u64>,
    /// Bytes per second of all transfers on an edge, from 1.
    pub bytes_per_second: Option<u64>,
}

/// The command: a tier as it is from now on.
#[derive(Clone, Debug)]
pub struct Put(Tier);

impl Put {
    /// Reads the command; `name` is the path's.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(name: &str, fields: Fields) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let name = faults.required("name", Some(name), str::parse::<TierName>);
        let rank = faults.required("rank", fields.rank, whole::<u32>(0, HIGHEST_RANK));
        let most = u64::from(u32::MAX);
        let rate_limit = faults.optional("rateLimitRpm", fields.rate_limit_rpm, whole::<u32>(1, most));
        let downloads = whole::<u32>(1, MOST_DOWNLOADS);
        let max_concurrent_downloads =
            faults.optional("maxConcurrentDownloads", fields.max_concurrent_downloads, downloads);
        let bytes_per_second =
            faults.optional("bytesPerSecond", fields.bytes_per_second, whole::<u64>(1, MOST_BYTES));
        let (Some(name), Some(rank)) = (name, rank) else { return Err(faults.refuse()) };
        faults.check()?;
        let rate_limit = rate_limit.and_then(RequestsPerMinute::new);
        Ok(Self(Tier { name, rank, rate_limit, max_concurrent_downloads, bytes_per_second }))
    }
}

fn whole<T: TryFrom<u64>>(least: u64, most: u64) -> impl Fn(u64) -> Result<T, String> {
    move |number| {
        let fits = Some(number).filter(|number| (least..=most).contains(number));
        let or_null = if least > 0 { ", or null for unlimited" } else { "" };
        let says = || format!("must be a whole number from {least} to {most}{or_null}");
        fits.and_then(|number| number.try_into().ok()).ok_or_else(says)
    }
}

/// A tier as it was left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// The tier.
    pub tier: Tier,
    /// True when there was none of that name.
    pub is_new: bool,
}

/// Decides on a tier; `tiers` are all of the tenant. A name that is there keeps its spelling.
///
/// # Errors
/// When there are too many already.
pub fn put(command: Put, tiers: &[Tier], context: &Context) -> Result<Decision<Placed>, Refusal> {
    let Put(mut tier) = command;
    let before = find(&tier.name, tiers);
    if before.is_none() && tiers.len() >= MOST_TIERS {
        return Err(Refusal::TooManyTiers { most: MOST_TIERS });
    }
    if let Some(before) = before {
        tier.name = before.name.clone();
    }
    let mut change = Change::default();
    if before != Some(&tier) {
        let address = Address::Tier(context.tenant, tier.name.clone());
        let action = if before.is_some() { "tier.change" } else { "tier.create" };
        let sides = (before.map(describe).unwrap_or_default(), describe(&tier));
        change.audit(context, action, address.to_string(), sides);
        // No denial, even when rights become narrower: it would name the tier and not the right, and the record that
        // says which travels just as fast.
        change.announce(address, false);
        let noun = Noun::Tier(context.tenant, tier.clone());
        if before.is_some() { change.update(noun) } else { change.insert(noun) }
    }
    let is_new = before.is_none();
    Ok(Decision { change, outcome: Placed { tier, is_new } })
}

/// The tier of that name, whatever its case.
#[must_use]
pub fn find<'t>(name: &TierName, tiers: &'t [Tier]) -> Option<&'t Tier> {
    tiers.iter().find(|tier| tier.name.as_str().eq_ignore_ascii_case(name.as_str()))
}

fn describe(tier: &Tier) -> Facts {
    let mut facts = vec![("rank", tier.rank.to_string())];
    facts.extend(tier.rate_limit.map(|limit| ("rateLimitRpm", limit.get().to_string())));
    facts.extend(tier.max_concurrent_downloads.map(|most| ("maxConcurrentDownloads", most.to_string())));
    facts.extend(tier.bytes_per_second.map(|most| ("bytesPerSecond", most.to_string())));
    facts
}
