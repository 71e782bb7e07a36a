//! The language of both planes: what a key, a policy, a record and a route are, and how they travel.
//!
//! Without features this crate is pure: no IO, no clock, no async runtime. Time and randomness are arguments.
//! `bus` adds the carriers of [`wire`] records, `runtime` what every program needs to start and stop.
#![warn(missing_docs)]

pub mod catalog;
pub mod cors;
pub mod credential;
pub mod cursor;
pub mod digest;
pub mod fields;
pub mod id;
pub mod key;
pub mod limit;
pub mod mac;
pub mod network;
pub mod openapi;
pub mod page;
pub mod policy;
pub mod problem;
pub mod proof;
pub mod routes;
pub mod scope;
pub mod secret;
pub mod session;
pub mod tenancy;
mod text;
pub mod tier;
pub mod time;
pub mod wire;

#[cfg(feature = "bus")]
pub mod bus;
#[cfg(feature = "runtime")]
pub mod runtime;
