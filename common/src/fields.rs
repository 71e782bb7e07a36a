//! Reads the fields of a body, a form or a query by their JSON types, and collects what is wrong with them, so that
//! a caller is told all of it at once. What forms they must have is for those to say who ask.
//!
//! A field that is absent is `None`, one that is null `Some(None)`: null clears what is there, absence leaves it.

mod json;

use std::fmt::{self, Display};
use std::ops::RangeInclusive;

pub use self::json::Json;
use crate::problem::{Code, Problem};

/// A field that does not have its form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldFault {
    /// Its name in the request.
    pub field: &'static str,
    /// What it must be, like "must be 1 to 200 characters".
    pub says: String,
}

impl Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Forms that name their field themselves are not given it twice.
        if self.says.starts_with(self.field) {
            f.write_str(&self.says)
        } else {
            write!(f, "{}: {}", self.field, self.says)
        }
    }
}

/// What was sent for a field: nothing, null, or a value.
pub type Sent<T> = Option<Option<T>>;

/// The fields of one request while they are read.
#[derive(Debug, Default)]
pub struct Fields {
    sent: Vec<(String, Json)>,
    /// Forms and queries know only texts: numbers, flags and lists are read from them, and an empty text is null.
    from_texts: bool,
    faults: Vec<FieldFault>,
}

/// More fields than any route has are not worth reading.
const MOST_FIELDS: usize = 200;

impl Fields {
    /// The fields of a JSON body; no body at all has none.
    ///
    /// # Errors
    /// When it is not a JSON object, or has more fields than any route takes.
    pub fn of_json(body: &[u8]) -> Result<Self, Problem> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(Json::Object(sent)) if sent.len() <= MOST_FIELDS => Ok(Self { sent, ..Self::default() }),
            Ok(Json::Object(_)) => Err(invalid_json("The body has too many fields".to_owned())),
            Ok(other) => Err(invalid_json(format!("The body must be a JSON object, not {}", other.kind()))),
            Err(e) => {
                Err(invalid_json(format!("The body is not JSON: line {} column {}", e.line(), e.column())))
            }
        }
    }

    /// The fields of a form.
    pub fn of_texts(texts: impl IntoIterator<Item = (String, String)>) -> Self {
        let sent = texts.into_iter().map(|(name, text)| (name, Json::Text(text))).collect();
        Self { sent, from_texts: true, faults: Vec::new() }
    }

    /// Notes what is wrong with a field; once, however often it is read.
    pub fn fault(&mut self, field: &'static str, says: impl Into<String>) {
        let fault = FieldFault { field, says: says.into() };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// A text, as it is.
    pub fn text(&mut self, name: &'static str) -> Sent<String> {
        self.read(name, |value, _| text_of(value).map(str::to_owned))
    }

    /// A text that must be there and not be empty; otherwise that is noted.
    pub fn required_text(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name).flatten().filter(|text| !text.is_empty());
        if text.is_none() && !self.faults.iter().any(|known| known.field == name) {
            self.fault(name, "is required");
        }
        text
    }

    /// True or false.
    pub fn flag(&mut self, name: &'static str) -> Sent<bool> {
        self.read(name, |value, from_texts| match value {
            Json::Flag(flag) => Ok(*flag),
            Json::Text(text) if from_texts => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => Err("must be true or false".to_owned()),
            },
            other => Err(format!("must be true or false, not {}", other.kind())),
        })
    }

    /// True or false; null means the default.
    pub fn flag_or(&mut self, name: &'static str, default: bool) -> Option<bool> {
        self.flag(name).map(|sent| sent.unwrap_or(default))
    }

    /// A whole number that is not negative.
    pub fn whole(&mut self, name: &'static str) -> Sent<u64> {
        self.whole_within(name, 0..=u64::MAX)
    }

    /// A whole number within bounds.
    pub fn whole_within(&mut self, name: &'static str, bounds: RangeInclusive<u64>) -> Sent<u64> {
        self.read(name, |value, from_texts| {
            let number = match value {
                Json::Number(number) => number.as_u64(),
                Json::Text(text) if from_texts => text.trim().parse().ok(),
                other => return Err(format!("must be a whole number, not {}", other.kind())),
            };
            let says = || match bounds.end() {
                &u64::MAX => format!("must be a whole number from {}", bounds.start()),
                end => format!("must be a whole number from {} to {end}", bounds.start()),
            };
            number.filter(|number| bounds.contains(number)).ok_or_else(says)
        })
    }

    /// A list of texts, or one text with commas. In a query the field may also be repeated.
    pub fn texts(&mut self, name: &'static str) -> Sent<Vec<String>> {
        if self.from_texts {
            self.join_repeated(name);
        }
        self.read(name, |value, _| match value {
            Json::Text(text) => {
                Ok(text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect())
            }
            Json::List(items) => items.iter().map(|item| text_of(item).map(str::to_owned)).collect(),
            other => Err(format!("must be a list of texts, not {}", other.kind())),
        })
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Json, bool) -> Result<T, String>,
    ) -> Sent<T> {
        let mut values = self.sent.iter().filter(|(sent, _)| sent == name).map(|(_, value)| value);
        let (first, second) = (values.next()?, values.next());
        let outcome = match (first, second) {
            (_, Some(_)) => Err("is sent more than once".to_owned()),
            (Json::Null, None) => return Some(None),
            (Json::Text(text), None) if self.from_texts && text.is_empty() => return Some(None),
            (value, None) => parse(value, self.from_texts),
        };
        outcome.map_err(|says| self.fault(name, says)).ok().map(Some)
    }

    /// True as long as nothing that was read was wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// Everything that was wrong.
    #[must_use]
    pub fn into_faults(self) -> Vec<FieldFault> {
        self.faults
    }

    fn join_repeated(&mut self, name: &str) {
        let (repeated, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.sent).into_iter().partition(|(sent, _)| sent == name);
        self.sent = others;
        let texts: Vec<&str> = repeated.iter().filter_map(|(_, value)| text_of(value).ok()).collect();
        if !texts.is_empty() {
            self.sent.push((name.to_owned(), Json::Text(texts.join(","))));
        }
    }
}

fn text_of(value: &Json) -> Result<&str, String> {
    match value {
        Json::Text(text) => Ok(text),
        other => Err(format!("must be a text, not {}", other.kind())),
    }
}

fn invalid_json(message: String) -> Problem {
    Problem::new(Code::Validation, "invalid_json", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Read = (Sent<String>, Sent<bool>, Sent<u64>, Sent<Vec<String>>);

    fn read(mut fields: Fields) -> Result<Read, String> {
        let read = (
            fields.text("name"),
            fields.flag("flag"),
            fields.whole_within("count", 1..=9),
            fields.texts("tags"),
        );
        let faults: Vec<String> = fields.into_faults().iter().map(FieldFault::to_string).collect();
        if faults.is_empty() { Ok(read) } else { Err(faults.join("; ")) }
    }

    fn json(body: &str) -> Result<Read, String> {
        read(Fields::of_json(body.as_bytes()).map_err(|problem| problem.message)?)
    }

    fn given<T>(value: T) -> Sent<T> {
        Some(Some(value))
    }

    #[test]
    fn absent_null_and_value_are_three_things() {
        assert_eq!(
            json(r#"{"name":"a","flag":null,"other":{}}"#),
            Ok((given("a".into()), Some(None), None, None))
        );
        let tags = given(vec!["x".into(), "y".into()]);
        assert_eq!(
            json(r#"{"name":null,"count":9,"tags":["x","y"]}"#),
            Ok((Some(None), None, given(9), tags.clone()))
        );
        assert_eq!(json(r#"{"name":"a","tags":"x, y"}"#), Ok((given("a".into()), None, None, tags)));
        assert_eq!(json(" "), Ok((None, None, None, None)));
    }

    #[test]
    fn every_fault_is_named_once_and_all_at_once() {
        let all = json(r#"{"flag":"true","count":10,"tags":[1],"name":"","name":"b"}"#).unwrap_err();
        insta::assert_snapshot!(all, @"name: is sent more than once; flag: must be true or false, not a text; count: must be a whole number from 1 to 9; tags: must be a text, not a number");
        assert_eq!(json("[]").unwrap_err(), "The body must be a JSON object, not a list");
        assert_eq!(json("{\"a\":").unwrap_err(), "The body is not JSON: line 1 column 5");
        for number in ["1.5", "-1", "1e309", "9007199254740993", "\"5\"", "true"] {
            assert!(json(&format!("{{\"count\":{number}}}")).is_err(), "{number}");
        }
    }

    #[test]
    fn a_required_text_is_missed_once() {
        for (body, fault) in [
            ("{}", "name: is required"),
            (r#"{"name":null}"#, "name: is required"),
            (r#"{"name":""}"#, "name: is required"),
            (r#"{"name":7}"#, "name: must be a text, not a number"),
        ] {
            let mut fields = Fields::of_json(body.as_bytes()).unwrap();
            assert_eq!(fields.required_text("name"), None);
            let faults: Vec<String> = fields.into_faults().iter().map(FieldFault::to_string).collect();
            assert_eq!(faults, [fault], "{body}");
        }
    }

    #[test]
    fn forms_say_everything_as_text() {
        let texts = [("name", "a"), ("flag", "true"), ("count", "2"), ("tags", "x"), ("tags", "y")];
        let form = texts.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let tags = given(vec!["x".into(), "y".into()]);
        assert_eq!(read(Fields::of_texts(form)), Ok((given("a".into()), given(true), given(2), tags)));
        let empty = Fields::of_texts([("flag".to_owned(), String::new())]);
        assert_eq!(read(empty).unwrap().1, Some(None));
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Fields::of_json(&body).map(read);
        }
    }
}
