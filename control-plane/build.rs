//! Migrations are embedded by a macro that cargo does not see: a new one must build the crate anew.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
