//! Logs: JSON lines or human lines on stderr.

use std::io::IsTerminal as _;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;

/// The form of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogForm {
    /// A JSON object a line.
    Json,
    /// For eyes.
    Human,
}

impl FromStr for LogForm {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "human" => Ok(Self::Human),
            _ => Err("the log is written as 'json' or 'human'"),
        }
    }
}

impl LogForm {
    /// Human on a terminal, JSON elsewhere.
    #[must_use]
    pub fn of_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Human } else { Self::Json }
    }
}

/// Begins to log. `directives` are those of tracing's `EnvFilter`, like `info` or `warn,edge=debug`. A second call
/// changes nothing.
pub fn begin(form: LogForm, directives: &str) {
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Err means that a subscriber is set already: in tests, where several systems share a process.
    let _ = match form {
        LogForm::Json => builder.json().flatten_event(true).try_init(),
        LogForm::Human => builder.with_target(false).try_init(),
    };
}
