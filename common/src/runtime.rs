//! What every program of the house needs to start, tell and stop.

pub mod clock;
pub mod lifecycle;
pub mod settings;
pub mod telemetry;

/// Exit code of a program that was drained.
pub const EXIT_OK: u8 = 0;
/// Exit code of a program that could not start or broke.
pub const EXIT_FAILED: u8 = 1;
/// Exit code of a program whose settings are wrong (`EX_USAGE` of sysexits).
pub const EXIT_SETTINGS: u8 = 64;
