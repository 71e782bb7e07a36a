//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Measures the server CPU of an edge, of nginx and of a bare sending loop for the same work, side by side.
#[derive(Parser, Debug)]
#[command(name = "compare")]
pub(crate) struct Arguments {
    /// One second a cell, one round, 1 000 keys: to see that it works
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often each cell is measured; the median counts [default: 3, quick: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: Option<u32>,
    /// Seconds of load a cell [default: 4, quick: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// Further keys that the edge knows [default: 50000, quick: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    keys: Option<u32>,
    /// Only what has this in its name, like `tls` or `64 KiB`
    #[arg(long, value_name = "FILTER")]
    pub(crate) only: Option<String>,
    /// Writes everything measured as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draws the rows
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Where files, configurations and logs of the run lie, and stay [default: a temporary directory that goes]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Where tidegate-edge and tidegate-control-plane are [default: beside this program]
    #[arg(long, value_name = "DIR")]
    pub(crate) programs: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    pub(crate) fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(if self.quick { 1 } else { 4 })
    }

    pub(crate) fn cell(&self) -> Duration {
        Duration::from_secs(self.seconds().into())
    }

    pub(crate) fn keys(&self) -> u32 {
        self.keys.unwrap_or(if self.quick { 1_000 } else { 50_000 })
    }
}

#[test]
fn quick_is_short_and_each_part_of_it_can_be_overruled() {
    let parse = |line: &str| Arguments::parse_from(line.split(' '));
    let plain = parse("compare");
    assert_eq!((plain.rounds(), plain.seconds(), plain.keys()), (3, 4, 50_000));
    let quick = parse("compare --quick --rounds 2 --keys 7");
    assert_eq!((quick.rounds(), quick.seconds(), quick.keys()), (2, 1, 7));
    assert!(Arguments::try_parse_from(["compare", "--rounds", "0"]).is_err());
}
