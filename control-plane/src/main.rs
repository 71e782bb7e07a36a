//! The program `tidegate-control-plane`.

use std::process::ExitCode;

fn main() -> ExitCode {
    control_plane::command::run()
}
