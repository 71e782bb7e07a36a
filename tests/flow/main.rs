//! Behaviour through public doors: a file for each thing that a vendor or a customer can do.
#![expect(
    clippy::unwrap_used,
    reason = "also outside of the test functions themselves this is how a test fails"
)]

mod bindist_client;
mod bus;
mod clients;
mod dev;
mod documents;
mod download;
mod guides;
mod keys;
mod large;
mod machine;
mod outage;
mod random;
mod read_your_writes;
mod refusals;
mod servers;
mod upload;
