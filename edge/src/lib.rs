//! The door: answers customers from its own memory, and works while the desk is closed.
//!
//! A download walks forward through the rooms, each of which alone makes the next one's type:
//! [`listen`] a request head, [`request`] an `Ask`, [`keyring`] the key's entry, [`gate`] a `Permit`,
//! [`catalog`] an `Object`, [`deliver`] a `Plan` and its body. [`download`] is that walk, written down. When the body
//! ends, it leaves a `Receipt`, of which [`report`] tells the desk; how far the edge has come, [`acknowledge`] does. While
//! it runs it is entered in [`transfers`], to be cut when its right ends.

pub mod acknowledge;
pub mod admin;
pub mod app;
pub mod caps;
pub mod catalog;
pub mod config;
pub mod deliver;
pub mod download;
pub mod error;
pub mod file_io;
pub mod forward;
pub mod gate;
pub mod keyring;
pub mod listen;
pub mod observe;
pub mod origin;
pub mod replica;
pub mod report;
pub mod request;
pub mod shares;
pub mod transfers;
