//! What the system promises, in the shortest words: which key lists and downloads what after which commands. A model
//! to hold the real thing against; it knows nothing of how the real thing works.

use std::collections::{BTreeMap, BTreeSet};

/// Applications, customers, versions and files are numbers here, so that random ones meet.
pub type Id = u8;

/// The tiers that every tenant begins with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tier {
    Basic,
    Premium,
    Enterprise,
}

/// What a key may be entitled to beside what is for everybody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Channel {
    /// Shows the drafts of production.
    Test,
    /// Versions of a channel of their own.
    Beta,
}

/// What a vendor may do.
#[derive(Clone, Debug)]
pub enum Command {
    CreateApplication(Id),
    DeleteApplication(Id),
    RestoreApplication(Id),
    ActivateApplication(Id, bool),
    CreateCustomer(Id, Tier),
    ActivateCustomer(Id, bool),
    MoveCustomer(Id, Tier),
    EntitleCustomer(Id, BTreeSet<Channel>),
    Assign { application: Id, customer: Id, granted: bool },
    Upload { application: Id, version: Id, file: Id, required: Option<Tier>, beta: bool, enabled: bool },
    ActivateVersion(Id, Id, bool),
    EnableVersion(Id, Id, bool),
    RequireTier(Id, Id, Option<Tier>),
    MoveVersion(Id, Id, bool),
    CreateKey(Id, Option<BTreeSet<Id>>),
    EnableKey(Id, bool),
    NarrowKey(Id, Option<BTreeSet<Id>>),
    EntitleKey(Id, BTreeSet<Channel>),
    LetDownload(Id, bool),
    DeleteKey(Id),
    Regenerate(Id),
}

#[derive(Default, Debug)]
struct Application {
    deleted: bool,
    active: bool,
    customers: BTreeSet<Id>,
    versions: BTreeMap<Id, Version>,
}

#[derive(Debug)]
struct Version {
    active: bool,
    enabled: bool,
    beta: bool,
    required: Option<Tier>,
    /// In the order of their coming: the first is the main one.
    files: Vec<Id>,
}

#[derive(Debug)]
struct Customer {
    tier: Tier,
    active: bool,
    channels: BTreeSet<Channel>,
}

#[derive(Debug)]
struct Key {
    customer: Id,
    enabled: bool,
    deleted: bool,
    downloads: bool,
    applications: Option<BTreeSet<Id>>,
    channels: BTreeSet<Channel>,
    /// How often its secret was replaced: links of an earlier secret are dead.
    secret: u32,
}

/// The right to one file that a key lent to whoever has the URL.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub key: usize,
    pub wanted: Wanted,
    secret: u32,
}

/// What somebody asks for. Without a file: the main one.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub application: Id,
    pub version: Id,
    pub file: Option<Id>,
    pub channel: Option<Channel>,
}

/// Everything that there is.
#[derive(Default, Debug)]
pub struct World {
    applications: BTreeMap<Id, Application>,
    customers: BTreeMap<Id, Customer>,
    keys: Vec<Key>,
}

/// A refusal: the status that it is told with.
type Refused = u16;

impl World {
    /// How many keys were ever made.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The key that a number means, when there is any.
    pub fn key(&self, number: Id) -> Option<usize> {
        if self.keys.is_empty() { None } else { Some(usize::from(number) % self.keys.len()) }
    }

    /// The key whose secret is replaced for a customer: its oldest that is not deleted.
    pub fn first_key(&self, customer: Id) -> Option<usize> {
        self.keys.iter().position(|key| key.customer == customer && !key.deleted)
    }

    /// Carries a command out, and says with which status it is answered.
    pub fn apply(&mut self, command: &Command) -> u16 {
        self.try_apply(command).unwrap_or_else(|refused| refused)
    }

    fn try_apply(&mut self, command: &Command) -> Result<u16, Refused> {
        match command {
            Command::CreateApplication(id) if self.applications.contains_key(id) => return Err(409),
            Command::CreateApplication(id) => {
                self.applications.insert(*id, Application { active: true, ..Application::default() });
                return Ok(201);
            }
            Command::DeleteApplication(id) => self.living(*id)?.deleted = true,
            Command::RestoreApplication(id) => self.applications.get_mut(id).ok_or(404u16)?.deleted = false,
            Command::ActivateApplication(id, active) => self.living(*id)?.active = *active,
            Command::CreateCustomer(id, _) if self.customers.contains_key(id) => return Err(409),
            Command::CreateCustomer(id, tier) => {
                let customer = Customer { tier: *tier, active: true, channels: BTreeSet::new() };
                self.customers.insert(*id, customer);
                return Ok(201);
            }
            Command::ActivateCustomer(id, active) => self.customer(*id)?.active = *active,
            Command::MoveCustomer(id, tier) => self.customer(*id)?.tier = *tier,
            Command::EntitleCustomer(id, channels) => self.customer(*id)?.channels.clone_from(channels),
            Command::Assign { application, customer, granted } => {
                self.living(*application)?;
                self.customer(*customer).map_err(|_| 400u16)?;
                let customers = &mut self.living(*application)?.customers;
                let _ = if *granted { customers.insert(*customer) } else { customers.remove(customer) };
            }
            Command::Upload { .. } => return self.upload(command),
            Command::ActivateVersion(a, v, active) => self.version(*a, *v)?.active = *active,
            Command::EnableVersion(a, v, enabled) => self.version(*a, *v)?.enabled = *enabled,
            Command::RequireTier(a, v, tier) => self.version(*a, *v)?.required = *tier,
            Command::MoveVersion(a, v, beta) => self.version(*a, *v)?.beta = *beta,
            Command::CreateKey(customer, applications) => {
                self.all_living(applications)?;
                self.customer(*customer)?;
                self.keys.push(Key {
                    customer: *customer,
                    enabled: true,
                    deleted: false,
                    downloads: true,
                    applications: applications.clone(),
                    channels: BTreeSet::new(),
                    secret: 0,
                });
                return Ok(201);
            }
            Command::EnableKey(key, enabled) => self.living_key(*key)?.enabled = *enabled,
            Command::NarrowKey(key, applications) => {
                self.living_key(*key)?;
                self.all_living(applications)?;
                self.living_key(*key)?.applications.clone_from(applications);
            }
            Command::EntitleKey(key, channels) => self.living_key(*key)?.channels.clone_from(channels),
            Command::LetDownload(key, may) => self.living_key(*key)?.downloads = *may,
            Command::DeleteKey(key) => self.living_key(*key)?.deleted = true,
            Command::Regenerate(customer) => {
                self.customer(*customer)?;
                let first = self.first_key(*customer).ok_or(404u16)?;
                self.keys[first].secret += 1;
            }
        }
        Ok(200)
    }

    fn upload(&mut self, command: &Command) -> Result<u16, Refused> {
        let Command::Upload { application, version, file, required, beta, enabled } = command else {
            return Err(0);
        };
        let versions = &mut self.living(*application)?.versions;
        let version = versions.entry(*version).or_insert_with(|| Version {
            active: true,
            enabled: *enabled,
            beta: *beta,
            required: *required,
            files: vec![],
        });
        let same = (version.beta, version.enabled) == (*beta, *enabled);
        let same_tier = required.is_none() || *required == version.required;
        if !version.active || !same || !same_tier || version.files.contains(file) {
            return Err(409);
        }
        version.files.push(*file);
        Ok(201)
    }

    fn living(&mut self, id: Id) -> Result<&mut Application, Refused> {
        self.applications.get_mut(&id).filter(|application| !application.deleted).ok_or(404)
    }

    fn all_living(&self, ids: &Option<BTreeSet<Id>>) -> Result<(), Refused> {
        let lives = |id: &Id| self.applications.get(id).is_some_and(|application| !application.deleted);
        if ids.iter().flatten().all(lives) { Ok(()) } else { Err(400) }
    }

    fn customer(&mut self, id: Id) -> Result<&mut Customer, Refused> {
        self.customers.get_mut(&id).ok_or(404)
    }

    fn version(&mut self, application: Id, version: Id) -> Result<&mut Version, Refused> {
        self.living(application)?.versions.get_mut(&version).ok_or(404)
    }

    fn living_key(&mut self, number: Id) -> Result<&mut Key, Refused> {
        let key = self.key(number).ok_or(404u16)?;
        Some(&mut self.keys[key]).filter(|key| !key.deleted).ok_or(404)
    }

    /// The applications that a key lists.
    pub fn listed(&self, key: usize) -> Result<BTreeSet<Id>, Refused> {
        let key = self.admitted(key)?;
        Ok(self.applications.keys().copied().filter(|id| self.known(key, *id).is_ok()).collect())
    }

    /// The versions that a key lists of an application, newest first.
    pub fn versions(
        &self,
        key: usize,
        application: Id,
        channel: Option<Channel>,
    ) -> Result<Vec<Id>, Refused> {
        let key = self.admitted(key)?;
        let versions = &self.known(key, application)?.versions;
        let shown = |version: &&Version| {
            version.active && self.reaches(key, version) && self.shows(key, version, channel)
        };
        Ok(versions.iter().rev().filter(|(_, version)| shown(version)).map(|(id, _)| *id).collect())
    }

    /// The file that a key gets.
    pub fn download(&self, key: usize, wanted: Wanted) -> Result<Id, Refused> {
        let key = self.admitted(key)?;
        if !key.downloads {
            return Err(403);
        }
        let versions = &self.known(key, wanted.application)?.versions;
        let version = versions.get(&wanted.version).filter(|version| version.active).ok_or(404u16)?;
        if !self.reaches(key, version) || !self.shows(key, version, wanted.channel) {
            return Err(403);
        }
        let named = |file: Id| version.files.contains(&file).then_some(file);
        wanted.file.map_or(version.files.first().copied(), named).ok_or(404)
    }

    /// The link that a key is lent to a file, and the file.
    pub fn lend(&self, key: usize, wanted: Wanted) -> Result<Link, Refused> {
        let file = self.download(key, wanted)?;
        let wanted = Wanted { file: Some(file), ..wanted };
        Ok(Link { key, wanted, secret: self.keys[key].secret })
    }

    /// What a link gives now.
    pub fn follow(&self, link: Link) -> Result<Id, Refused> {
        if self.keys[link.key].secret != link.secret {
            return Err(401);
        }
        self.download(link.key, link.wanted)
    }

    fn admitted(&self, key: usize) -> Result<&Key, Refused> {
        let key = &self.keys[key];
        match &self.customers[&key.customer] {
            _ if key.deleted || !key.enabled => Err(401),
            customer if !customer.active => Err(403),
            _ => Ok(key),
        }
    }

    fn known(&self, key: &Key, id: Id) -> Result<&Application, Refused> {
        let narrowed = key.applications.as_ref().is_none_or(|ids| ids.contains(&id));
        let shown = |application: &&Application| {
            narrowed
                && !application.deleted
                && application.active
                && application.customers.contains(&key.customer)
        };
        self.applications.get(&id).filter(shown).ok_or(404)
    }

    fn reaches(&self, key: &Key, version: &Version) -> bool {
        version.required.is_none_or(|tier| self.customers[&key.customer].tier >= tier)
    }

    fn shows(&self, key: &Key, version: &Version, asked: Option<Channel>) -> bool {
        let needed = if version.beta { Channel::Beta } else { Channel::Test };
        let entitled =
            key.channels.contains(&needed) || self.customers[&key.customer].channels.contains(&needed);
        (!version.beta && version.enabled) || (asked == Some(needed) && entitled)
    }
}
