//! Applications, versions, files and uploads.

use std::time::Duration;

use common::catalog::FileType;
use common::digest::Digest;
use common::id::CustomerId;
use common::tier;
use common::time::Timestamp;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::super::application::{self, Application, Assign, AssignFacts};
use super::super::quota::Usage;
use super::super::tenant::Tenant;
use super::super::upload::{
    self, Begin, Complete, CompleteFacts, CompleteFields, LIFETIME, Progress, REMEMBERED, Upload,
};
use super::super::version::{
    self, AddFile, Added, FileFacts, FileFields, Patch, PatchFacts, Stored, Version,
};
use super::super::{Decision, Edit, Refusal, Row};
use super::{context, fields_of, rng, set, some, told};

fn ids(texts: &[&str]) -> Vec<CustomerId> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn texts(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn tool() -> Application {
    let fields = application::Fields {
        application_id: some("tool"),
        name: some("Tool"),
        customer_ids: texts(&["c1"]),
        is_imported: false,
        ..application::Fields::default()
    };
    let command = application::Create::parse(fields).unwrap();
    let decision = application::create(command, None, vec![], &context()).unwrap();
    let expected =
        [("application:tool", false), ("customer:c1", false)].map(|(text, denies)| (text.to_owned(), denies));
    assert_eq!(told(&decision.change), expected);
    decision.outcome
}

#[test]
fn every_fault_of_an_application_is_told_at_once() {
    let fields = application::Fields {
        application_id: some("My App"),
        name: some(&"x".repeat(201)),
        description: some(&"x".repeat(2_001)),
        tags: Some((0..21).map(|n| n.to_string()).collect()),
        customer_ids: texts(&["a b"]),
        is_imported: false,
    };
    let refusal = application::Create::parse(fields).unwrap_err();
    assert_eq!(fields_of(&refusal), ["applicationId", "name", "description", "tags", "customerIds"]);
    let nothing = application::Create::parse(application::Fields::default()).unwrap_err();
    assert_eq!(fields_of(&nothing), ["applicationId", "name"]);
}

#[test]
fn an_applications_id_is_given_once_and_its_customers_exist() {
    let create = |existing: Option<&Application>, unknown: &[&str]| {
        let fields = application::Fields {
            application_id: some("tool"),
            name: some("Tool"),
            ..application::Fields::default()
        };
        let command = application::Create::parse(fields).unwrap();
        application::create(command, existing, ids(unknown), &context()).map(drop)
    };
    let living = tool();
    let gone = application::delete(&living.facts.id, Some(living.clone()), &context()).unwrap();
    assert_eq!(told(&gone.change), [("application:tool".to_owned(), true)]);
    for existing in [&living, &gone.outcome] {
        assert!(matches!(create(Some(existing), &[]), Err(Refusal::DuplicateApplication(_))));
    }
    assert_eq!(create(None, &["c8", "c9"]), Err(Refusal::UnknownCustomers(ids(&["c8", "c9"]))));
    let again = application::delete(&living.facts.id, Some(gone.outcome), &context());
    assert!(matches!(again, Err(Refusal::UnknownApplication(_))));
}

#[test]
fn assignments_touch_only_who_is_concerned() {
    let assign = |add: &[&str], remove: &[&str]| {
        let command = Assign::parse("tool".parse().unwrap(), texts(add), texts(remove))?;
        let facts = AssignFacts { application: Some(tool()), assigned: ids(&["c1", "c2"]), unknown: vec![] };
        application::assign(command, facts, &context())
    };
    let decision = assign(&["c1", "c3"], &["c2", "c9"]).unwrap();
    let outcome = &decision.outcome;
    assert_eq!(
        (&outcome.customers, &outcome.added, &outcome.removed),
        (&ids(&["c1", "c3"]), &ids(&["c3"]), &ids(&["c2"]))
    );
    assert_eq!(
        told(&decision.change),
        [("customer:c3".to_owned(), false), ("customer:c2".to_owned(), false)]
    );
    assert!(assign(&["c1"], &[]).unwrap().change.is_empty());
    assert_eq!(fields_of(&assign(&["c1"], &["c1"]).unwrap_err()), ["removeCustomerIds"]);
}

fn file(name: &str) -> FileFields {
    FileFields {
        application_id: some("tool"),
        version: some("1.0"),
        file_name: some(name),
        ..FileFields::default()
    }
}

fn facts(version: Option<&Version>) -> FileFacts {
    FileFacts {
        application: Some(tool()),
        version: version.cloned(),
        tiers: tier::defaults(),
        enabled_by_default: true,
        usage: Usage::default(),
    }
}

const STORED: Stored = Stored { size: 5, digest: Digest([9; 32]) };

fn added(fields: FileFields, version: Option<&Version>) -> Result<Decision<Added>, Refusal> {
    version::add_file(AddFile::parse(fields)?, STORED, facts(version), &context(), &mut rng())
}

#[test]
fn every_fault_of_a_file_is_told_at_once() {
    let fields = FileFields {
        application_id: some("a/b"),
        version: some("latest"),
        file_name: some("../x"),
        file_type: some("PROGRAM"),
        content_type: some("text"),
        description: some(&"x".repeat(2_001)),
        release_notes: some(&"x".repeat(5_001)),
        required_tier: some("a tier"),
        channel: some(&"x".repeat(51)),
        is_enabled: None,
    };
    let all = [
        "applicationId",
        "version",
        "fileName",
        "fileType",
        "contentType",
        "description",
        "releaseNotes",
        "requiredTier",
        "channel",
    ];
    assert_eq!(fields_of(&AddFile::parse(fields).unwrap_err()), all);
    let refusal = Begin::parse(FileFields::default(), Some(0)).unwrap_err();
    assert_eq!(fields_of(&refusal), ["fileSize", "applicationId", "version", "fileName"]);
}

#[test]
fn a_version_begins_with_its_first_file_and_grows() {
    let first = added(FileFields { release_notes: some("New"), ..file("tool.exe") }, None).unwrap().outcome;
    let facts = &first.version.facts;
    assert_eq!((facts.channel.as_str(), facts.is_enabled, facts.is_active), ("Production", true, true));
    assert_eq!((first.file.order, first.file.file_type), (0, FileType::Main));
    assert_eq!(first.file.content_type, "application/octet-stream");
    let second =
        added(FileFields { file_type: some(""), ..file("readme.md") }, Some(&first.version)).unwrap();
    assert_eq!(told(&second.change), [("version:tool/1.0".to_owned(), false)]);
    let second = second.outcome;
    assert_eq!((second.file.order, second.file.file_type), (1, FileType::Documentation));
    assert_eq!(second.version.facts.release_notes.as_deref(), Some("New"));
    assert_eq!(second.version.facts.id, first.version.facts.id);
}

#[test]
fn a_file_that_does_not_fit_its_version_is_refused() {
    let version = added(FileFields { required_tier: some("premium"), ..file("tool.exe") }, None)
        .unwrap()
        .outcome
        .version;
    assert_eq!(version.facts.required_tier.as_ref().unwrap().as_str(), "Premium");
    let refused = |fields: FileFields| added(fields, Some(&version)).unwrap_err();
    assert!(matches!(refused(file("TOOL.EXE")), Refusal::DuplicateFile { .. }));
    let differs = |field| Refusal::VersionDiffers { version: "1.0".parse().unwrap(), field };
    assert_eq!(refused(FileFields { required_tier: some("Basic"), ..file("a") }), differs("requiredTier"));
    assert_eq!(refused(FileFields { channel: some("Beta"), ..file("a") }), differs("channel"));
    assert_eq!(refused(FileFields { is_enabled: Some(false), ..file("a") }), differs("isEnabled"));
    let same = FileFields {
        required_tier: some("PREMIUM"),
        channel: some("production"),
        is_enabled: Some(true),
        ..file("a")
    };
    assert!(added(same, Some(&version)).is_ok());
    assert!(matches!(
        added(FileFields { required_tier: some("Gold"), ..file("a") }, None),
        Err(Refusal::UnknownTier { .. })
    ));
    let gone = FileFacts { application: None, ..facts(None) };
    let refused = version::add_file(AddFile::parse(file("a")).unwrap(), STORED, gone, &context(), &mut rng());
    assert!(matches!(refused, Err(Refusal::UnknownApplication(_))));
}

fn patched(version: &Version, fields: version::Fields) -> Result<Decision<Version>, Refusal> {
    let command = Patch::parse("tool".parse().unwrap(), "1.0".parse().unwrap(), fields)?;
    let facts =
        PatchFacts { application: Some(tool()), version: Some(version.clone()), tiers: tier::defaults() };
    version::patch(command, facts, &context())
}

#[test]
fn hiding_a_version_is_told_as_a_denial_and_showing_it_is_not() {
    let version = added(file("tool.exe"), None).unwrap().outcome.version;
    let draft =
        patched(&version, version::Fields { is_enabled: Some(false), ..version::Fields::default() }).unwrap();
    assert_eq!(told(&draft.change), [("version:tool/1.0".to_owned(), true)]);
    let fields =
        version::Fields { is_enabled: Some(true), channel: set("Beta"), ..version::Fields::default() };
    let shown = patched(&draft.outcome, fields).unwrap();
    assert_eq!(told(&shown.change), [("version:tool/1.0".to_owned(), false)]);
    let command = Patch::yank("tool".parse().unwrap(), "1.0".parse().unwrap());
    let facts = PatchFacts { application: Some(tool()), version: Some(shown.outcome), tiers: vec![] };
    let yanked = version::patch(command, facts, &context()).unwrap();
    assert_eq!(told(&yanked.change), [("version:tool/1.0".to_owned(), true)]);
    let refused = added(file("other"), Some(&yanked.outcome)).unwrap_err();
    assert!(matches!(refused, Refusal::VersionYanked(_)), "{refused}");
    let production =
        patched(&yanked.outcome, version::Fields { channel: Edit::Clear, ..version::Fields::default() });
    assert_eq!(production.unwrap().outcome.facts.channel, "Production");
}

fn begun(size: u64) -> Upload {
    let command = Begin::parse(file("big.iso"), Some(size)).unwrap();
    let decision = upload::begin(command, facts(None), &context(), &mut rng()).unwrap();
    assert_eq!(told(&decision.change), []);
    decision.outcome
}

fn completed(upload: &Upload, fields: CompleteFields) -> Result<Decision<Added>, Refusal> {
    let command = Complete::parse(CompleteFields { upload_id: some(upload.id.as_str()), ..fields })?;
    let facts = CompleteFacts { upload: Some(upload.clone()), file: facts(None) };
    upload::complete(command, facts, &context(), &mut rng())
}

#[test]
fn what_would_be_refused_at_the_end_is_refused_at_the_beginning() {
    let version = added(file("big.iso"), None).unwrap().outcome.version;
    let command = Begin::parse(file("BIG.iso"), Some(1)).unwrap();
    let refused = upload::begin(command, facts(Some(&version)), &context(), &mut rng());
    assert!(matches!(refused, Err(Refusal::DuplicateFile { .. })));
}

#[test]
fn an_upload_takes_exactly_the_bytes_that_were_announced_and_in_time() {
    let upload = begun(5);
    let receive = |size, context| {
        let stored = Stored { size, ..STORED };
        upload::receive(&upload.id, Some(upload.clone()), stored, &context).map(|decision| decision.outcome)
    };
    assert_eq!(receive(4, context()), Err(Refusal::SizeMismatch { declared: 5, received: 4 }));
    let mut late = context();
    late.now = late.now.plus(LIFETIME);
    assert_eq!(receive(5, late.clone()), Err(Refusal::UploadExpired(upload.id.clone())));
    assert_eq!(upload::may_receive(&upload.id, None, &late), Err(Refusal::UnknownUpload(upload.id.clone())));
    assert!(receive(5, context()).is_ok());
    let early = completed(&upload, CompleteFields::default());
    assert_eq!(early.unwrap_err(), Refusal::UploadNotReceived(upload.id.clone()));
}

#[test]
fn an_upload_ends_by_its_owner_or_by_its_time_and_a_completed_one_is_remembered() {
    let upload = begun(5);
    let received = upload::receive(&upload.id, Some(upload.clone()), STORED, &context()).unwrap().outcome;
    let completed = Upload {
        progress: Progress::Completed {
            stored: STORED,
            version: "ver_1".parse().unwrap(),
            file: "file_1".parse().unwrap(),
        },
        ..upload.clone()
    };
    for living in [&upload, &received] {
        let ended = upload::abandon(&upload.id, Some(living.clone()), &context()).unwrap();
        assert_eq!(ended.change.rows, [Row::EndUpload(upload.id.clone())]);
        assert_eq!(ended.change.audit[0].action, "upload.abandon");
    }
    let abandoned = upload::abandon(&upload.id, Some(completed.clone()), &context());
    assert_eq!(abandoned.unwrap_err(), Refusal::UploadCompleted(upload.id.clone()));
    for (upload, span) in [(&upload, LIFETIME), (&received, LIFETIME), (&completed, LIFETIME + REMEMBERED)] {
        let mut later = context();
        later.now = context().now.plus(span - Duration::from_millis(1));
        assert_eq!(upload::expire(upload.clone(), &later), None);
        later.now = context().now.plus(span);
        let ended = upload::expire(upload.clone(), &later).unwrap();
        assert_eq!((ended.change.rows.len(), ended.change.audit[0].action), (1, "upload.expire"));
    }
}

#[test]
fn an_upload_is_wanted_while_its_tenant_and_its_application_are_there() {
    let upload = begun(5);
    let mut vendor = Tenant {
        id: upload.tenant,
        name: "Acme".to_owned(),
        is_active: true,
        quota_bytes: None,
        created_at: context().now,
    };
    assert_eq!(upload::is_wanted(&upload, Some(&vendor), Some(tool())), Ok(()));
    let deleted = Application { deleted_at: Some(context().now), ..tool() };
    for gone in [None, Some(deleted)] {
        let refused = upload::is_wanted(&upload, Some(&vendor), gone);
        assert!(matches!(refused, Err(Refusal::UnknownApplication(_))));
    }
    vendor.is_active = false;
    assert_eq!(upload::is_wanted(&upload, Some(&vendor), None), Err(Refusal::TenantSuspended));
}

#[test]
fn a_completion_that_speaks_of_something_else_is_refused() {
    let upload = begun(5);
    let received = upload::receive(&upload.id, Some(upload.clone()), STORED, &context()).unwrap().outcome;
    let refused = |fields| completed(&received, fields).unwrap_err();
    let none = CompleteFields::default;
    assert_eq!(
        refused(CompleteFields { version: some("2.0"), ..none() }),
        Refusal::UploadDiffers { field: "version" }
    );
    assert!(matches!(refused(CompleteFields { file_size: Some(6), ..none() }), Refusal::SizeMismatch { .. }));
    let wrong = Some(Digest([8; 32]).to_string());
    assert!(matches!(refused(CompleteFields { checksum: wrong, ..none() }), Refusal::DigestMismatch { .. }));
    assert_eq!(fields_of(&refused(CompleteFields { checksum: some("abc"), ..none() })), ["checksum"]);
    let long = CompleteFields {
        application_id: some("tool"),
        version: some("1.0"),
        file_name: some("big.iso"),
        file_size: Some(5),
        checksum: Some(format!("sha256:{}", STORED.digest)),
        release_notes: some("Late"),
        upload_id: None,
    };
    let done = completed(&received, long).unwrap();
    assert_eq!(done.outcome.version.facts.release_notes.as_deref(), Some("Late"));
    assert_eq!((done.outcome.file.size, done.outcome.file.digest), (5, STORED.digest));
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,60}", size: u64) {
        let fields = FileFields {
            application_id: some(&text),
            version: some(&text),
            file_name: some(&text),
            file_type: some(&text),
            content_type: some(&text),
            description: some(&text),
            release_notes: some(&text),
            required_tier: some(&text),
            channel: some(&text),
            is_enabled: None,
        };
        if let Ok(begin) = Begin::parse(fields, Some(size)) {
            let begun = upload::begin(begin, FileFacts { tiers: vec![], ..facts(None) }, &context(), &mut rng());
            prop_assert!(begun.is_err(), "neither that application nor that tier exists");
        }
    }

    #[test]
    fn an_upload_ends_a_day_after_it_began(hours in 0u64..48) {
        let upload = begun(5);
        let mut later = context();
        later.now = Timestamp::from_millis(context().now.millis() + 3_600_000 * i64::try_from(hours).unwrap());
        let received = upload::may_receive(&upload.id, Some(upload.clone()), &later);
        prop_assert_eq!(received.is_ok(), hours < 24);
    }
}
