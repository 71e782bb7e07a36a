//! The rules, as a vendor meets them.

mod catalog;
mod keys;
mod restore;
mod sessions;
mod tiers;

use common::id::{CustomerId, KeyId};
use common::scope::Scopes;
use common::tier;
use common::time::Timestamp;
use common::wire::address::Address;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::customer::{self, Customer};
use super::{Actor, Change, Context, Edit, Refusal};

const TENANT: &str = "14632221-b1b6-4eec-844a-39f60c7f1523";
const NOW: i64 = 1_700_000_000_000;

fn context() -> Context {
    let actor = Actor {
        key: Some("key_admin".parse::<KeyId>().unwrap()),
        scopes: Scopes::full(),
        applications: None,
        limits: super::Limits::default(),
        address: Some("203.0.113.9".parse().unwrap()),
        request_id: "request-1".to_owned(),
    };
    Context { tenant: TENANT.parse().unwrap(), actor, now: Timestamp::from_millis(NOW) }
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn set(text: &str) -> Edit<String> {
    Edit::Set(text.to_owned())
}

/// The fields that a refusal names, when it is about fields.
fn fields_of(refusal: &Refusal) -> Vec<&'static str> {
    match refusal {
        Refusal::Invalid(faults) => faults.iter().map(|fault| fault.field).collect(),
        _ => vec![],
    }
}

/// What a change announces, and whether it takes rights away.
fn told(change: &Change) -> Vec<(String, bool)> {
    let prefix = format!("{TENANT}/");
    let text = |address: &Address| address.to_string().replace(&prefix, "");
    change.announcements.iter().map(|told| (text(&told.address), told.denies)).collect()
}

fn customer(id: &str, name: &str) -> Customer {
    let fields = customer::Fields { name: some(name), ..customer::Fields::default() };
    let command = customer::Create::parse(some(id), fields).unwrap();
    customer::create(command, None, &tier::defaults(), &context(), &mut rng()).unwrap().outcome
}

fn changed(before: &Customer, fields: customer::Fields) -> Result<(Customer, Change), Refusal> {
    let command = customer::Patch::parse(before.policy.id.clone(), fields)?;
    let decision = customer::patch(command, Some(before.clone()), &tier::defaults(), &context())?;
    Ok((decision.outcome, decision.change))
}

#[test]
fn every_fault_of_a_customer_is_told_at_once() {
    let fields = customer::Fields {
        name: some(" "),
        tier: set("no tier!"),
        channels: Edit::Set(vec!["x".repeat(51)]),
        notes: set(&"x".repeat(2_001)),
        email: set(&"x".repeat(321)),
        reference: set(&"x".repeat(201)),
        license: set(&"x".repeat(501)),
        is_active: None,
    };
    let refusal = customer::Create::parse(some("a b"), fields).unwrap_err();
    let all = ["customerId", "name", "tier", "channels", "notes", "email", "reference", "license"];
    assert_eq!(fields_of(&refusal), all);
    let refusal = customer::Create::parse(None, customer::Fields::default()).unwrap_err();
    assert_eq!(refusal.to_string(), "name: is required");
}

#[test]
fn a_customers_id_is_its_own_and_admin_is_the_vendors() {
    let made = customer("c1", "  One  ");
    assert_eq!(
        (made.name.as_str(), made.policy.tier.as_str(), made.policy.is_active),
        ("One", "Basic", true)
    );
    let fields = || customer::Fields { name: some("One"), ..customer::Fields::default() };
    let again = customer::Create::parse(some("c1"), fields()).unwrap();
    let refused = customer::create(again, Some(&made), &[], &context(), &mut rng());
    assert_eq!(refused.unwrap_err(), Refusal::DuplicateCustomer("c1".parse().unwrap()));
    let admin: CustomerId = "admin".parse().unwrap();
    assert_eq!(
        customer::Create::parse(some("admin"), fields()).unwrap_err(),
        Refusal::ReservedCustomer(admin)
    );
    let unnamed = customer::Create::parse(None, fields()).unwrap();
    let made = customer::create(unnamed, None, &[], &context(), &mut rng()).unwrap().outcome;
    assert!(made.policy.id.as_str().starts_with("cust_"));
}

#[test]
fn a_tier_is_one_of_the_tenants_in_its_own_spelling() {
    let before = customer("c1", "One");
    let tier = |name: &str| {
        let fields = customer::Fields { tier: set(name), ..customer::Fields::default() };
        changed(&before, fields).map(|(customer, _)| customer.policy.tier.to_string())
    };
    assert_eq!(tier("premium").as_deref(), Ok("Premium"));
    assert_eq!(tier("Standard").as_deref(), Ok("Basic"));
    let refusal = tier("Gold").unwrap_err();
    assert_eq!(refusal.to_string(), "There is no tier 'Gold': choose one of Basic, Premium, Enterprise");
}

#[test]
fn only_the_end_of_a_customers_rights_is_told_as_a_denial() {
    let active = customer("c1", "One");
    let state = |is_active| customer::Fields { is_active: Some(is_active), ..customer::Fields::default() };
    let (inactive, change) = changed(&active, state(false)).unwrap();
    assert_eq!(told(&change), [("customer:c1".to_owned(), true)]);
    assert_eq!(told(&changed(&inactive, state(true)).unwrap().1), [("customer:c1".to_owned(), false)]);
    assert!(changed(&active, state(true)).unwrap().1.is_empty(), "nothing changes, nothing is written");
}

#[test]
fn null_clears_a_field_and_absence_keeps_it() {
    let fields = customer::Fields { notes: set("old"), email: set("a@b.c"), ..customer::Fields::default() };
    let (before, _) = changed(&customer("c1", "One"), fields).unwrap();
    let fields = customer::Fields { notes: Edit::Clear, ..customer::Fields::default() };
    let (after, change) = changed(&before, fields).unwrap();
    assert_eq!((after.notes, after.email.as_deref()), (None, Some("a@b.c")));
    let entry = &change.audit[0];
    assert_eq!(
        (entry.before.as_slice(), entry.after.as_slice()),
        (&[("notes", "old".to_owned())][..], &[][..])
    );
    assert_eq!(entry.actor, context().actor);
}
