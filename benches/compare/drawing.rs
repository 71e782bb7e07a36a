//! The rows as a picture: for each work a bar a peer, as long as its cost, where nginx's is always the same length.

use std::fmt::Write as _;

use crate::report::{Line, Report};
use crate::rows::Unit;
use crate::table::costs;

const WIDTH: f64 = 780.0;
/// Where bars begin; names stand to the left of it.
const LEFT: f64 = 245.0;
/// Room for the figures to the right of the longest bar.
const FIGURES: f64 = 155.0;
const BAR: f64 = 13.0;
const GAP: f64 = 14.0;
const HEAD: f64 = 74.0;
/// Beyond so many times nginx's cost a bar is cut, so that the others can still be told apart.
const LONGEST: f64 = 2.0;

/// Colours that hold on white and on dark; the card follows what the reader prefers.
const STYLE: &str = "
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.quiet { fill: #59636e; font-size: 11px }
.card { fill: #ffffff; stroke: #d1d9e0 }
.ours { fill: #0f7b6c } .nginx { fill: #8c959f } .floor { fill: #c9a227 }
.mark { stroke: #cf222e; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .quiet { fill: #9198a1 } .card { fill: #0d1117; stroke: #3d444d }
.ours { fill: #2bb3a0 } .nginx { fill: #6e7681 } .mark { stroke: #ff7b72 }
}
";

/// An SVG document.
pub(crate) fn draw(report: &Report) -> String {
    let lines: Vec<&Line> = report.rows.iter().filter(|line| line.ours.is_some()).collect();
    let longest =
        lines.iter().flat_map(|line| bars(line)).map(|bar| bar.part).fold(1.0, f64::max).min(LONGEST);
    let scale = (WIDTH - LEFT - FIGURES) / longest;
    let mut body = String::new();
    let mut top = HEAD;
    for line in lines {
        top = draw_line(&mut body, line, top, scale) + GAP;
    }
    let machine = &report.machine;
    let about = format!(
        "One core for the server. {}, Linux {}, nginx {}; commit {}",
        machine.cpu, machine.kernel, machine.nginx, machine.commit
    );
    let height = top + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n<title>Server CPU for the same work</title>\n<style>{STYLE}</style>\n<rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        WIDTH - 1.0,
        height - 1.0,
    );
    svg.push_str(&text(16.0, 26.0, "title", "Server CPU for the same work: less is better"));
    svg.push_str(&legend());
    svg.push_str(&body);
    svg.push_str(&text(16.0, height - 12.0, "quiet", &about));
    svg.push_str("</svg>\n");
    svg
}

/// One peer's part in a row.
struct Bar {
    class: &'static str,
    cost: f64,
    /// Of what nginx costs.
    part: f64,
}

fn bars(line: &Line) -> Vec<Bar> {
    let nginx = line.nginx.unwrap_or(1.0);
    let all = [("ours", line.ours), ("nginx", line.nginx), ("floor", line.floor)];
    let bar = |(class, cost): (&'static str, Option<f64>)| {
        let cost = cost?;
        // Ours as in the table: the median of the rounds' ratios, not the ratio of their medians.
        let part = line.against_nginx.filter(|_| class == "ours").unwrap_or(cost / nginx);
        Some(Bar { class, cost, part })
    };
    all.into_iter().filter_map(bar).collect()
}

/// Draws a row from there on; gives where it ends.
fn draw_line(svg: &mut String, line: &Line, top: f64, scale: f64) -> f64 {
    let bars = bars(line);
    let unit = match line.unit {
        Unit::Request => "µs",
        Unit::Gigabyte => "s/GB",
    };
    let mut at = top;
    svg.push_str(&text(16.0, top + BAR - 2.0, "", line.name));
    for bar in &bars {
        let length = (bar.part * scale).min(WIDTH - LEFT - FIGURES);
        let _ = writeln!(
            svg,
            "<rect class=\"{}\" x=\"{LEFT}\" y=\"{at:.1}\" width=\"{length:.1}\" height=\"{}\" rx=\"2\"/>",
            bar.class,
            BAR - 2.0
        );
        let is_cut = length + 0.5 < bar.part * scale;
        let figure = match bar.class {
            "nginx" => format!("{} {unit}", costs(bar.cost, line.unit)),
            _ => format!("{} {unit} = {:.2}×", costs(bar.cost, line.unit), bar.part),
        };
        let figure = if is_cut { format!("⋯ {figure}") } else { figure };
        svg.push_str(&text(LEFT + length + 6.0, at + BAR - 3.0, "quiet", &figure));
        at += BAR;
    }
    if let Some(bar) = line.bar {
        let x = LEFT + bar * scale;
        let (from, to) = (top - 2.0, top + BAR);
        let _ = writeln!(
            svg,
            "<line class=\"mark\" x1=\"{x:.1}\" y1=\"{from:.1}\" x2=\"{x:.1}\" y2=\"{to:.1}\"/>"
        );
    }
    at
}

fn legend() -> String {
    let mut svg = String::new();
    let entries = [("ours", "Tidegate edge"), ("nginx", "nginx"), ("floor", "bare sendfile loop, no checks")];
    let mut x = 16.0;
    for (class, name) in entries {
        let _ =
            writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"40\" width=\"11\" height=\"11\" rx=\"2\"/>");
        svg.push_str(&text(x + 16.0, 50.0, "quiet", name));
        x += 120.0 - if class == "nginx" { 45.0 } else { 0.0 };
    }
    x += 70.0;
    let _ = writeln!(svg, "<line class=\"mark\" x1=\"{x}\" y1=\"39\" x2=\"{x}\" y2=\"52\"/>");
    svg.push_str(&text(x + 8.0, 50.0, "quiet", "the bar that ours is held to"));
    svg
}

fn text(x: f64, y: f64, class: &str, words: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>\n", escape(words))
}

/// Text between tags (XML 1.0 section 2.4).
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("a & <b>"), "a &amp; &lt;b&gt;");
        let svg = draw(&sample());
        assert!(svg.contains("1 KiB &amp; &lt;more&gt;") && !svg.contains("<more>"), "{svg}");
    }

    #[test]
    fn every_peer_of_every_row_has_a_bar_and_what_ours_cannot_do_has_none() {
        let svg = draw(&sample());
        // One of each is in the legend.
        assert_eq!(svg.matches("<rect class=\"ours\"").count(), 1 + 2);
        assert_eq!(svg.matches("<rect class=\"nginx\"").count(), 1 + 2);
        assert_eq!(svg.matches("<rect class=\"floor\"").count(), 1);
        assert!(svg.contains("6.0 µs = 0.60×"), "{svg}");
    }

    #[test]
    fn a_bar_that_is_too_long_is_cut_and_says_so() {
        let mut report = sample();
        report.rows[0].ours = Some(100.0);
        report.rows[0].against_nginx = Some(10.0);
        let svg = draw(&report);
        assert!(svg.contains("⋯ 100.0 µs = 10.00×"), "{svg}");
    }
}
