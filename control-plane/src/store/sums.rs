//! Reports added up, so that a transaction writes each row once. Pure.

use std::collections::BTreeMap;

use common::id::{ApplicationId, CustomerId, KeyId, TenantId, VersionName};
use common::time::Timestamp;

use super::activity::{Amount, Intake, Span};

/// The length of a day, in milliseconds.
pub(super) const DAY: i64 = 86_400_000;

/// Whole downloads of one day: tenant, application, version, the day's beginning, customer.
pub(super) type Day = (TenantId, ApplicationId, VersionName, Timestamp, Option<CustomerId>);
/// A key of a tenant.
pub(super) type OfKey = (TenantId, KeyId);
/// A key's span of time, by its beginning.
pub(super) type Slot = (OfKey, Span, Timestamp);

/// What reports come to.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) days: BTreeMap<Day, u64>,
    pub(super) last_used: BTreeMap<OfKey, Timestamp>,
    pub(super) usage: BTreeMap<(Slot, Option<ApplicationId>), Amount>,
    pub(super) refusals: BTreeMap<(Slot, String), u64>,
}

impl Sums {
    pub(super) fn of(intakes: &[&Intake]) -> Self {
        let mut sums = Self::default();
        for intake in intakes {
            sums.add(intake);
        }
        sums
    }

    fn add(&mut self, intake: &Intake) {
        for download in &intake.downloads {
            let activity = &download.activity;
            if let Some(key) = &activity.key {
                self.touch((activity.tenant, key.clone()), activity.at);
            }
            if download.counts {
                let day = floor(activity.at, DAY);
                let (application, version) = (activity.application.clone(), activity.version.clone());
                let of = (activity.tenant, application, version, day, activity.customer.clone());
                *self.days.entry(of).or_default() += 1;
            }
        }
        for used in &intake.usage {
            let key = (used.tenant, used.key.clone());
            self.touch(key.clone(), used.minute);
            for span in [Span::Minute, Span::Hour] {
                let slot = (key.clone(), span, floor(used.minute, millis(span)));
                let amount = self.usage.entry((slot.clone(), used.application.clone())).or_default();
                amount.requests = amount.requests.saturating_add(used.requests);
                amount.bytes = amount.bytes.saturating_add(used.bytes);
                for (reason, count) in &used.refused {
                    amount.errors = amount.errors.saturating_add(*count);
                    let refusals = self.refusals.entry((slot.clone(), reason.clone())).or_default();
                    *refusals = refusals.saturating_add(*count);
                }
            }
        }
    }

    fn touch(&mut self, key: OfKey, at: Timestamp) {
        let last = self.last_used.entry(key).or_insert(at);
        *last = at.max(*last);
    }
}

/// A span's length in milliseconds.
pub(super) fn millis(span: Span) -> i64 {
    i64::try_from(span.length().as_millis()).unwrap_or(i64::MAX)
}

/// The last whole multiple of `length` up to a moment.
pub(super) fn floor(at: Timestamp, length: i64) -> Timestamp {
    Timestamp::from_millis(at.millis() - at.millis().rem_euclid(length))
}
