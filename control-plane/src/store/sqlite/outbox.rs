//! What the publisher asks: where history stands, what is pending, what is true at an address or in a bucket.

use async_trait::async_trait;
use common::id::TenantId;
use common::wire::Position;
use common::wire::address::Address;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::super::{Mark, Outbox, Pending, Shelf, Stamped, Standing, StoreFault};
use super::fields::{Fields, number};
use super::{Session, applications, broke, customers, keys, sessions, tenants, versions};
use crate::domain::{Announcement, Noun};

const READING: &str = "reading what is to be announced";

/// How a walk reads a table.
macro_rules! walk {
    ($table:literal) => {
        concat!(
            "SELECT * FROM ",
            $table,
            " WHERE bucket = ? AND row > ? AND sequence > 0 ORDER BY row LIMIT ?"
        )
    };
}

#[async_trait]
impl Outbox for Session {
    async fn standing(&mut self) -> Result<Standing, StoreFault> {
        let query = sqlx::query("SELECT epoch, sequence, announced FROM meta");
        let row = query.fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        let fields = Fields::of(&row, READING);
        let position = Position { epoch: fields.number("epoch")?, sequence: fields.number("sequence")? };
        Ok(Standing { position, announced: fields.number("announced")? })
    }

    async fn pending(&mut self, after: u64, most: u64) -> Result<Vec<Pending>, StoreFault> {
        // The inner query finds the write that the last wanted row belongs to, so that it is not torn.
        let query = sqlx::query(
            "SELECT sequence, address, denies FROM outbox WHERE sequence > ?1 AND sequence <= coalesce(
                (SELECT sequence FROM outbox WHERE sequence > ?1 ORDER BY sequence, row LIMIT 1 OFFSET ?2),
                9223372036854775807)
             ORDER BY sequence, row",
        );
        let query = query.bind(number(after)).bind(number(most.saturating_sub(1)));
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(pending).collect()
    }

    async fn record(&mut self, address: &Address) -> Result<Option<Stamped>, StoreFault> {
        let query = match address {
            Address::Tenant(id) => sqlx::query("SELECT * FROM tenants WHERE id = ?").bind(id.to_string()),
            Address::Tier(tenant, name) => {
                let query = sqlx::query("SELECT * FROM tiers WHERE tenant = ? AND name = ?");
                query.bind(tenant.to_string()).bind(name.as_str())
            }
            Address::Customer(tenant, id) => {
                let query = sqlx::query(customers::select!("WHERE c.tenant = ? AND c.id = ?"));
                query.bind(tenant.to_string()).bind(id.as_str())
            }
            Address::Application(tenant, id) => {
                let query = sqlx::query("SELECT * FROM applications WHERE tenant = ? AND id = ?");
                query.bind(tenant.to_string()).bind(id.as_str())
            }
            Address::Version(tenant, application, name) => {
                let query =
                    sqlx::query("SELECT * FROM versions WHERE tenant = ? AND application = ? AND name = ?");
                query.bind(tenant.to_string()).bind(application.as_str()).bind(name.as_str())
            }
            Address::Key(id) => sqlx::query("SELECT * FROM keys WHERE id = ?").bind(id.as_str()),
            Address::Session(id) => sqlx::query("SELECT * FROM sessions WHERE id = ?").bind(id.as_str()),
        };
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        let Some(row) = row else { return Ok(None) };
        let found = stamped(shelf_of(address), &row)?;
        Ok(self.complete(vec![found]).await?.pop())
    }

    async fn shelves(&mut self, bucket: u8) -> Result<Vec<Shelf>, StoreFault> {
        // In the order of `Shelf::ALL`.
        let query = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM tenants WHERE bucket = ?1), EXISTS (SELECT 1 FROM tiers WHERE bucket = ?1),
             EXISTS (SELECT 1 FROM customers WHERE bucket = ?1), EXISTS (SELECT 1 FROM applications WHERE bucket = ?1),
             EXISTS (SELECT 1 FROM versions WHERE bucket = ?1), EXISTS (SELECT 1 FROM keys WHERE bucket = ?1),
             EXISTS (SELECT 1 FROM sessions WHERE bucket = ?1 AND sequence > 0)",
        );
        let row = query.bind(bucket).fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        let mut shelves = Vec::new();
        for (column, shelf) in Shelf::ALL.iter().enumerate() {
            if row.try_get(column).map_err(broke(READING))? {
                shelves.push(*shelf);
            }
        }
        Ok(shelves)
    }

    async fn walk(
        &mut self,
        bucket: u8,
        shelf: Shelf,
        mark: Mark,
        most: u64,
    ) -> Result<(Vec<Stamped>, Mark), StoreFault> {
        let query = sqlx::query(match shelf {
            Shelf::Tenants => walk!("tenants"),
            Shelf::Tiers => walk!("tiers"),
            Shelf::Customers => {
                customers::select!("WHERE bucket = ? AND row > ? AND sequence > 0 ORDER BY row LIMIT ?")
            }
            Shelf::Applications => walk!("applications"),
            Shelf::Versions => walk!("versions"),
            Shelf::Keys => walk!("keys"),
            Shelf::Sessions => walk!("sessions"),
        });
        let query = query.bind(bucket).bind(mark.0).bind(number(most));
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let last = rows.last().map(|row| Fields::of(row, READING).get("row")).transpose()?;
        let found = rows.iter().map(|row| stamped(shelf, row)).collect::<Result<_, _>>()?;
        Ok((self.complete(found).await?, last.map_or(mark, Mark)))
    }
}

fn pending(row: &SqliteRow) -> Result<Pending, StoreFault> {
    let fields = Fields::of(row, READING);
    let announcement = Announcement { address: fields.parsed("address")?, denies: fields.get("denies")? };
    Ok(Pending { sequence: fields.number("sequence")?, announcement })
}

fn shelf_of(address: &Address) -> Shelf {
    match address {
        Address::Tenant(..) => Shelf::Tenants,
        Address::Tier(..) => Shelf::Tiers,
        Address::Customer(..) => Shelf::Customers,
        Address::Application(..) => Shelf::Applications,
        Address::Version(..) => Shelf::Versions,
        Address::Key(..) => Shelf::Keys,
        Address::Session(..) => Shelf::Sessions,
    }
}

fn stamped(shelf: Shelf, row: &SqliteRow) -> Result<Stamped, StoreFault> {
    let fields = Fields::of(row, READING);
    let (address, noun) = match shelf {
        Shelf::Tenants => {
            let tenant = tenants::tenant(row)?;
            (Address::Tenant(tenant.id), Noun::Tenant(tenant))
        }
        Shelf::Tiers => {
            let (tenant, tier): (TenantId, _) = (fields.parsed("tenant")?, tenants::tier(row)?);
            (Address::Tier(tenant, tier.name.clone()), Noun::Tier(tenant, tier))
        }
        Shelf::Customers => {
            let customer = customers::customer(row)?;
            (customer.address(), Noun::Customer(customer))
        }
        Shelf::Applications => {
            let application = applications::application(row)?;
            (application.address(), Noun::Application(application))
        }
        Shelf::Versions => {
            let version = versions::version(row)?;
            (version.address(), Noun::Version(version))
        }
        Shelf::Keys => {
            let key = keys::key(row)?;
            (key.address(), Noun::Key(key))
        }
        Shelf::Sessions => {
            let session = sessions::session(row)?;
            (session.address(), Noun::Session(session))
        }
    };
    Ok(Stamped { address, sequence: fields.number("sequence")?, noun })
}

impl Session {
    /// Gives versions their files.
    async fn complete(&mut self, found: Vec<Stamped>) -> Result<Vec<Stamped>, StoreFault> {
        let mut complete = Vec::with_capacity(found.len());
        let (mut stamps, mut bare) = (Vec::new(), Vec::new());
        for Stamped { address, sequence, noun } in found {
            match noun {
                Noun::Version(version) => {
                    stamps.push((address, sequence));
                    bare.push(version);
                }
                noun => complete.push(Stamped { address, sequence, noun }),
            }
        }
        if !bare.is_empty() {
            let versions = stamps.into_iter().zip(self.with_files(bare).await?);
            let versions = versions.map(|((address, sequence), version)| Stamped {
                address,
                sequence,
                noun: Noun::Version(version),
            });
            complete.extend(versions);
        }
        Ok(complete)
    }
}
