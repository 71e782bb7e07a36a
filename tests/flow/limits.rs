//! Limits that hold across edges.

mod arbiter;
mod simulated;
