//! What a machine asks of every documented operation is answered as the document says. `cargo xtask test` provides it.

#[tokio::test]
async fn every_operation_answers_a_machines_questions_as_documented() {
    println!("{}", support::schemathesis::ask(support::schemathesis::Effort::Short).await);
}
