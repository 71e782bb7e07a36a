//! The comparison with nginx runs to its end and tells everything. How quick anything is, no test says.

use serde_json::Value;
use support::program::Launch;

#[test]
fn compare_measures_every_row_and_writes_what_it_found() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let launch = Launch::of("compare").arg("--quick").arg("--json").arg(at("report.json"));
    let run = launch.arg("--svg").arg(at("report.svg")).output();
    let told = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{told}");
    let table = String::from_utf8(run.stdout).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(at("report.json")).unwrap()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 12, "{report}");
    for row in rows {
        let name = row["name"].as_str().unwrap();
        assert!(table.contains(name), "{name} is not in\n{table}");
        // Of work that the edge cannot do there is a name alone.
        let is_there = row["rounds"]["ours"].is_array();
        assert_eq!(row["against_nginx"].as_f64().is_some_and(|ratio| ratio > 0.0), is_there, "{row}");
        assert!(row["floor_bar"].is_null() || row["against_floor"].is_f64(), "{row}");
    }
    assert_eq!(report["latency"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(report["memory"].as_array().unwrap().len(), 4, "{report}");
    assert!(std::fs::read_to_string(at("report.svg")).unwrap().ends_with("</svg>\n"));
}
