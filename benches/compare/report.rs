//! What a run has found: the form that is written as JSON, and that the table and the picture are made from.

use serde::Serialize;

use crate::arguments::Arguments;
use crate::cells::Cells;
use crate::machine::Machine;
use crate::rows::{Peer, Row, Unit};
use crate::statistics::median;

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) rows: Vec<Line>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) memory: Vec<Memory>,
}

/// How it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) keys: u32,
}

impl Settings {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        Self { rounds: arguments.rounds(), seconds: arguments.seconds(), keys: arguments.keys() }
    }
}

/// One work: medians over the rounds, and ratios of what was measured in the same round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) ours: Option<f64>,
    pub(crate) nginx: Option<f64>,
    pub(crate) floor: Option<f64>,
    pub(crate) against_nginx: Option<f64>,
    pub(crate) bar: Option<f64>,
    pub(crate) against_floor: Option<f64>,
    pub(crate) floor_bar: Option<f64>,
    /// Nothing where there is no bar. What the edge cannot do at all does not meet its bar.
    pub(crate) met: Option<bool>,
    pub(crate) rounds: Cells,
}

impl Line {
    pub(crate) fn of(row: &Row, cells: &Cells) -> Self {
        let cost = |peer| cells.get(&peer).and_then(|costs| median(costs));
        let against = |peer| {
            let (ours, others) = (cells.get(&Peer::Ours)?, cells.get(&peer)?);
            let ratios: Vec<f64> = ours.iter().zip(others).map(|(ours, other)| ours / other).collect();
            median(&ratios)
        };
        let (against_nginx, against_floor) = (against(Peer::Nginx), against(Peer::Floor));
        let keeps =
            |bar: Option<f64>, ratio: Option<f64>| bar.map(|bar| ratio.is_some_and(|ratio| ratio <= bar));
        let verdicts = [keeps(row.bar, against_nginx), keeps(row.floor_bar, against_floor)];
        let met = verdicts.into_iter().flatten().reduce(|all, one| all && one);
        Self {
            name: row.name,
            unit: row.unit,
            ours: cost(Peer::Ours),
            nginx: cost(Peer::Nginx),
            floor: cost(Peer::Floor),
            against_nginx,
            bar: row.bar,
            against_floor,
            floor_bar: row.floor_bar,
            met,
            rounds: cells.clone(),
        }
    }
}

/// How long requests take that come at a steady rate: medians over the rounds, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) name: &'static str,
    /// Requests per second, the same for both: half of what the slower of them can do.
    pub(crate) rate: f64,
    pub(crate) ours: Percentiles,
    pub(crate) nginx: Percentiles,
    /// Whether our p99 is at most nginx's.
    pub(crate) met: bool,
}

/// Parts of the requests that took at most so many microseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

/// Anonymous memory.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) name: String,
    pub(crate) ours: u64,
    pub(crate) nginx: Option<u64>,
    pub(crate) bar: Option<u64>,
    pub(crate) met: Option<bool>,
}

impl Memory {
    pub(crate) fn new(name: String, ours: u64, nginx: Option<u64>, bar: Option<u64>) -> Self {
        Self { name, ours, nginx, bar, met: bar.map(|bar| ours <= bar) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::machine::Cores;

    fn row(bar: Option<f64>, floor_bar: Option<f64>) -> Row {
        let (name, unit, targets) = ("1 KiB & <more>", Unit::Request, Vec::new());
        Row { name, unit, connections: 64, status: 200, is_file: true, targets, bar, floor_bar }
    }

    /// A report with one line that meets its bar, one that does not, and one of work that ours cannot do.
    pub(crate) fn sample() -> Report {
        let cells = Cells::from([(Peer::Ours, vec![5.0, 7.0, 6.0]), (Peer::Nginx, vec![10.0, 10.0, 10.0])]);
        let lines = [Some(0.7), Some(0.5)].map(|bar| Line::of(&row(bar, None), &cells));
        let absent = Line::of(&row(Some(1.0), None), &Cells::new());
        let text = || "x".to_owned();
        let machine = Machine {
            cpu: text(),
            cores: Cores { server: 0, load: 1 },
            kernel: text(),
            congestion_control: text(),
            nginx: text(),
            commit: text(),
            build: "release",
        };
        let (ours, nginx) = (Percentiles { p99: 90.0, ..Percentiles::default() }, Percentiles::default());
        let latency = Latency { name: "p99, 1 KiB", rate: 10_000.0, ours, nginx, met: false };
        Report {
            machine,
            settings: Settings { rounds: 3, seconds: 4, keys: 5 },
            rows: lines.into_iter().chain([absent]).collect(),
            latency: vec![latency],
            memory: vec![Memory::new("idle connection".to_owned(), 17 << 10, Some(1_000), Some(16 << 10))],
        }
    }

    #[test]
    fn medians_are_held_against_both_bars() {
        let cells = Cells::from([
            (Peer::Ours, vec![5.0, 8.0, 6.0]),
            (Peer::Nginx, vec![10.0, 10.0, 20.0]),
            (Peer::Floor, vec![5.0, 4.0, 4.0]),
        ]);
        let check = |bar, floor_bar, met| {
            let line = Line::of(&row(bar, floor_bar), &cells);
            assert_eq!(
                (line.ours, line.against_nginx, line.against_floor),
                (Some(6.0), Some(0.5), Some(1.5))
            );
            assert_eq!(line.met, met, "{bar:?} {floor_bar:?}");
        };
        check(Some(0.5), Some(1.5), Some(true));
        check(Some(0.5), Some(1.4), Some(false));
        check(Some(0.4), None, Some(false));
        check(None, None, None);
        assert_eq!(Line::of(&row(Some(1.0), None), &Cells::new()).met, Some(false));
    }

    #[test]
    fn the_report_is_json() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["rows"][0]["unit"], "µs/request");
        assert_eq!(json["rows"][0]["rounds"]["ours"][1], 7.0);
        assert_eq!(json["rows"][1]["met"], false);
        assert_eq!(json["machine"]["cores"]["load"], 1);
        assert_eq!(json["memory"][0]["met"], false);
    }
}
