//! Files go out without a copy, and as what they are, whatever clients do and whatever is held or let go meanwhile.

use edge::file_io::sent_from_files;
use rand::Rng as _;
use support::readers::Library;
use support::{Client, System};

/// A seed that a failure has printed, to see it again.
const SEED: Option<u64> = None;

#[tokio::test]
async fn every_reader_gets_its_bytes_with_copies_and_without_and_while_files_are_let_go() {
    let system = System::adjusted(3, |edge, config| {
        config.zero_copy = edge != 1;
        // Room for hardly any: each file that is opened drives out another, which may be under way.
        config.held_files = if edge == 2 { 20_000 } else { 64 << 20 };
    })
    .await;
    let library = Library::gather(&system, 2).await;
    let seed = SEED.unwrap_or_else(|| common::runtime::clock::entropy().unwrap().next_u64());
    println!("seed {seed}");
    library.read(seed, 0..300).await;
}

#[tokio::test]
async fn clear_text_is_sent_from_the_file() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("sent").await;
    let bytes = support::content::bytes(1, 3 << 20);
    let fields = [("applicationId", "sent"), ("version", "2.0.0")];
    system.admin(0).upload(&fields, "large.bin", &bytes).await.expect(201);
    let client: Client = system.client(0, &stock.key.text);
    let before = sent_from_files();
    let got = client.get("/v1/download/sent/2.0.0/large.bin").await.expect(200);
    assert!(got.body == bytes);
    // hyper does not promise to hand the slices of a body on as they are: here is seen that it does. Counted is what was
    // sent when the call has returned: the client may have it before.
    support::eventually(support::PATIENCE, || async {
        let sent = sent_from_files() - before;
        if sent >= 3 << 20 { Ok(()) } else { Err(format!("{sent} bytes")) }
    })
    .await;
}
