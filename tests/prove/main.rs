//! The long proofs: full-size faults, scale and kills, which ordinary runs see in a reduced size.
//!
//! A proof is a module here, one file each, whose first line says what it proves. What it does lives in `support` and takes
//! the size as an argument, so that `flow` runs the same thing small. `cargo xtask prove` lists the modules below;
//! `cargo xtask prove NAME` runs one, in release, alone, with its output shown.

mod bytes;
mod cold;
mod cuts;
mod faults;
mod large;
mod limits;
mod machine;
mod partition;
mod poison;
mod random;
mod revocations;
mod schemathesis;
mod slow;
