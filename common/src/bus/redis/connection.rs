//! One connection that is made when it is needed, and forgotten when it fails.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::sync::Mutex;

use crate::bus::BusError;

/// A place for one connection.
pub(super) struct Slot {
    client: Client,
    patience: Duration,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Slot {
    pub(super) fn new(client: Client, patience: Duration) -> Self {
        Self { client, patience, connection: Mutex::new(None) }
    }

    /// Runs one command. The outer error is ours (no connection, no answer in time), the inner one what Redis said.
    pub(super) async fn call<T>(
        &self,
        command: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<Result<T, RedisError>, BusError> {
        self.call_within(self.patience, command).await
    }

    pub(super) async fn call_within<T>(
        &self,
        patience: Duration,
        command: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<Result<T, RedisError>, BusError> {
        let connection = self.connect().await?;
        // Dropping the future of a command that took too long leaves its answer in the pipe, so the connection goes too.
        match tokio::time::timeout(patience, command(connection)).await {
            Err(_) => {
                *self.connection.lock().await = None;
                Err(BusError::Away("no answer in time".to_owned()))
            }
            Ok(Err(e)) if e.is_io_error() || e.is_connection_dropped() || e.is_timeout() => {
                *self.connection.lock().await = None;
                Ok(Err(e))
            }
            Ok(answer) => Ok(answer),
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, BusError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref() {
            return Ok(connection.clone());
        }
        // redis-rs gives up on an answer after 500 ms by default, which breaks XREAD BLOCK: the patience is ours.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(None);
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|e| BusError::Away(e.category().to_owned()))?;
        *slot = Some(connection.clone());
        Ok(connection)
    }
}
