//! Behaviour through public doors: a file for each thing that a vendor or a customer can do.
#![expect(
    clippy::unwrap_used,
    reason = "also outside of the test functions themselves this is how a test fails"
)]

mod activity;
mod addresses;
mod applications;
mod backups;
mod bindist_client;
mod bus;
mod clients;
mod cold;
mod contract;
mod cors;
mod customers;
mod cut;
mod dev;
mod documents;
mod download;
mod faults;
mod fleet;
mod guides;
mod idempotency;
mod inputs;
mod keys;
mod large;
mod limits;
mod listing;
mod machine;
mod matrix;
mod outage;
mod poison;
mod quota;
mod random;
mod ranges;
mod read_your_writes;
mod refusals;
mod reports;
mod resumable;
mod revocations;
mod revoked_transfers;
mod rotation;
mod servers;
mod sessions;
mod share;
mod slow;
mod sweep;
mod tenants;
mod tiers;
mod updates;
mod upload;
mod upload_inputs;
mod versions;
mod zero_copy;
