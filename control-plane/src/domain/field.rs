//! Fields of commands: their forms and limits, and a collector that keeps every fault of a request.

use std::fmt::Display;

pub use common::fields::FieldFault;

use super::Refusal;

/// What a PATCH does to a field: absent keeps it, null clears it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Edit<T> {
    /// Not mentioned.
    #[default]
    Keep,
    /// Back to its default.
    Clear,
    /// To this.
    Set(T),
}

impl<T> From<Option<Option<T>>> for Edit<T> {
    /// Absent, null, value: as they come out of JSON.
    fn from(value: Option<Option<T>>) -> Self {
        match value {
            None => Self::Keep,
            Some(None) => Self::Clear,
            Some(Some(value)) => Self::Set(value),
        }
    }
}

impl<T> From<Option<T>> for Edit<T> {
    /// Where null means the default, as at creation.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

impl<T> Edit<T> {
    /// Changes `field`, whose default is `cleared`.
    pub(super) fn apply(self, field: &mut T, cleared: impl FnOnce() -> T) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = cleared(),
            Self::Set(value) => *field = value,
        }
    }

    /// Changes an optional field, which is cleared to `None`.
    pub(super) fn apply_optional(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }

    /// The value that is set.
    pub(super) fn set(&self) -> Option<&T> {
        if let Self::Set(value) = self { Some(value) } else { None }
    }
}

/// Collects what is wrong with a request.
#[derive(Default, Debug)]
pub struct Faults(Vec<FieldFault>);

impl Faults {
    /// Notes a fault.
    pub fn note(&mut self, field: &'static str, says: impl Display) {
        self.0.push(FieldFault { field, says: says.to_string() });
    }

    /// The value of a field that may be absent; `None` too when it has a fault, which is then noted.
    pub(super) fn optional<R, T, E: Display>(
        &mut self,
        field: &'static str,
        raw: Option<R>,
        parse: impl FnOnce(R) -> Result<T, E>,
    ) -> Option<T> {
        let parsed = parse(raw?);
        parsed.map_err(|says| self.note(field, says)).ok()
    }

    /// The value of a field that must be there.
    pub(super) fn required<R, T, E: Display>(
        &mut self,
        field: &'static str,
        raw: Option<R>,
        parse: impl FnOnce(R) -> Result<T, E>,
    ) -> Option<T> {
        if raw.is_none() {
            self.note(field, "is required");
        }
        self.optional(field, raw, parse)
    }

    /// The edit of a field, parsed; `Keep` when it has a fault.
    pub(super) fn edit<R, T, E: Display>(
        &mut self,
        field: &'static str,
        raw: Edit<R>,
        parse: impl FnOnce(R) -> Result<T, E>,
    ) -> Edit<T> {
        match raw {
            Edit::Keep => Edit::Keep,
            Edit::Clear => Edit::Clear,
            Edit::Set(raw) => self.optional(field, Some(raw), parse).map_or(Edit::Keep, Edit::Set),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses when there was any fault.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] with all of them.
    pub fn check(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(self.refuse()) }
    }

    /// The refusal, where a required value is known to be missing.
    #[must_use]
    pub fn refuse(self) -> Refusal {
        Refusal::Invalid(self.0)
    }
}

/// A name: one line, 1 to 200 characters after trimming.
pub(super) fn name(text: String) -> Result<String, String> {
    line(200)(text.trim().to_owned())
}

/// One line of 1 to `most` characters.
pub(super) fn line(most: usize) -> impl Fn(String) -> Result<String, String> {
    move |text| {
        let fits = (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits {
            Ok(text)
        } else {
            Err(format!("must be 1 to {most} characters without control characters"))
        }
    }
}

/// Lines of at most `most` characters together; may be empty.
pub(super) fn prose(most: usize) -> impl Fn(String) -> Result<String, String> {
    move |text| {
        let wild = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        let fits = text.chars().count() <= most && !text.chars().any(wild);
        if fits {
            Ok(text)
        } else {
            Err(format!("must be at most {most} characters without control characters"))
        }
    }
}

/// At most 20 words of 1 to 50 characters, trimmed, each once whatever its case.
pub(super) fn words(raw: Vec<String>) -> Result<Vec<String>, String> {
    const MOST: usize = 20;
    let mut words: Vec<String> = Vec::new();
    for word in raw {
        let word =
            line(50)(word.trim().to_owned()).map_err(|_| "each must be 1 to 50 characters".to_owned())?;
        if !words.iter().any(|known| known.eq_ignore_ascii_case(&word)) {
            words.push(word);
        }
    }
    if words.len() <= MOST { Ok(words) } else { Err(format!("must be at most {MOST}")) }
}

/// One of the words of [`words`].
pub(super) fn word(raw: String) -> Result<String, String> {
    line(50)(raw.trim().to_owned())
}

/// The most ids that one request may name.
const MOST_IDS: usize = 1_000;

/// Ids of one kind, each once.
pub(super) fn ids<T: std::str::FromStr<Err = common::id::InvalidId> + PartialEq>(
    raw: Vec<String>,
) -> Result<Vec<T>, String> {
    if raw.len() > MOST_IDS {
        return Err(format!("must be at most {MOST_IDS}"));
    }
    let mut ids: Vec<T> = Vec::with_capacity(raw.len());
    for text in raw {
        let id = text.parse().map_err(|says: common::id::InvalidId| says.to_string())?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Parses by `FromStr`.
pub(super) fn text<T: std::str::FromStr>(raw: String) -> Result<T, T::Err> {
    raw.parse()
}
