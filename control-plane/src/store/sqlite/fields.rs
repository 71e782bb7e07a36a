//! Columns of a row as the types of the house. What does not fit its type is a fault: the file was tampered with.

use std::error::Error;
use std::str::FromStr;

use common::digest::Digest;
use common::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Sqlite, Type};

use super::{StoreFault, broke};

/// The columns of one row of a table.
pub(super) struct Fields<'a> {
    row: &'a SqliteRow,
    doing: &'static str,
}

impl<'a> Fields<'a> {
    /// `doing` says in a fault what was being read.
    pub(super) fn of(row: &'a SqliteRow, doing: &'static str) -> Self {
        Self { row, doing }
    }

    pub(super) fn get<T: Decode<'a, Sqlite> + Type<Sqlite>>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreFault> {
        self.row.try_get(column).map_err(broke(self.doing))
    }

    /// By `FromStr`.
    pub(super) fn parsed<T>(&self, column: &'static str) -> Result<T, StoreFault>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        self.get::<&str>(column)?.parse().map_err(|fault| StoreFault::new(self.doing, fault))
    }

    pub(super) fn parsed_optional<T>(&self, column: &'static str) -> Result<Option<T>, StoreFault>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        let text: Option<&str> = self.get(column)?;
        text.map(|text| text.parse().map_err(|fault| StoreFault::new(self.doing, fault))).transpose()
    }

    /// From a JSON array.
    pub(super) fn list<T: DeserializeOwned>(&self, column: &'static str) -> Result<Vec<T>, StoreFault> {
        serde_json::from_str(self.get(column)?).map_err(|fault| StoreFault::new(self.doing, fault))
    }

    pub(super) fn list_optional<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<Vec<T>>, StoreFault> {
        let text: Option<&str> = self.get(column)?;
        text.map(|text| serde_json::from_str(text).map_err(|fault| StoreFault::new(self.doing, fault)))
            .transpose()
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StoreFault> {
        self.get(column).map(Timestamp::from_millis)
    }

    pub(super) fn time_optional(&self, column: &'static str) -> Result<Option<Timestamp>, StoreFault> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_millis))
    }

    /// A number of the type that the house computes with.
    pub(super) fn number<T>(&self, column: &'static str) -> Result<T, StoreFault>
    where
        T: TryFrom<i64, Error: Error + Send + Sync + 'static>,
    {
        self.get::<i64>(column)?.try_into().map_err(|fault| StoreFault::new(self.doing, fault))
    }

    pub(super) fn number_optional<T>(&self, column: &'static str) -> Result<Option<T>, StoreFault>
    where
        T: TryFrom<i64, Error: Error + Send + Sync + 'static>,
    {
        let number: Option<i64> = self.get(column)?;
        number.map(|number| number.try_into().map_err(|fault| StoreFault::new(self.doing, fault))).transpose()
    }

    pub(super) fn digest(&self, column: &'static str) -> Result<Digest, StoreFault> {
        let bytes: &[u8] = self.get(column)?;
        bytes.try_into().map(Digest).map_err(|fault| StoreFault::new(self.doing, fault))
    }

    pub(super) fn digest_optional(&self, column: &'static str) -> Result<Option<Digest>, StoreFault> {
        let bytes: Option<&[u8]> = self.get(column)?;
        bytes
            .map(|bytes| bytes.try_into().map(Digest).map_err(|fault| StoreFault::new(self.doing, fault)))
            .transpose()
    }
}

/// A list as a JSON array.
pub(super) fn json<T: Serialize>(items: &[T]) -> Result<String, sqlx::Error> {
    serde_json::to_string(items).map_err(|fault| sqlx::Error::Encode(fault.into()))
}

/// A count as SQLite keeps it, whose integers are signed. No count of ours comes near the end of them.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
