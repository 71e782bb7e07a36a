//! The desk: takes commands, keeps the truth, announces it.
//!
//! A write walks forward through these rooms: `api` reads it into a command and lets the caller in or not, `domain`
//! decides, `store` writes what was decided in one transaction, `publish` tells the edges. Bytes go through `uploads`.
//! What edges report comes back through `ingest`, how far they have come through `fleet`. `app` puts the rooms together.

mod api;
pub mod app;
pub mod backup;
pub mod command;
pub mod config;
pub mod domain;
mod error;
mod feed;
mod fleet;
pub mod ingest;
mod metrics;
pub mod publish;
pub mod store;
mod uploads;
