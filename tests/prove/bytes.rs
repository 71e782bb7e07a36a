//! Ten thousand readers, who ask for parts, all at once, read slowly and leave early, get the right bytes and leave no
//! descriptor, mapping or memory behind.

#![expect(clippy::unwrap_used, reason = "also outside of the test function itself this is how a proof fails")]

use rand::Rng as _;
use support::Fleet;
use support::readers::Library;

/// Files and mappings that may be open later and were not before: which files are held just then, and two mappings for
/// each thread that blocks.
const MORE: usize = 40;
/// KiB of memory: buffers that are kept to be used again are half of it.
const GROWTH: u64 = 16 * 1024;

struct Held {
    descriptors: usize,
    mappings: usize,
    anonymous: u64,
}

fn held(fleet: &Fleet) -> Vec<Held> {
    let look = |edge: &support::Program| {
        let process = std::path::PathBuf::from(format!("/proc/{}", edge.pid()));
        let maps = std::fs::read_to_string(process.join("maps")).unwrap();
        Held {
            descriptors: process.join("fd").read_dir().unwrap().count(),
            mappings: maps.lines().count(),
            anonymous: edge.memory().anonymous,
        }
    };
    fleet.edges.iter().map(look).collect()
}

#[tokio::test]
async fn ten_thousand_readers_get_their_bytes_and_leave_nothing_behind() {
    let seed = common::runtime::clock::entropy().unwrap().next_u64();
    println!("seed {seed}");
    // The second edge has room for half of the files: it opens and closes them all the time.
    let mut fleet = Fleet::adjusted(2, |number, launch| match number {
        0 => launch,
        _ => launch.env("TIDEGATE_HELD_FILES_MIB", "1"),
    })
    .await;
    let library = Library::gather(&fleet, 24).await;
    library.read(seed, 0..2_000).await;
    let early = held(&fleet);
    library.read(seed, 2_000..10_000).await;
    let late = held(&fleet);
    for (early, late) in early.iter().zip(&late) {
        println!(
            "descriptors {} then {}, mappings {} then {}, RssAnon {} KiB then {} KiB",
            early.descriptors,
            late.descriptors,
            early.mappings,
            late.mappings,
            early.anonymous,
            late.anonymous
        );
        assert!(late.descriptors < early.descriptors + MORE && late.mappings < early.mappings + MORE);
        assert!(late.anonymous < early.anonymous + GROWTH);
    }
    let sent = fleet.stranger(0).to(fleet.private(0)).get("/metrics").await.expect(200);
    let text = String::from_utf8(sent.body).unwrap();
    let line = text.lines().find(|line| line.starts_with("tidegate_edge_zero_copy_bytes_total")).unwrap();
    println!("{line}");
    assert!(!line.ends_with(" 0"));
    fleet.assert_sound();
}
