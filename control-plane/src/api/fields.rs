//! The fields of a body, a form or a query as the desk reads them. What forms they must have is for the commands of the
//! domain to say; [`Fields::settle`] puts both kinds of fault together.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use common::fields::FieldFault;
use common::problem::Problem;

use crate::domain::Refusal;

/// The fields of one request while they are read.
#[derive(Debug, Default)]
pub(crate) struct Fields(common::fields::Fields);

/// More parameters than any route has are not worth reading.
const MOST_PARAMETERS: usize = 200;

impl Deref for Fields {
    type Target = common::fields::Fields;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Fields {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Fields {
    /// The fields of a JSON body; no body at all has none.
    pub(crate) fn of_json(body: &[u8]) -> Result<Self, Problem> {
        common::fields::Fields::of_json(body).map(Self)
    }

    /// The fields of a form.
    pub(crate) fn of_texts(texts: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(common::fields::Fields::of_texts(texts))
    }

    /// The fields of a query string (`application/x-www-form-urlencoded`, as the URL standard decodes it).
    pub(crate) fn of_query(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.take(MOST_PARAMETERS).map(|pair| {
            let (name, text) = pair.split_once('=').unwrap_or((pair, ""));
            decode(name).zip(decode(text))
        });
        let decoded: Vec<Option<(String, String)>> = decoded.collect();
        let unreadable = decoded.iter().filter(|pair| pair.is_none()).count();
        let mut fields = Self::of_texts(decoded.into_iter().flatten());
        for _ in 0..unreadable {
            fields.fault("query", "must be UTF-8");
        }
        fields
    }

    /// The command that was made of the fields, unless anything was wrong with them: then everything that was.
    pub(crate) fn settle<T>(self, command: Result<T, Refusal>) -> Result<T, Refusal> {
        let mut faults = self.0.into_faults();
        match command {
            Ok(command) if faults.is_empty() => Ok(command),
            // A field of a wrong type looks absent to the command: what it says of that is no second fault.
            Err(Refusal::Invalid(more)) => {
                let is_known = |fault: &FieldFault| faults.iter().any(|known| known.field == fault.field);
                let new: Vec<FieldFault> = more.into_iter().filter(|fault| !is_known(fault)).collect();
                faults.extend(new);
                Err(Refusal::Invalid(faults))
            }
            Err(refusal) if faults.is_empty() => Err(refusal),
            Ok(_) | Err(_) => Err(Refusal::Invalid(faults)),
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::fields::Sent;
    use proptest::prelude::*;

    type Read = (Sent<String>, Sent<u64>, Sent<Vec<String>>);

    fn read(mut fields: Fields) -> Result<Read, String> {
        let read = (fields.text("name"), fields.whole_within("count", 1..=9), fields.texts("tags"));
        let absent = || Refusal::Invalid(vec![FieldFault { field: "name", says: "is required".to_owned() }]);
        let command = if read.0.is_some() { Ok(read) } else { Err(absent()) };
        fields.settle(command).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn faults_of_type_and_of_form_are_told_together_and_none_twice() {
        let json = |body: &str| read(Fields::of_json(body.as_bytes()).unwrap()).unwrap_err();
        assert_eq!(json("{}"), "name: is required");
        let both = json(r#"{"count":10,"tags":[1]}"#);
        insta::assert_snapshot!(both, @"count: must be a whole number from 1 to 9; tags: must be a text, not a number; name: is required");
        assert_eq!(json(r#"{"name":1}"#), "name: must be a text, not a number");
        assert_eq!(json(r#"{"name":"a","count":0}"#), "count: must be a whole number from 1 to 9");
    }

    #[test]
    fn queries_say_everything_as_text() {
        let query = read(Fields::of_query(Some("name=a%2B+b&count=2&tags=x&tags=y"))).unwrap();
        let tags = vec!["x".to_owned(), "y".to_owned()];
        assert_eq!(query, (Some(Some("a+ b".to_owned())), Some(Some(2)), Some(Some(tags))));
        assert!(read(Fields::of_query(Some("name=%ff"))).unwrap_err().starts_with("query: must be UTF-8"));
    }

    proptest! {
        #[test]
        fn no_query_makes_the_reader_panic(query in "\\PC{0,40}") {
            let _ = read(Fields::of_query(Some(&query)));
        }
    }
}
