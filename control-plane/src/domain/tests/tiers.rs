//! Tiers, and applications that are changed.

use common::tier;

use super::super::application::{self, Application, AssignFacts, Patch, PatchFields};
use super::super::tier::{Fields, Put, put};
use super::*;

#[test]
fn a_tier_that_is_as_asked_for_is_not_written_again() {
    let fields = |rank| Fields { rank: Some(rank), rate_limit_rpm: Some(100), ..Fields::default() };
    let decide =
        |name, rank| put(Put::parse(name, fields(rank)).unwrap(), &tier::defaults(), &context()).unwrap();
    let same = decide("STANDARD", 10);
    assert!(same.change.is_empty() && !same.outcome.is_new);
    let other = decide("basic", 11);
    assert_eq!(
        told(&other.change),
        [(format!("tier:{TENANT}/Basic").replace(&format!("{TENANT}/"), ""), false)]
    );
    let entry = &other.change.audit[0];
    assert_eq!((entry.action, entry.before.len(), entry.after.len()), ("tier.change", 1, 1));
    let new = decide("Gold", 11);
    assert_eq!((new.change.audit[0].action, new.outcome.is_new), ("tier.create", true));
}

fn application() -> Application {
    let fields = application::Fields {
        application_id: some("tool"),
        name: some("Tool"),
        ..application::Fields::default()
    };
    let command = application::Create::parse(fields).unwrap();
    application::create(command, None, vec![], &context()).unwrap().outcome
}

#[test]
fn hiding_an_application_is_a_denial_and_showing_it_again_is_none() {
    let decide = |before: &Application, fields| {
        let facts = AssignFacts {
            application: Some(before.clone()),
            assigned: vec!["c1".parse().unwrap(), "c2".parse().unwrap()],
            unknown: vec![],
        };
        application::patch(Patch::parse(before.facts.id.clone(), fields).unwrap(), facts, &context()).unwrap()
    };
    let active = |is_active| PatchFields { is_active: Some(is_active), ..PatchFields::default() };
    let before = application();
    let hidden = decide(&before, active(false));
    assert_eq!(told(&hidden.change), [("application:tool".to_owned(), true)]);
    let shown = decide(&hidden.outcome.application, active(true));
    assert_eq!(told(&shown.change), [("application:tool".to_owned(), false)]);
    assert!(decide(&before, active(true)).change.is_empty());
    let customers = PatchFields {
        customer_ids: Edit::Set(vec!["c2".to_owned(), "c3".to_owned()]),
        ..PatchFields::default()
    };
    let assigned = decide(&before, customers);
    assert_eq!(
        told(&assigned.change),
        [("customer:c3".to_owned(), false), ("customer:c1".to_owned(), false)]
    );
    assert_eq!(assigned.change.audit[0].action, "application.assign");

    let deleted = application::delete(&before.facts.id, Some(before.clone()), &context()).unwrap().outcome;
    let restore = |existing: &Application| {
        application::restore(&before.facts.id, Some(existing.clone()), vec![], &context()).unwrap()
    };
    assert_eq!(told(&restore(&deleted).change), [("application:tool".to_owned(), false)]);
    assert!(restore(&before).change.is_empty());
}
