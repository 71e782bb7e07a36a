//! Text forms in JSON, read where they lie: an id or a digest is parsed without a copy in between.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Reads what is written as its text.
pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Text(PhantomData))
}

struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::digest::Digest;
    use crate::id::KeyId;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_in_json_reads_as_the_text_itself(text in "\\PC{0,20}|[a-z0-9_-]{1,20}|[0-9a-f]{64}|[\"\\\\]{1,3}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<KeyId>(&json).ok(), text.parse().ok());
            prop_assert_eq!(serde_json::from_str::<Digest>(&json).ok(), text.parse().ok());
            let value = serde_json::Value::from(text.as_str());
            prop_assert_eq!(serde_json::from_value::<KeyId>(value).ok(), text.parse().ok());
        }
    }

    #[test]
    fn what_is_no_text_is_refused_as_ever() {
        let says = serde_json::from_str::<KeyId>("1").unwrap_err().to_string();
        assert_eq!(says, "invalid type: integer `1`, expected a string at line 1 column 1");
    }
}
