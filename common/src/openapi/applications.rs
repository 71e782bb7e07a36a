//! Applications and their versions: what customers list, and what the vendor does with them.

use serde_json::{Value, json};

use super::forms::{words, words_sent};
use super::operation::{Operation, yes_or_no};
use super::schema::{
    Field, answer, bounded, flag, line, list, list_or_commas, moment, moment_or_day, one_of, or_null,
    reference, request, says, text, whole,
};

const TAG: &str = "Applications";
const VERSIONS: &str = "Versions";

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("App", says(answer(app(), app_optional()), "An application.")),
        ("AppWithCustomers", answer([app(), vec![("customerIds", customer_ids())]].concat(), app_optional())),
        ("CustomerName", answer(vec![("customerId", reference("CustomerId")), ("name", line(200))], vec![])),
        ("NewApp", new_app()),
        ("AppChanges", app_changes()),
        ("DeletedApp", deleted()),
        ("Assignment", assignment()),
        ("Assigned", assigned()),
        (
            "Version",
            says(
                answer([version(), vec![size()]].concat(), version_optional()),
                "A version; size and checksum are of its main file.",
            ),
        ),
        ("ChangedVersion", changed_version()),
        ("VersionChanges", version_changes()),
        ("File", file()),
    ]
}

fn app() -> Vec<Field> {
    vec![
        ("applicationId", reference("ApplicationId")),
        ("name", line(200)),
        ("description", text(2_000)),
        ("tags", words()),
        ("isActive", says(flag(), "False: hidden from customers.")),
        ("createdAt", moment()),
        ("updatedAt", moment()),
    ]
}

fn app_optional() -> Vec<Field> {
    let customers = says(list(reference("CustomerName")), "Whom it is assigned to; told to admins.");
    vec![("latestVersion", reference("VersionName")), ("customers", customers)]
}

fn customer_ids() -> Value {
    list(reference("CustomerId"))
}

fn customer_ids_sent() -> Value {
    list_or_commas(reference("CustomerId"), 1_000)
}

fn new_app() -> Value {
    let own = vec![("imported", or_null(json!({ "const": false })))];
    let made_here = request(named("NewApplicationId"), [new_app_optional(), own].concat());
    let mark = vec![("imported", json!({ "const": true }))];
    let imported = request([named("ApplicationId"), mark].concat(), new_app_optional());
    says(json!({ "anyOf": [made_here, imported] }), "`imported: true` admits the wider ids of other systems.")
}

fn named(id: &str) -> Vec<Field> {
    vec![("applicationId", reference(id)), ("name", line(200))]
}

fn new_app_optional() -> Vec<Field> {
    vec![
        ("description", or_null(text(2_000))),
        ("tags", or_null(words_sent())),
        ("customerIds", says(or_null(customer_ids_sent()), "Who gets it; null and absent: nobody yet.")),
    ]
}

fn app_changes() -> Value {
    let optional = vec![
        ("name", line(200)),
        ("description", or_null(text(2_000))),
        ("tags", or_null(words_sent())),
        ("isActive", or_null(flag())),
        ("customerIds", or_null(customer_ids_sent())),
    ];
    request(vec![], optional)
}

fn deleted() -> Value {
    let message = vec![("message", line(200)), ("applicationId", reference("ApplicationId"))];
    answer(message, vec![("deletedAt", moment())])
}

fn assignment() -> Value {
    let optional = vec![
        ("addCustomerIds", or_null(customer_ids_sent())),
        ("removeCustomerIds", or_null(customer_ids_sent())),
    ];
    request(vec![], optional)
}

fn assigned() -> Value {
    let fields = vec![
        ("applicationId", reference("ApplicationId")),
        ("customerIds", customer_ids()),
        ("added", customer_ids()),
        ("removed", customer_ids()),
    ];
    answer(fields, vec![])
}

fn version() -> Vec<Field> {
    vec![
        ("versionId", reference("VersionId")),
        ("applicationId", reference("ApplicationId")),
        ("version", reference("VersionName")),
        ("channel", line(50)),
        ("isActive", says(flag(), "False: withdrawn (yanked).")),
        ("isEnabled", says(flag(), "False: a draft, shown through its channel alone.")),
        ("downloadCount", says(whole(0), "Whole files that were handed over.")),
        ("createdAt", moment()),
        ("updatedAt", moment()),
    ]
}

fn size() -> Field {
    ("fileSize", whole(0))
}

fn version_optional() -> Vec<Field> {
    vec![
        ("checksum", reference("Checksum")),
        ("releaseNotes", text(5_000)),
        ("requiredTier", reference("TierName")),
    ]
}

fn changed_version() -> Value {
    let required = [vec![("message", line(200))], version()].concat();
    answer(required, [vec![size()], version_optional()].concat())
}

fn version_changes() -> Value {
    let optional = vec![
        ("releaseNotes", or_null(text(5_000))),
        ("requiredTier", or_null(reference("TierName"))),
        ("channel", or_null(line(50))),
        ("isActive", or_null(flag())),
        ("isEnabled", or_null(flag())),
    ];
    request(vec![], optional)
}

fn file() -> Value {
    let required = vec![
        ("fileId", reference("FileId")),
        ("fileName", reference("FileName")),
        ("fileType", reference("FileType")),
        ("fileSize", whole(0)),
        ("checksum", reference("Checksum")),
        ("order", whole(0)),
    ];
    answer(required, vec![("description", text(2_000))])
}

pub(super) fn list_applications() -> Operation {
    let fields = vec![
        ("applications", list(reference("App"))),
        ("isAdmin", flag()),
        ("isFinancialAdmin", says(flag(), "The key has audit:read and backups:write.")),
        ("pagination", reference("More")),
    ];
    Operation::new(TAG, "List applications")
        .says("Customers see what is assigned to them, admins all that their key is not narrowed away from.")
        .query("search", json!({ "type": "string" }), "In name and description.")
        .query("tags", json!({ "type": "string" }), "Any of these, with commas.")
        .query("tag", json!({ "type": "string" }), "The same.")
        .query("isActive", yes_or_no(), "Only active ones, or only the others.")
        .query("sortBy", one_of(&["name", "createdAt", "updatedAt"]), "By name when absent.")
        .query("sortOrder", one_of(&["asc", "desc"]), "Ascending when absent.")
        .pages()
        .listed(answer(fields, vec![]))
        .spared()
}

pub(super) fn read_application() -> Operation {
    Operation::new(TAG, "Read an application").done(reference("App")).spared()
}

pub(super) fn create_application() -> Operation {
    Operation::new(TAG, "Create an application")
        .reads("NewApp")
        .created(reference("AppWithCustomers"))
        .refuses(&[409])
}

pub(super) fn change_application() -> Operation {
    Operation::new(TAG, "Change an application")
        .reads("AppChanges")
        .done(reference("AppWithCustomers"))
        .refuses(&[409])
}

pub(super) fn delete_application() -> Operation {
    Operation::new(TAG, "Delete an application")
        .says("Hidden everywhere at once; its bytes are kept, and it can be restored.")
        .done(reference("DeletedApp"))
}

pub(super) fn restore_application() -> Operation {
    Operation::new(TAG, "Restore a deleted application").done(reference("AppWithCustomers")).refuses(&[409])
}

pub(super) fn assign_customers() -> Operation {
    Operation::new(TAG, "Assign an application to customers").reads("Assignment").done(reference("Assigned"))
}

pub(super) fn list_versions() -> Operation {
    let fields = vec![
        ("applicationId", reference("ApplicationId")),
        ("versions", list(reference("Version"))),
        ("pagination", reference("More")),
    ];
    Operation::new(VERSIONS, "List versions")
        .says("Newest first by Semantic Versioning; whole unless a part is asked for. What the key may not download is not listed.")
        .query("changelog", json!({ "type": "string" }), "In the release notes.")
        .pages()
        .channel()
        .listed(answer(fields, vec![]))
        .spared()
}

pub(super) fn change_version() -> Operation {
    Operation::new(VERSIONS, "Change a version")
        .reads("VersionChanges")
        .done(reference("ChangedVersion"))
        .refuses(&[409])
}

pub(super) fn yank_version() -> Operation {
    Operation::new(VERSIONS, "Withdraw a version")
        .says("Nobody gets it any more; `isActive: true` brings it back.")
        .done(reference("ChangedVersion"))
}

pub(super) fn list_files() -> Operation {
    let fields = vec![
        ("applicationId", reference("ApplicationId")),
        ("version", reference("VersionName")),
        ("files", list(reference("File"))),
        ("pagination", reference("More")),
    ];
    Operation::new(VERSIONS, "List the files of a version")
        .pages()
        .channel()
        .listed(answer(fields, vec![]))
        .spared()
}

/// Numbers of an application: a customer's own, or all for admins.
pub(super) fn read_stats() -> Operation {
    let counts = |of| says(json!({ "type": "object", "additionalProperties": whole(1) }), of);
    let fields = vec![
        ("applicationId", reference("ApplicationId")),
        ("totalDownloads", whole(0)),
        ("uniqueCustomers", whole(0)),
        ("downloadsByVersion", counts("How many, by the version's name.")),
        ("downloadsByDate", counts("How many, by UTC day.")),
        ("recentDownloads", bounded(reference("RecentDownload"), 10)),
    ];
    Operation::new(TAG, "Read the numbers of an application")
        .says("Customers get their own numbers. A download counts when a whole file was handed over in one answer.")
        .query("version", reference("VersionWanted"), "Of this version alone.")
        .query("startDate", moment_or_day(), "From this moment or day.")
        .query("endDate", moment_or_day(), "To this moment or day.")
        .done(answer(fields, vec![("version", reference("VersionName"))]))
}
