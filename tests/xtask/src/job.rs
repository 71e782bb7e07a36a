//! The command line, parsed.

#[derive(Debug, PartialEq)]
pub(crate) enum Job {
    Help,
    Test { install: bool, filters: Vec<String> },
    ListProofs,
    Prove { name: String },
}

impl Job {
    /// The error says what is wrong with the arguments; the caller adds the usage.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Job, String> {
        let arguments: Vec<String> = arguments.collect();
        if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
            return Ok(Job::Help);
        }
        let (flags, mut words): (Vec<String>, Vec<String>) =
            arguments.into_iter().partition(|a| a.starts_with('-'));
        if words.is_empty() {
            return Err("no command given".to_owned());
        }
        let command = words.remove(0);
        let known = if command == "test" { "--no-install" } else { "" };
        if let Some(flag) = flags.iter().find(|flag| *flag != known) {
            return Err(format!("unknown option {flag}"));
        }
        match (command.as_str(), words.len()) {
            ("help", _) => Ok(Job::Help),
            ("test", _) => Ok(Job::Test { install: flags.is_empty(), filters: words }),
            ("prove", 0) => Ok(Job::ListProofs),
            ("prove", 1) => Ok(Job::Prove { name: words.remove(0) }),
            ("prove", _) => Err("prove takes one name".to_owned()),
            _ => Err(format!("unknown command {command}")),
        }
    }
}

#[test]
fn each_command_line_means_one_job() {
    let parse = |line: &str| Job::parse(line.split_whitespace().map(str::to_owned));
    let test = |install, filters: &[&str]| {
        Ok(Job::Test { install, filters: filters.iter().map(|f| (*f).to_owned()).collect() })
    };
    assert_eq!(parse("test"), test(true, &[]));
    assert_eq!(parse("test --no-install house revoked"), test(false, &["house", "revoked"]));
    assert_eq!(parse("test house --no-install"), test(false, &["house"]));
    assert_eq!(parse("prove"), Ok(Job::ListProofs));
    assert_eq!(parse("prove kill"), Ok(Job::Prove { name: "kill".to_owned() }));
    assert_eq!(parse("--help"), Ok(Job::Help));
    assert_eq!(parse("test -h"), Ok(Job::Help));
    for mistake in ["", "tset", "test --no-instal", "prove a b", "prove --no-install a"] {
        assert!(parse(mistake).is_err(), "{mistake}");
    }
}
