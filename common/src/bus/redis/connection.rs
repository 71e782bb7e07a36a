//! One connection that is made when it is needed, and forgotten when it fails.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, RedisError};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::bounded::Bounded;
use crate::bus::BusError;

/// How much of an answer is taken, and who hears that one was larger.
#[derive(Clone)]
pub(super) struct Bound {
    pub(super) bytes: u64,
    pub(super) overflowed: Arc<AtomicBool>,
}

impl Bound {
    /// Of one connection, of which nobody else hears.
    pub(super) fn alone(bytes: u64) -> Self {
        Self { bytes, overflowed: Arc::default() }
    }
}

/// A place for one connection.
pub(super) struct Slot {
    client: Client,
    patience: Duration,
    bound: Bound,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Slot {
    pub(super) fn new(client: Client, patience: Duration, bound: Bound) -> Self {
        Self { client, patience, bound, connection: Mutex::new(None) }
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
        let connecting = tokio::time::timeout(self.patience, self.make()).await;
        let connection = connecting.map_err(|_| BusError::Away("no connection in time".to_owned()))??;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    async fn make(&self) -> Result<MultiplexedConnection, BusError> {
        // redis-rs gives up on an answer after 500 ms by default, which breaks XREAD BLOCK: the patience is ours.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(None);
        let away = |e: RedisError| BusError::Away(e.category().to_owned());
        let info = self.client.get_connection_info();
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            // What redis-rs encrypts it reads by itself.
            return self.client.get_multiplexed_async_connection_with_config(&config).await.map_err(away);
        };
        let io = |error: std::io::Error| BusError::Away(error.kind().to_string());
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        let stream = Bounded::new(stream, self.bound.bytes, self.bound.overflowed.clone());
        let made = MultiplexedConnection::new_with_config(info.redis_settings(), stream, config).await;
        let (connection, driver) = made.map_err(away)?;
        // Ends with the last handle on the connection.
        tokio::spawn(driver);
        Ok(connection)
    }
}
