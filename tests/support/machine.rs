//! Random commands for the model and for a real control plane with edges, and the comparison of what each key lists
//! and downloads after every one of them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::admin::{Admin, Key};
use crate::client::{Answer, Client, send};
use crate::content;
use crate::eventually::{PATIENCE, eventually};
use crate::model::{Channel, Command, Id, Link, Tier, Wanted, World};
use crate::system::System;

/// How many commands one sequence has; the next begins with applications and customers of its own.
const SEQUENCE: usize = 100;
/// From how many addresses keys are used.
const ADDRESSES: u8 = 100;

/// One command, and where to look afterwards.
#[derive(Clone, Debug)]
struct Step {
    command: Command,
    key: Id,
    application: Id,
    version: Id,
    file: Option<Id>,
    channel: Option<Channel>,
}

/// Takes so many random steps. At the first that diverges it panics with the shortest sequence that still does.
pub fn run(steps: usize, seed: u64) {
    let runtime = Runtime::new().unwrap();
    let system = runtime.block_on(System::in_process());
    let strangers: Vec<Vec<Client>> = (0..2).map(|edge| strangers(&system, edge)).collect();
    let config = Config {
        cases: u32::try_from(steps / SEQUENCE).unwrap(),
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let sequences = Cell::new(0u32);
    let outcome = TestRunner::new(config).run(&vec(step(), SEQUENCE), |steps| {
        sequences.set(sequences.get() + 1);
        let mut machine = Machine::new(&system, &strangers, sequences.get());
        runtime.block_on(machine.walk(steps)).map_err(TestCaseError::fail)
    });
    runtime.block_on(async { drop(system) });
    if let Err(TestError::Fail(reason, steps)) = outcome {
        let lines: Vec<String> = steps.iter().map(|step| format!("{step:?}")).collect();
        panic!("seed {seed}: {reason}\nafter\n{}", lines.join("\n"));
    }
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

fn strangers(system: &System, edge: usize) -> Vec<Client> {
    (1..=ADDRESSES).map(|last| system.stranger(edge).at(&format!("127.0.1.{last}"))).collect()
}

fn below(count: Id) -> Range<Id> {
    0..count
}

fn tier() -> impl Strategy<Value = Tier> {
    prop_oneof![Just(Tier::Basic), Just(Tier::Premium), Just(Tier::Enterprise)]
}

fn channel() -> impl Strategy<Value = Channel> {
    prop_oneof![Just(Channel::Test), Just(Channel::Beta)]
}

fn channels() -> impl Strategy<Value = BTreeSet<Channel>> {
    vec(channel(), 0..3).prop_map(BTreeSet::from_iter)
}

fn some_applications() -> impl Strategy<Value = Option<BTreeSet<Id>>> {
    prop_oneof![2 => Just(None), 1 => vec(below(4), 1..3).prop_map(|ids| Some(BTreeSet::from_iter(ids)))]
}

fn maybe<T: Clone + std::fmt::Debug>(some: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop_oneof![some.prop_map(Some), Just(()).prop_map(|()| None)]
}

fn step() -> impl Strategy<Value = Step> {
    let look = (any::<Id>(), below(4), below(3), maybe(below(3)), maybe(channel()));
    (command(), look).prop_map(|(command, (key, application, version, file, channel))| Step {
        command,
        key,
        application,
        version,
        file,
        channel,
    })
}

/// Mostly what builds up, so that there is something to take away.
fn command() -> impl Strategy<Value = Command> {
    let (a, v, c, k) = (|| below(4), || below(3), || below(3), any::<Id>);
    let on = || prop_oneof![3 => Just(true), 1 => Just(false)];
    let upload = (a(), v(), below(3), maybe(tier()), on(), on());
    prop_oneof![
        3 => a().prop_map(Command::CreateApplication),
        1 => a().prop_map(Command::DeleteApplication),
        2 => a().prop_map(Command::RestoreApplication),
        1 => (a(), on()).prop_map(|(a, on)| Command::ActivateApplication(a, on)),
        3 => (c(), tier()).prop_map(|(c, tier)| Command::CreateCustomer(c, tier)),
        1 => (c(), on()).prop_map(|(c, on)| Command::ActivateCustomer(c, on)),
        1 => (c(), tier()).prop_map(|(c, tier)| Command::MoveCustomer(c, tier)),
        1 => (c(), channels()).prop_map(|(c, channels)| Command::EntitleCustomer(c, channels)),
        6 => (a(), c(), on()).prop_map(|(application, customer, granted)| Command::Assign { application, customer, granted }),
        6 => upload.prop_map(|(application, version, file, required, production, enabled)| {
            Command::Upload { application, version, file, required, beta: !production, enabled }
        }),
        1 => (a(), v(), on()).prop_map(|(a, v, on)| Command::ActivateVersion(a, v, on)),
        1 => (a(), v(), on()).prop_map(|(a, v, on)| Command::EnableVersion(a, v, on)),
        1 => (a(), v(), maybe(tier())).prop_map(|(a, v, tier)| Command::RequireTier(a, v, tier)),
        1 => (a(), v(), on()).prop_map(|(a, v, on)| Command::MoveVersion(a, v, !on)),
        3 => (c(), some_applications()).prop_map(|(c, ids)| Command::CreateKey(c, ids)),
        1 => (k(), on()).prop_map(|(k, on)| Command::EnableKey(k, on)),
        1 => (k(), some_applications()).prop_map(|(k, ids)| Command::NarrowKey(k, ids)),
        1 => (k(), channels()).prop_map(|(k, channels)| Command::EntitleKey(k, channels)),
        1 => (k(), on()).prop_map(|(k, on)| Command::LetDownload(k, on)),
        1 => k().prop_map(Command::DeleteKey),
        1 => c().prop_map(Command::Regenerate),
    ]
}

/// The model and the real system, side by side.
struct Machine<'a> {
    admin: Admin,
    world: World,
    keys: Vec<Key>,
    links: Vec<(Link, String)>,
    /// Strangers at each edge, at many addresses: refused keys are throttled by address.
    strangers: &'a [Vec<Client>],
    asked: Cell<usize>,
    /// Keeps the names of this sequence apart from those of all others.
    number: u32,
}

impl<'a> Machine<'a> {
    fn new(system: &System, strangers: &'a [Vec<Client>], number: u32) -> Self {
        let (admin, asked) = (system.admin(0), Cell::new(0));
        Self { admin, world: World::default(), keys: vec![], links: vec![], strangers, asked, number }
    }

    /// The owner of a key, from another address than a moment ago.
    fn owner(&self, edge: usize, key: usize) -> Client {
        self.asked.set(self.asked.get() + 1);
        let strangers = &self.strangers[edge];
        strangers[self.asked.get() % strangers.len()].with(Some(&self.keys[key].text))
    }

    async fn walk(&mut self, steps: Vec<Step>) -> Result<(), String> {
        for step in steps {
            let promised = self.world.apply(&step.command);
            let told = self.carry_out(&step.command).await;
            // A command about a key, when there is none, was not sent.
            if let Some(told) = told
                && told.status != promised
            {
                return Err(format!("{:?} is answered {told:?}, promised was {promised}", step.command));
            }
            if let Some(key) = self.world.key(step.key) {
                self.look(0, key, &step).await?;
            }
        }
        for key in 0..self.world.keys() {
            // The other edge hears of it a moment later.
            eventually(PATIENCE, || async { self.look_at_list(1, key).await }).await;
        }
        Ok(())
    }

    fn application(&self, id: Id) -> String {
        format!("app-{}-{id}", self.number)
    }

    fn applications(&self, ids: &Option<BTreeSet<Id>>) -> Value {
        ids.as_ref().map_or(Value::Null, |ids| ids.iter().map(|id| self.application(*id)).collect())
    }

    fn customer(&self, id: Id) -> String {
        format!("customer-{}-{id}", self.number)
    }

    fn bytes(&self, application: Id, version: Id, file: Id) -> Vec<u8> {
        format!("{} {application} {version} {file}", self.number).repeat(20).into_bytes()
    }

    async fn carry_out(&mut self, command: &Command) -> Option<Answer> {
        let admin = self.admin.clone();
        let at = |id: &Id| format!("/v1/management/applications/{}", self.application(*id));
        let answer = match command {
            Command::CreateApplication(id) => admin.create_application(&self.application(*id), &[]).await,
            Command::DeleteApplication(id) => admin.delete(&at(id)).await,
            Command::RestoreApplication(id) => admin.post(&format!("{}/restore", at(id)), &json!({})).await,
            Command::ActivateApplication(id, active) => {
                admin.patch(&at(id), &json!({ "isActive": active })).await
            }
            Command::CreateCustomer(id, tier) => {
                admin.create_customer(&self.customer(*id), name(*tier)).await
            }
            Command::ActivateCustomer(id, active) => {
                self.change_customer(*id, json!({ "isActive": active })).await
            }
            Command::MoveCustomer(id, tier) => {
                self.change_customer(*id, json!({ "tier": name(*tier) })).await
            }
            Command::EntitleCustomer(id, of) => {
                self.change_customer(*id, json!({ "channels": words(of) })).await
            }
            Command::Assign { application, customer, granted } => {
                let list = if *granted { "addCustomerIds" } else { "removeCustomerIds" };
                let body = json!({ list: [self.customer(*customer)] });
                admin.put(&format!("{}/customers", at(application)), &body).await
            }
            Command::Upload { .. } => self.upload(command).await,
            Command::ActivateVersion(a, v, on) => {
                self.change_version(*a, *v, json!({ "isActive": on })).await
            }
            Command::EnableVersion(a, v, on) => self.change_version(*a, *v, json!({ "isEnabled": on })).await,
            Command::RequireTier(a, v, tier) => {
                self.change_version(*a, *v, json!({ "requiredTier": tier.map(name) })).await
            }
            Command::MoveVersion(a, v, beta) => {
                self.change_version(*a, *v, json!({ "channel": channel_of(*beta) })).await
            }
            Command::CreateKey(customer, applications) => {
                let options =
                    json!({ "applicationIds": self.applications(applications), "rateLimitRpm": 1_000_000 });
                let path = format!("/v1/management/customers/{}/apikeys", self.customer(*customer));
                let answer = admin.post(&path, &options).await;
                if answer.status == 201 {
                    self.keys.push(Key::of(&answer));
                }
                answer
            }
            Command::EnableKey(key, on) => self.change_key(*key, json!({ "isEnabled": on })).await?,
            Command::NarrowKey(key, ids) => {
                self.change_key(*key, json!({ "applicationIds": self.applications(ids) })).await?
            }
            Command::EntitleKey(key, of) => self.change_key(*key, json!({ "channels": words(of) })).await?,
            Command::LetDownload(key, may) => {
                let scopes = if *may { json!(["apps:read", "downloads:read"]) } else { json!(["apps:read"]) };
                self.change_key(*key, json!({ "scopes": scopes })).await?
            }
            Command::DeleteKey(key) => admin.delete_key(&self.keys[self.world.key(*key)?]).await,
            Command::Regenerate(customer) => self.regenerate(*customer).await,
        };
        Some(answer)
    }

    async fn change_customer(&self, id: Id, change: Value) -> Answer {
        self.admin.change_customer(&self.customer(id), change).await
    }

    async fn change_version(&self, application: Id, version: Id, change: Value) -> Answer {
        self.admin.change_version(&self.application(application), &version_name(version), change).await
    }

    async fn change_key(&self, key: Id, change: Value) -> Option<Answer> {
        Some(self.admin.change_key(&self.keys[self.world.key(key)?], change).await)
    }

    async fn regenerate(&mut self, customer: Id) -> Answer {
        let path = format!("/v1/management/customers/{}/regenerate-key", self.customer(customer));
        let answer = self.admin.post(&path, &json!({})).await;
        if answer.status == 200 {
            let first = self.world.first_key(customer).unwrap();
            let key = &mut self.keys[first];
            *key =
                Key { id: key.id.clone(), text: answer.text("/apiKey"), secret: answer.text("/apiSecret") };
        }
        answer
    }

    async fn upload(&self, command: &Command) -> Answer {
        let Command::Upload { application, version, file, required, beta, enabled } = command else {
            unreachable!("only uploads come here")
        };
        let (name_of, version_text, enabled) =
            (self.application(*application), version_name(*version), enabled.to_string());
        let mut fields = vec![
            ("applicationId", name_of.as_str()),
            ("version", &version_text),
            ("channel", channel_of(*beta)),
            ("isEnabled", &enabled),
            ("fileType", "MAIN"),
        ];
        fields.extend(required.map(|tier| ("requiredTier", name(tier))));
        self.admin.upload(&fields, &file_name(*file), &self.bytes(*application, *version, *file)).await
    }

    /// What a key lists, gets, and lends, and what the last link that it lent gives.
    async fn look(&mut self, edge: usize, key: usize, step: &Step) -> Result<(), String> {
        self.look_at_list(edge, key).await?;
        let client = self.owner(edge, key);
        let path = format!("/v1/applications/{}/versions", self.application(step.application));
        let told = ask(&client, &path, step.channel).await;
        let promised = self.world.versions(key, step.application, step.channel);
        let promised = promised.map(|ids| ids.into_iter().map(version_name).collect::<Vec<_>>());
        compare("versions", &told, promised, |told| told.column("/versions", "version"))?;
        let Step { application, version, file, channel, .. } = *step;
        let wanted = Wanted { application, version, file, channel };
        self.look_at_download(&client, key, wanted).await?;
        self.look_at_links(&client, key, wanted).await
    }

    async fn look_at_list(&self, edge: usize, key: usize) -> Result<(), String> {
        let client = self.owner(edge, key);
        let told = ask(&client, "/v1/applications?limit=100", None).await;
        let promised = self.world.listed(key);
        let promised = promised.map(|ids| ids.into_iter().map(|id| self.application(id)).collect::<Vec<_>>());
        compare("applications", &told, promised, |told| told.column("/applications", "applicationId"))
    }

    async fn look_at_download(&self, client: &Client, key: usize, wanted: Wanted) -> Result<(), String> {
        let promised = self.world.download(key, wanted);
        let Some(file) = wanted.file else { return Ok(()) };
        let (application, version) = (self.application(wanted.application), version_name(wanted.version));
        let path = format!("/v1/download/{application}/{version}/{}", file_name(file));
        let told = ask(client, &path, wanted.channel).await;
        let promised = promised.map(|file| self.bytes(wanted.application, wanted.version, file));
        compare("download", &told, promised, |told| told.body.clone())
    }

    async fn look_at_links(&mut self, client: &Client, key: usize, wanted: Wanted) -> Result<(), String> {
        if let Some((link, url)) = self.links.last().cloned() {
            let told = send(client.request(Method::GET, &url)).await;
            let promised = self.world.follow(link);
            let promised =
                promised.map(|file| self.bytes(link.wanted.application, link.wanted.version, file));
            compare("signed URL", &told, promised, |told| told.body.clone())?;
        }
        let (application, version) = (self.application(wanted.application), version_name(wanted.version));
        let path = format!("/v1/downloads/url?applicationId={application}&version={version}");
        let told = ask(client, &path, wanted.channel).await;
        let lent = self.world.lend(key, Wanted { file: None, ..wanted });
        if let (200, Ok(link)) = (told.status, &lent) {
            self.links.push((*link, told.text("/url")));
        }
        let promised =
            lent.map(|link| self.bytes(wanted.application, wanted.version, link.wanted.file.unwrap()));
        compare("link", &told, promised.map(|bytes| content::checksum(&bytes)), |told| told.text("/checksum"))
    }
}

async fn ask(client: &Client, path: &str, channel: Option<Channel>) -> Answer {
    match channel {
        Some(channel) => client.get_with(path, "X-Channel", word(channel)).await,
        None => client.get(path).await,
    }
}

fn compare<T: PartialEq + std::fmt::Debug>(
    what: &str,
    told: &Answer,
    promised: Result<T, u16>,
    read: impl Fn(&Answer) -> T,
) -> Result<(), String> {
    let real = if told.status == 200 { Ok(read(told)) } else { Err(told.status) };
    if real == promised {
        Ok(())
    } else {
        Err(format!("{what}: {real:?}, promised was {promised:?}; {told:?}"))
    }
}

fn name(tier: Tier) -> &'static str {
    match tier {
        Tier::Basic => "Basic",
        Tier::Premium => "Premium",
        Tier::Enterprise => "Enterprise",
    }
}

fn word(channel: Channel) -> &'static str {
    match channel {
        Channel::Test => "Test",
        Channel::Beta => "Beta",
    }
}

fn words(channels: &BTreeSet<Channel>) -> Vec<&'static str> {
    channels.iter().map(|channel| word(*channel)).collect()
}

fn channel_of(beta: bool) -> &'static str {
    if beta { "Beta" } else { "Production" }
}

fn version_name(version: Id) -> String {
    format!("1.{version}.0")
}

fn file_name(file: Id) -> String {
    format!("file-{file}.bin")
}
