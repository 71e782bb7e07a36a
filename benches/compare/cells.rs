//! Measuring: rounds over all rows, the peers of a row one after the other, so that a change of the machine's mood
//! meets all of them.

use std::collections::BTreeMap;
use std::path::Path;

use common::digest::Digest;

use crate::Failure;
use crate::arguments::Arguments;
use crate::cost::Spent;
use crate::programs::say;
use crate::rows::{Peer, Row, Unit};
use crate::stage::Stage;
use crate::targets::Target;
use crate::wrk::{self, Load};

/// Bodies up to this size are compared byte by byte before anything is measured; of larger ones, the sizes.
const COMPARED: u64 = 1 << 20;

/// What one row has cost each peer, a value a round, in the row's unit.
pub(crate) type Cells = BTreeMap<Peer, Vec<f64>>;

/// Every row, as often as wanted.
pub(crate) async fn measure(
    stage: &Stage,
    rows: &[Row],
    arguments: &Arguments,
) -> Result<Vec<Cells>, Failure> {
    for row in rows {
        agree(row).await?;
    }
    let script = wrk::script(&stage.directory)?;
    let mut measured = vec![Cells::new(); rows.len()];
    for round in 0..arguments.rounds() {
        for (row, cells) in rows.iter().zip(&mut measured) {
            for target in order(&row.targets, round) {
                let load = Load { target, connections: row.connections, time: arguments.cell() };
                let cost = cell(&script, stage.cores.load, row.unit, &load).await?;
                say(&format!("round {}: {}: {} {cost:.2} {}", round + 1, row.name, target.peer, row.unit));
                cells.entry(target.peer).or_default().push(cost);
            }
        }
    }
    Ok(measured)
}

/// Whoever is first in one round is last in the next.
fn order(targets: &[Target], round: u32) -> Vec<&Target> {
    let mut order: Vec<&Target> = targets.iter().collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

async fn cell(script: &Path, core: usize, unit: Unit, load: &Load<'_>) -> Result<f64, Failure> {
    let before = Spent::of(load.target.pid)?;
    let served = wrk::run(script, core, load).await?;
    let spent = Spent::of(load.target.pid)?.since(&before).as_secs_f64();
    let (work, scale) = match unit {
        Unit::Request => (served.requests, 1e6),
        Unit::Gigabyte => (served.bytes, 1e9),
    };
    match work {
        0 => Err(format!("{} served nothing", load.target.url).into()),
        #[expect(clippy::cast_precision_loss, reason = "no run serves 2^52 of anything")]
        work => Ok(spent * scale / work as f64),
    }
}

/// All peers give the same answer to who has the key; and who has another gets none of those that check keys.
async fn agree(row: &Row) -> Result<(), Failure> {
    let mut answers = Vec::new();
    for target in &row.targets {
        let told = target.ask().await?;
        if told.status != row.status {
            return Err(format!("{} is answered {}, not {}", target.url, told.status, row.status).into());
        }
        let is_compared = row.is_file && told.length <= COMPARED;
        let digest = if is_compared { Some(Digest::of(&told.answer.bytes().await?)) } else { None };
        answers.push((told.length, digest));
        let stranger = target
            .with("Authorization", "Bearer 00000000-0000-4000-8000-000000000000.nobodys-secret-this-is");
        let status = stranger.ask().await?.status;
        if target.peer != Peer::Floor && status != 401 {
            return Err(format!("{} is answered {status} without a key", target.url).into());
        }
    }
    match answers.windows(2).all(|pair| pair[0] == pair[1]) {
        true => Ok(()),
        false => Err(format!("{}: different answers: {answers:?}", row.name).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_always_first() {
        let target = |peer| Target { peer, pid: 1, url: String::new(), headers: Vec::new() };
        let targets = [target(Peer::Ours), target(Peer::Nginx)];
        let first = |round| order(&targets, round)[0].peer;
        assert_eq!([first(0), first(1), first(2)], [Peer::Ours, Peer::Nginx, Peer::Ours]);
    }
}
