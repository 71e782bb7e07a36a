//! Measuring: rounds over all rows, the peers of a row one after the other, so that a change of the machine's mood
//! meets all of them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Failure;
use crate::arguments::Arguments;
use crate::cost::Spent;
use crate::desk::client;
use crate::programs::say;
use crate::rows::{Peer, Row, Target, Unit};
use crate::stage::{OTHER_CORE, Stage};
use crate::wrk::{self, Load};

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
                let load = Load {
                    url: &target.url,
                    headers: &target.headers,
                    connections: row.connections,
                    time: arguments.cell(),
                };
                let cost = cell(&script, target, row.unit, &load).await?;
                say(&format!("round {}, {}, {}: {cost:.2} {}", round + 1, row.name, target.peer, row.unit));
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

async fn cell(script: &Path, target: &Target, unit: Unit, load: &Load<'_>) -> Result<f64, Failure> {
    let before = Spent::of(target.pid)?;
    let served = wrk::run(script, OTHER_CORE, load).await?;
    let spent = Spent::of(target.pid)?.since(&before).as_secs_f64();
    let (work, scale) = match unit {
        Unit::Request => (served.requests, 1e6),
        Unit::Gigabyte => (served.bytes, 1e9),
    };
    match work {
        0 => Err(format!("{} served nothing", load.url).into()),
        #[expect(clippy::cast_precision_loss, reason = "no run serves 2^52 of anything")]
        work => Ok(spent * scale / work as f64),
    }
}

/// All peers give the same answer: the status of the row, and equally many bytes.
async fn agree(row: &Row) -> Result<(), Failure> {
    let mut sizes = Vec::new();
    for target in &row.targets {
        let mut request = client()?.get(&target.url);
        for (name, value) in &target.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await?;
        if answer.status() != row.status {
            return Err(format!("{} is answered {}", target.url, answer.status()).into());
        }
        sizes.push(answer.content_length());
    }
    match sizes.windows(2).all(|pair| pair[0] == pair[1]) {
        true => Ok(()),
        false => Err(format!("{}: bodies of different sizes: {sizes:?}", row.name).into()),
    }
}
