//! Every documented operation is asked hundreds of times, also in sequences that follow each other.

#[tokio::test]
async fn every_operation_answers_hundreds_of_questions_as_documented() {
    println!("{}", support::schemathesis::ask(support::schemathesis::Effort::Long).await);
}
