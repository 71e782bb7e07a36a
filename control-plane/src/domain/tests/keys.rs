//! Keys: who may make them, what can be set, when they end.

use common::id::CustomerId;

use common::key::{Digests, Kind, digest_of};
use common::scope::{Scope, Scopes};
use common::tier;
use common::time::Timestamp;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::super::key::{self, Fields, ForCustomer, ForCustomerFacts, Key, KeyFacts, NewKey};
use super::super::tenant::Alter;
use super::super::{Context, Decision, Edit, Noun, Refusal, Row, tenant};
use super::{NOW, context, customer, fields_of, rng, set, some, told};

const HOUR: i64 = 3_600_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn of_customer(fields: Fields) -> Result<NewKey, Refusal> {
    let command = key::Create::parse(None, some("c1"), fields, context().now)?;
    let facts = KeyFacts { customer: Some(customer("c1", "One")), unknown_applications: vec![] };
    Ok(key::create(command, facts, &context(), &mut rng())?.outcome)
}

fn of_admin(fields: Fields, context: &Context) -> Result<NewKey, Refusal> {
    let command = key::Create::parse(some("admin"), None, fields, context.now)?;
    Ok(key::create(command, KeyFacts::default(), context, &mut rng())?.outcome)
}

fn with_scopes(scopes: &[&str]) -> Fields {
    Fields { scopes: Edit::Set(scopes.iter().map(|s| (*s).to_owned()).collect()), ..Fields::default() }
}

fn acting_with(scopes: &[Scope]) -> Context {
    let mut context = context();
    context.actor.scopes = scopes.iter().copied().collect();
    context
}

fn patched(before: &Key, fields: Fields, context: &Context) -> Result<Decision<Key>, Refusal> {
    key::patch(key::Patch::parse(before.policy.id.clone(), fields)?, Some(before.clone()), vec![], context)
}

#[test]
fn a_customers_key_is_plain_unless_more_is_said() {
    let NewKey { key, secret, .. } = of_customer(Fields::default()).unwrap();
    assert_eq!((key.name.as_str(), key.policy.kind), ("One", Kind::Customer));
    assert_eq!(key.policy.scopes, Scopes::customer());
    assert_eq!(key.digests, Digests::of(digest_of(&secret)));
    assert!(secret.expose().starts_with("tg_cus_") && key.works(context().now));
    let fields = Fields {
        secret: None,
        name: set("CI"),
        description: set("for builds"),
        scopes: Edit::Set(vec!["downloads:read".to_owned()]),
        rate_limit_rpm: Edit::Set(7),
        ip_allowlist: Edit::Set(vec!["10.1.2.3/8".to_owned(), "::ffff:1.2.3.4, 2001:DB8::1".to_owned()]),
        application_ids: Edit::Set(vec!["tool".to_owned(), "tool".to_owned()]),
        channels: Edit::Set(vec!["Beta".to_owned(), "beta".to_owned()]),
        expires_at: set("2099-01-01T01:00:00+01:00"),
        is_enabled: Some(false),
        preset: None,
    };
    let key = of_customer(fields).unwrap().key;
    assert_eq!(key.policy.allowlist.to_texts(), ["10.0.0.0/8", "1.2.3.4", "2001:db8::1"]);
    assert_eq!(key.policy.channels, ["Beta"]);
    assert_eq!(key.policy.applications.unwrap().len(), 1);
    assert_eq!(key.policy.expires_at.unwrap().to_string(), "2099-01-01T00:00:00.000Z");
    assert!(!key.policy.is_enabled);
}

#[test]
fn every_fault_of_a_key_is_told_at_once() {
    let fields = Fields {
        secret: None,
        name: set(""),
        description: set(&"x".repeat(2_001)),
        scopes: Edit::Set(vec!["root".to_owned()]),
        preset: some("everything"),
        rate_limit_rpm: Edit::Set(0),
        ip_allowlist: Edit::Set(vec!["1.2.3".to_owned()]),
        application_ids: Edit::Set(vec!["a/b".to_owned()]),
        channels: Edit::Set(vec![String::new()]),
        expires_at: set("tomorrow"),
        is_enabled: None,
    };
    let refusal = key::Create::parse(some("robot"), some("c 1"), fields, context().now).unwrap_err();
    let mut faults = fields_of(&refusal);
    faults.sort_unstable();
    faults.dedup();
    let all = [
        "applicationIds",
        "channels",
        "customerId",
        "description",
        "expiresAt",
        "ipAllowlist",
        "kind",
        "name",
    ];
    assert_eq!(faults[..8], all);
    assert_eq!(faults[8..], ["preset", "rateLimitRpm", "scopes"]);
    let dead = Fields { expires_at: set("2020-01-01T00:00:00Z"), ..Fields::default() };
    assert_eq!(fields_of(&of_customer(dead).unwrap_err()), ["expiresAt"]);
    let nobodys = key::Create::parse(some("customer"), None, Fields::default(), context().now).unwrap_err();
    assert_eq!(fields_of(&nobodys), ["customerId"]);
}

#[test]
fn nobody_hands_on_more_than_he_has() {
    let keeper = acting_with(&[Scope::KeysWrite, Scope::KeysRead]);
    let refusal = of_admin(Fields { preset: some("full"), ..Fields::default() }, &keeper).unwrap_err();
    assert!(matches!(refusal, Refusal::ScopesNotOwned(scopes) if scopes.len() == Scope::ALL.len() - 2));
    let refusal = of_admin(with_scopes(&["keys:read", "audit:read"]), &keeper).unwrap_err();
    assert_eq!(refusal, Refusal::ScopesNotOwned(vec![Scope::AuditRead]));
    assert_eq!(of_admin(Fields::default(), &keeper).unwrap().key.policy.scopes, keeper.actor.scopes);
    let refusal = of_customer(with_scopes(&["downloads:read", "keys:write"])).unwrap_err();
    assert_eq!(refusal, Refusal::ScopesNotForCustomers(vec![Scope::KeysWrite]));
    assert!(fields_of(&of_customer(with_scopes(&[])).unwrap_err()) == ["scopes"]);
}

#[test]
fn a_key_that_is_narrowed_to_applications_makes_none_that_is_wider() {
    let mut narrowed = context();
    narrowed.actor.applications = Some(vec!["my-app".parse().unwrap()]);
    let given = |ids: &[&str]| {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        of_admin(Fields { application_ids: Edit::Set(ids), ..Fields::default() }, &narrowed).map(|_| ())
    };
    let refused = Err(Refusal::ApplicationsNotOwned(vec!["my-app".parse().unwrap()]));
    assert_eq!(given(&["my-app"]), Ok(()));
    assert_eq!(given(&["my-app", "other-app"]), refused);
    assert_eq!(of_admin(Fields::default(), &narrowed).map(|_| ()), refused);
    let wide = of_admin(Fields::default(), &context()).unwrap().key;
    assert_eq!(key::delete(&wide.policy.id.clone(), Some(wide), &narrowed).map(|_| ()), refused);
    let customers = of_customer(Fields::default()).unwrap().key;
    let (id, taken) = (customers.policy.id.clone(), Some(customers));
    assert_eq!(key::regenerate(&id, taken.clone(), &narrowed, &mut rng()).map(|_| ()), refused);
    assert_eq!(key::delete(&id, taken, &narrowed).map(|_| ()), refused);
}

#[test]
fn a_mightier_key_is_out_of_reach() {
    let mighty = of_admin(Fields::default(), &context()).unwrap().key;
    let (id, keeper) = (mighty.policy.id.clone(), acting_with(&[Scope::KeysWrite]));
    let outcomes = [
        patched(&mighty, with_scopes(&["keys:write"]), &keeper).err(),
        key::delete(&id, Some(mighty.clone()), &keeper).err(),
        key::regenerate(&id, Some(mighty), &keeper, &mut rng()).err(),
    ];
    for outcome in outcomes {
        assert!(matches!(outcome, Some(Refusal::ScopesNotOwned(_))), "{outcome:?}");
    }
}

#[test]
fn a_key_of_another_tenant_or_a_deleted_one_does_not_exist() {
    let key = of_customer(Fields::default()).unwrap().key;
    let id = key.policy.id.clone();
    let mut elsewhere = context();
    elsewhere.tenant = "24632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap();
    let unknown = Refusal::UnknownKey(id.clone());
    assert_eq!(key::delete(&id, Some(key.clone()), &elsewhere).unwrap_err(), unknown);
    assert_eq!(key::delete(&id, None, &context()).unwrap_err(), unknown);
    let gone = key::delete(&id, Some(key), &context()).unwrap();
    assert_eq!(told(&gone.change), [(format!("key:{id}"), true)]);
    assert_eq!(key::delete(&id, Some(gone.outcome), &context()).unwrap_err(), unknown);
}

#[test]
fn a_key_narrows_itself_and_another_one_lifts_its_limits() {
    let limits = Fields {
        rate_limit_rpm: Edit::Set(7),
        ip_allowlist: Edit::Set(vec!["10.0.0.0/8, ::1".to_owned()]),
        expires_at: set("2099-01-01T00:00:00Z"),
        ..Fields::default()
    };
    let key = of_admin(limits, &context()).unwrap().key;
    let mut itself = context();
    itself.actor.key = Some(key.policy.id.clone());
    let addresses =
        |text: &str| Fields { ip_allowlist: Edit::Set(vec![text.to_owned()]), ..Fields::default() };
    for wider in [
        Fields { rate_limit_rpm: Edit::Set(8), ..Fields::default() },
        Fields { rate_limit_rpm: Edit::Clear, ..Fields::default() },
        Fields { expires_at: set("2099-01-01T00:00:01Z"), ..Fields::default() },
        Fields { expires_at: Edit::Clear, ..Fields::default() },
        Fields { ip_allowlist: Edit::Clear, ..Fields::default() },
        addresses("10.0.0.0/7"),
        addresses("10.1.2.3, 11.0.0.1"),
    ] {
        assert_eq!(patched(&key, wider.clone(), &itself).map(|_| ()), Err(Refusal::OwnKey), "{wider:?}");
        assert!(patched(&key, wider, &context()).is_ok());
    }
    for narrower in [
        Fields { rate_limit_rpm: Edit::Set(6), ..Fields::default() },
        Fields { expires_at: set("2098-01-01T00:00:00Z"), ..Fields::default() },
        Fields { name: set("Other"), ..Fields::default() },
        addresses("10.1.0.0/16, 10.9.9.9"),
    ] {
        assert!(patched(&key, narrower.clone(), &itself).is_ok(), "{narrower:?}");
    }
}

#[test]
fn what_ends_a_key_is_told_as_a_denial() {
    let key = of_customer(Fields::default()).unwrap().key;
    let check = |fields: Fields, denies: bool| {
        let decision = patched(&key, fields, &context()).unwrap();
        assert_eq!(decision.change.announcements[0].denies, denies, "{:?}", decision.outcome);
    };
    check(Fields { is_enabled: Some(false), ..Fields::default() }, true);
    check(Fields { expires_at: set("2020-01-01T00:00:00Z"), ..Fields::default() }, true);
    check(Fields { expires_at: set("2099-01-01T00:00:00Z"), ..Fields::default() }, false);
    check(Fields { name: set("Other"), ..Fields::default() }, false);
    assert!(patched(&key, Fields::default(), &context()).unwrap().change.is_empty());
}

#[test]
fn a_new_secret_kills_the_old_one_and_changes_nothing_else() {
    let NewKey { key: before, secret: old, .. } = of_customer(Fields::default()).unwrap();
    let mut later = context();
    later.now = at(NOW + 1);
    let mut other = StdRng::seed_from_u64(2);
    let decision = key::regenerate(&before.policy.id, Some(before.clone()), &later, &mut other).unwrap();
    assert!(decision.change.announcements[0].denies);
    let NewKey { key: after, secret, .. } = decision.outcome;
    assert_ne!(secret.expose(), old.expose());
    assert_eq!(after.digests, Digests::of(digest_of(&secret)));
    assert_eq!(Key { digests: before.digests, updated_at: before.updated_at, ..after }, before);
    assert!(!format!("{:?}", decision.change).contains(secret.expose()));
}

/// What the command leads to: names of actions, or the refusal.
fn for_customer(
    id: &str,
    name: Option<&str>,
    tier: Option<&str>,
    known: bool,
) -> Result<Vec<&'static str>, Refusal> {
    let (name, tier) = (name.map(str::to_owned), tier.map(str::to_owned));
    let id: Option<CustomerId> = Some(id).filter(|id| *id != "admin").map(|id| id.parse().unwrap());
    let existing = id.as_ref().filter(|_| known).map(|id| customer(id.as_str(), "One"));
    let command = ForCustomer::parse(
        id,
        super::super::key::About { name, tier, notes: None },
        Fields::default(),
        &context(),
    )?;
    let facts =
        ForCustomerFacts { customer: existing, tiers: tier::defaults(), unknown_applications: vec![] };
    let decision = key::create_for_customer(command, facts, &context(), &mut rng())?;
    let owner = decision.outcome.key.policy.customer.clone();
    assert_eq!(owner, decision.outcome.customer.map(|customer| customer.policy.id));
    Ok(decision.change.audit.iter().map(|entry| entry.action).collect())
}

#[test]
fn a_key_for_a_customer_makes_or_changes_the_customer_as_it_says() {
    let new = Ok(vec!["customer.create", "key.create"]);
    assert_eq!(for_customer("c1", Some("One"), None, false), new);
    assert_eq!(for_customer("admin", Some("One"), Some("premium"), false), new);
    assert_eq!(for_customer("c1", None, None, false), Err(Refusal::UnknownCustomer("c1".parse().unwrap())));
    assert_eq!(for_customer("admin", None, None, false), new);
    for name in [None, Some("One"), Some(" One ")] {
        assert_eq!(for_customer("c1", name, Some("Standard"), true), Ok(vec!["key.create"]), "{name:?}");
    }
    assert_eq!(for_customer("c1", None, Some("Premium"), true), Ok(vec!["customer.change", "key.create"]));
    assert!(matches!(for_customer("c1", Some("Two"), None, true), Err(Refusal::NameTaken { .. })));
    assert!(matches!(for_customer("c1", None, Some("Gold"), true), Err(Refusal::UnknownTier { .. })));
}

#[test]
fn a_tenant_begins_with_tiers_and_an_admin_key() {
    let command = tenant::Found::parse("Acme".to_owned(), None).unwrap();
    let decision = tenant::found(command, None, &context(), &mut rng()).unwrap();
    let inserted =
        decision.change.rows.iter().filter(|row| matches!(row, Row::Insert(Noun::Tier(..)))).count();
    assert_eq!((inserted, decision.change.announcements.len()), (3, 5));
    assert_eq!(decision.outcome.key.policy.scopes, Scopes::full());
    let short = common::secret::Secret::new("too-short".to_owned());
    assert_eq!(fields_of(&tenant::Found::parse("Acme".to_owned(), Some(short)).unwrap_err()), ["secret"]);
}

#[test]
fn a_tenant_is_suspended_resumed_and_bounded_and_what_is_so_already_changes_nothing() {
    let command = tenant::Found::parse("Acme".to_owned(), None).unwrap().with_quota(Some(10));
    let founded = tenant::found(command, None, &context(), &mut rng()).unwrap();
    let Some(Row::Insert(Noun::Tenant(mut tenant))) = founded.change.rows.first().cloned() else { panic!() };
    assert_eq!(tenant.quota_bytes, Some(10));
    let steps = [
        (Alter::Resume, None),
        (Alter::Suspend, Some(("tenant.suspend", vec![true]))),
        (Alter::Suspend, None),
        (Alter::Resume, Some(("tenant.resume", vec![false]))),
        (Alter::Quota(Some(10)), None),
        // Edges know of no quota.
        (Alter::Quota(None), Some(("tenant.quota", vec![]))),
    ];
    for (command, expected) in steps {
        let decision = tenant::alter(command, Some(tenant), &context()).unwrap();
        let denials = decision.change.announcements.iter().map(|told| told.denies).collect();
        let told = decision.change.audit.first().map(|line| (line.action, denials));
        assert_eq!((told, decision.change.is_empty()), (expected.clone(), expected.is_none()), "{command:?}");
        tenant = decision.outcome;
    }
    assert!(matches!(tenant::alter(Alter::Suspend, None, &context()), Err(Refusal::UnknownTenant(_))));
}

proptest! {
    #[test]
    fn an_expired_key_never_works_again(end in 1i64..48, wanted in proptest::option::of(1i64..96), later in 0i64..96) {
        let mut key = of_customer(Fields::default()).unwrap().key;
        key.policy.expires_at = Some(at(NOW + end * HOUR));
        let mut context = context();
        context.now = at(NOW + later * HOUR);
        let expires_at = wanted.map_or(Edit::Clear, |hours| Edit::Set(at(NOW + hours * HOUR).to_string()));
        let outcome = patched(&key, Fields { expires_at, ..Fields::default() }, &context);
        if later < end {
            let after = outcome.unwrap().outcome;
            prop_assert_eq!(after.works(context.now), wanted.is_none_or(|hours| hours > later));
        } else {
            match outcome {
                Ok(decision) => prop_assert!(!decision.outcome.works(context.now)),
                Err(refusal) => prop_assert_eq!(refusal, Refusal::ExpiredKeyCannotBeExtended),
            }
        }
    }
}
