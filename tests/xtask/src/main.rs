//! `cargo xtask`: everything that a contributor runs besides cargo itself. It has no dependencies, so that it starts in seconds.

use std::io::Write;
use std::process::ExitCode;

mod debian;
mod job;
mod proofs;
mod python;
mod steps;

use job::Job;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  test [--no-install] [FILTER…]   run all tests, or those whose name contains a FILTER; a FILTER that names
                                  a test target (house, flow, schemathesis, compare) runs that target. What the tests
                                  need from Debian is installed when it is missing, and schemathesis into the
                                  target directory; --no-install refuses instead
  prove [NAME]                    list the long proofs, or run one in release

Exit codes: 0 ok, 1 failed, 2 usage";

fn main() -> ExitCode {
    let job = match Job::parse(std::env::args().skip(1)) {
        Ok(job) => job,
        Err(mistake) => {
            say(&format!("{mistake}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    match run(job) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => {
            say(&text);
            ExitCode::from(2)
        }
        Err(Failure::Failed(text)) => {
            say(&format!("xtask: {text}"));
            ExitCode::FAILURE
        }
    }
}

fn run(job: Job) -> Result<(), Failure> {
    match job {
        Job::Help => {
            answer(USAGE);
            Ok(())
        }
        Job::Test { install, filters } => {
            debian::provide(install)?;
            if python::is_asked(&filters) {
                python::provide(install)?;
            }
            steps::run(&steps::tests(&filters))
        }
        Job::ListProofs => {
            answer(&proofs::list()?);
            Ok(())
        }
        Job::Prove { name } => {
            proofs::require(&name)?;
            debian::provide(true)?;
            if name == "schemathesis" {
                python::provide(true)?;
            }
            steps::run(&steps::proof(&name))
        }
    }
}

/// Why a job ended badly: the exit code follows from it.
#[derive(Debug)]
enum Failure {
    Usage(String),
    Failed(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure::Failed(text)
    }
}

/// What was asked for. Nobody listening is no failure, here and below.
fn answer(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// What is being done, and what went wrong.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
