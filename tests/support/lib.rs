//! What the tests of behaviour lean on: real parts, started privately, reached through their public doors, ended with
//! their test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what supports a test fails by panicking: that is how a test fails"
)]

pub mod admin;
pub mod arbiter;
pub mod client;
pub mod cold;
pub mod content;
pub mod contract;
pub mod cuts;
pub mod cutting;
pub mod doors;
pub mod eventually;
pub mod faults;
pub mod fleet;
pub mod frames;
pub mod fuzz;
pub mod large;
pub mod machine;
pub mod model;
pub mod multipart;
pub mod nginx;
pub mod paced;
pub mod poison;
pub mod ports;
pub mod program;
pub mod raw;
pub mod readers;
pub mod redis;
pub mod relay;
pub mod reporting;
pub mod revocations;
pub mod running;
pub mod schemathesis;
pub mod simulation;
pub mod slow;
pub mod system;
pub mod tools;
pub mod wire;

pub use admin::{Admin, Key, Stock};
pub use client::{Answer, Client};
pub use doors::Doors;
pub use eventually::{PATIENCE, eventually};
pub use fleet::Fleet;
pub use program::Program;
pub use redis::TestRedis;
pub use system::{System, Vendor};
