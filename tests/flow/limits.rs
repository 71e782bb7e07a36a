//! Limits that hold across edges.

mod arbiter;
mod fleet;
mod simulated;
mod tiers;
