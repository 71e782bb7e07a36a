//! Customers and tiers.

use serde_json::Value;

use super::forms::{words, words_sent};
use super::operation::Operation;
use super::schema::{
    Field, answer, flag, line, list, moment, or_null, reference, request, says, text, whole, within,
};

const TAG: &str = "Customers";
const TIERS: &str = "Tiers";

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("Customer", customer()),
        ("NewCustomer", new_customer()),
        ("CustomerChanges", request(vec![], [vec![("name", line(200))], options()].concat())),
        ("Tier", tier()),
        ("TierSettings", tier_settings()),
    ]
}

fn customer() -> Value {
    let required = vec![
        ("customerId", reference("CustomerId")),
        ("name", line(200)),
        ("tier", reference("TierName")),
        ("channels", says(words(), "Draft channels that the customer may see.")),
        ("isActive", says(flag(), "False stops every key, session, link and running transfer.")),
        ("createdAt", moment()),
        ("updatedAt", moment()),
    ];
    let optional =
        vec![("notes", text(2_000)), ("email", text(320)), ("reference", text(200)), ("license", text(500))];
    answer(required, optional)
}

fn options() -> Vec<Field> {
    vec![
        ("tier", says(or_null(reference("TierName")), "Basic when null.")),
        ("channels", or_null(words_sent())),
        ("isActive", or_null(flag())),
        ("notes", or_null(text(2_000))),
        ("email", or_null(line(320))),
        ("reference", or_null(line(200))),
        ("license", or_null(text(500))),
    ]
}

fn new_customer() -> Value {
    let id = says(or_null(reference("CustomerId")), "Made when absent; `admin` is reserved.");
    request(vec![("name", line(200))], [vec![("customerId", id)], options()].concat())
}

fn tier() -> Value {
    let required = vec![("name", reference("TierName")), ("rank", within(0, 1_000_000))];
    let optional = vec![
        ("rateLimitRpm", says(whole(1), "Requests a minute; absent: unlimited.")),
        ("maxConcurrentDownloads", whole(1)),
        ("bytesPerSecond", whole(1)),
    ];
    says(answer(required, optional), "A plan; who has a higher rank gets the versions of all lower ones.")
}

fn tier_settings() -> Value {
    let optional = vec![
        ("rateLimitRpm", or_null(within(1, 4_294_967_295))),
        ("maxConcurrentDownloads", or_null(within(1, 1_000_000))),
        ("bytesPerSecond", or_null(within(1, 1_000_000_000_000))),
    ];
    request(vec![("rank", within(0, 1_000_000))], optional)
}

pub(super) fn list_customers() -> Operation {
    let fields = vec![("customers", list(reference("Customer"))), ("pagination", reference("More"))];
    Operation::new(TAG, "List customers")
        .says("By name; whole unless a part is asked for.")
        .pages()
        .listed(answer(fields, vec![]))
}

pub(super) fn create_customer() -> Operation {
    Operation::new(TAG, "Create a customer")
        .reads("NewCustomer")
        .created(reference("Customer"))
        .refuses(&[409])
}

pub(super) fn read_customer() -> Operation {
    Operation::new(TAG, "Read a customer").done(reference("Customer"))
}

pub(super) fn change_customer() -> Operation {
    Operation::new(TAG, "Change a customer")
        .reads("CustomerChanges")
        .done(reference("Customer"))
        .refuses(&[409])
}

pub(super) fn list_tiers() -> Operation {
    Operation::new(TIERS, "List tiers")
        .says("The lowest rank first, always whole.")
        .done(answer(vec![("tiers", list(reference("Tier")))], vec![]))
}

pub(super) fn read_tier() -> Operation {
    Operation::new(TIERS, "Read a tier").done(reference("Tier"))
}

pub(super) fn put_tier() -> Operation {
    Operation::new(TIERS, "Create or replace a tier")
        .reads("TierSettings")
        .done(reference("Tier"))
        .created(reference("Tier"))
        .refuses(&[409])
}
