//! The replica as its rooms and its feed see it, with hand-made records on a bus in memory.

mod batches;
mod carriers;
mod denials;
mod feed;
mod followed;
mod freshness;
pub(crate) mod race;
mod restart;
mod snapshot;
pub(crate) mod world;
