//! The report for a terminal.

use crate::report::{Latency, Line, Memory, Percentiles, Report};
use crate::rows::Unit;

/// All of it.
pub(crate) fn print(report: &Report) -> String {
    let (machine, settings) = (&report.machine, &report.settings);
    let about = format!(
        "{}, Linux {}, {}, nginx {}; commit {} ({} build); {} × {} s, {} keys\n",
        machine.cpu,
        machine.kernel,
        machine.congestion_control,
        machine.nginx,
        machine.commit,
        machine.build,
        settings.rounds,
        settings.seconds,
        settings.keys,
    );
    let rows: Vec<Vec<String>> = report.rows.iter().map(line).collect();
    let latency: Vec<Vec<String>> = report.latency.iter().map(steady).collect();
    let memory: Vec<Vec<String>> = report.memory.iter().map(held).collect();
    let parts = [
        about,
        grid("server CPU|unit|ours|nginx|floor|ours÷nginx|bar|ours÷floor|bar|", &rows),
        grid("latency, µs|requests/s|ours p50|p99|p99.9|nginx p50|p99|p99.9|", &latency),
        grid("memory, KiB|ours|nginx|bar|", &memory),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<String>>().join("\n")
}

fn line(line: &Line) -> Vec<String> {
    let cost = |cost: Option<f64>| cost.map(|cost| costs(cost, line.unit)).unwrap_or_default();
    let verdict = if line.ours.is_none() { "not there" } else { verdict(line.met) };
    vec![
        line.name.to_owned(),
        line.unit.to_string(),
        cost(line.ours),
        cost(line.nginx),
        cost(line.floor),
        ratio(line.against_nginx, ""),
        ratio(line.bar, "≤ "),
        ratio(line.against_floor, ""),
        ratio(line.floor_bar, "≤ "),
        verdict.to_owned(),
    ]
}

/// A cost with as many digits as mean something.
pub(crate) fn costs(cost: f64, unit: Unit) -> String {
    match unit {
        Unit::Request => format!("{cost:.1}"),
        Unit::Gigabyte => format!("{cost:.3}"),
    }
}

fn ratio(ratio: Option<f64>, before: &str) -> String {
    ratio.map(|ratio| format!("{before}{ratio:.2}")).unwrap_or_default()
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "NOT MET",
        None => "",
    }
}

fn steady(latency: &Latency) -> Vec<String> {
    let percentiles = |p: Percentiles| [p.p50, p.p99, p.p999].map(|micros| format!("{micros:.0}"));
    let mut cells = vec![latency.name.to_owned(), format!("{:.0}", latency.rate)];
    cells.extend(percentiles(latency.ours));
    cells.extend(percentiles(latency.nginx));
    cells.push(verdict(Some(latency.met)).to_owned());
    cells
}

fn held(memory: &Memory) -> Vec<String> {
    let kibibytes = |bytes: u64| format!("{}.{}", bytes >> 10, ((bytes & 1023) * 10) >> 10);
    vec![
        memory.name.clone(),
        kibibytes(memory.ours),
        memory.nginx.map(kibibytes).unwrap_or_default(),
        memory.bar.map(|bar| format!("≤ {}", bar >> 10)).unwrap_or_default(),
        verdict(memory.met).to_owned(),
    ]
}

/// Columns as wide as their widest cell: the first to the left, numbers to the right. Nothing without rows.
fn grid(head: &str, rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head: Vec<String> = head.split('|').map(str::to_owned).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in all {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            last if last + 1 == row.len() => cell.clone(),
            _ => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<String>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn columns_are_aligned_and_each_bar_has_its_verdict() {
        insta::assert_snapshot!(print(&sample()), @r"
        x, Linux x, x, nginx x; commit x (release build); 3 × 4 s, 5 keys

        server CPU            unit  ours  nginx  floor  ours÷nginx     bar  ours÷floor  bar
        1 KiB & <more>  µs/request   6.0   10.0               0.60  ≤ 0.70                   met
        1 KiB & <more>  µs/request   6.0   10.0               0.60  ≤ 0.50                   NOT MET
        1 KiB & <more>  µs/request                                  ≤ 1.00                   not there

        latency, µs  requests/s  ours p50  p99  p99.9  nginx p50  p99  p99.9
        p99, 1 KiB        10000         0   90      0          0    0      0  NOT MET

        memory, KiB      ours  nginx   bar
        idle connection  17.0    0.9  ≤ 16  NOT MET
        ");
    }
}
