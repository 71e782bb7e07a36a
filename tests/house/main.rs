//! The rules of the house that no compiler knows: who may depend on whom, what a file may say, which samples must hold.
//!
//! Every checker is a pure function over text and has a test that shows it failing; what fails names file and line, the rule,
//! and what to do instead.

mod code;
mod samples;
mod source;
mod tidy;
mod walls;
mod words;

/// What a failing house test prints: everything that is wrong, at once.
fn report(breaches: &[String]) -> String {
    format!("\n{} breaches of the house's rules:\n{}\n", breaches.len(), breaches.join("\n"))
}
