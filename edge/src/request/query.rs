//! The query of a request: names and values, each name once.

use common::fields::Fields;

use crate::error::Refusal;

/// More parameters than any route has; the search for doubles is quadratic.
const MOST: usize = 100;

/// Parameters that hold several words: repeating one is another way to write the comma.
const LISTS: [&str; 2] = ["tags", "tag"];

/// Decoded parameters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `name=value&…` as browsers write it (WHATWG URL, application/x-www-form-urlencoded).
    ///
    /// # Errors
    /// When a name is there twice, but for lists: which one counts is not for us to guess. When there are more than 100.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if let Some((_, there)) =
                pairs.iter_mut().find(|(there, _)| LISTS.contains(&there.as_str()) && *there == name)
            {
                *there = format!("{there},{value}");
                continue;
            }
            if pairs.iter().any(|(there, _)| *there == name) {
                let name: String = name.chars().take(64).collect();
                return Err(Refusal::BadParameter("query", format!("names {name} twice")));
            }
            if pairs.len() == MOST {
                return Err(Refusal::BadParameter("query", format!("has more than {MOST} parameters")));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// The value of the first of `names` that is there and not empty.
    pub fn get(&self, names: &[&str]) -> Option<&str> {
        let value = |name: &&str| {
            let named = self.0.iter().find(|(there, _)| there == name);
            named.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        names.iter().find_map(value)
    }

    /// The same for who names all that is wrong at once.
    pub fn fields(&self) -> Fields {
        Fields::of_texts(self.0.iter().cloned())
    }
}
