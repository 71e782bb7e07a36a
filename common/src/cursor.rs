//! Cursors: where a list goes on, sealed, so that nobody makes one up or takes it to another list.
//!
//! A cursor names the last item that was told, not how many: what is inserted before it shifts nothing. It says nothing
//! that its holder has not just been told, and it does not expire.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::TenantId;
use crate::mac::MacKeys;

/// Where an item stands in a list: what the list is sorted by, as text that sorts the same, and the id that breaks ties.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// What the list is sorted by.
    pub key: String,
    /// Which of those that are alike.
    pub id: String,
}

/// Which list a cursor belongs to: its name, whose it is, and everything else that its content and order depend on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List(String);

impl List {
    /// A list of a tenant; `name` tells it from the tenant's other lists.
    #[must_use]
    pub fn of(name: &str, tenant: TenantId) -> Self {
        Self(String::new()).and(name).and(&tenant.to_string())
    }

    /// The list narrowed or sorted by one more thing: a key, a filter, an order.
    #[must_use]
    pub fn and(mut self, part: &str) -> Self {
        // The length keeps `a` and `bc` apart from `ab` and `c`.
        self.0.push_str(&format!("{}:{part}", part.len()));
        self
    }

    fn mark(&self) -> String {
        Digest::of(self.0.as_bytes()).to_string()[..32].to_owned()
    }
}

/// Where a list goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// The last item that was told.
    pub after: Place,
    /// The number of the page that begins behind it.
    pub page: u64,
    /// Items a page, unless the request says otherwise.
    pub limit: u64,
}

/// What is sealed. Short names: it travels in URLs.
#[derive(Serialize, Deserialize)]
struct Form {
    #[serde(rename = "l")]
    list: String,
    #[serde(rename = "k")]
    key: String,
    #[serde(rename = "i")]
    id: String,
    #[serde(rename = "p")]
    page: u64,
    #[serde(rename = "n")]
    limit: u64,
}

/// No cursor of ours is longer: sort keys are names of at most 200 characters.
const LONGEST: usize = 8 * 1024;

impl Cursor {
    /// The text of the cursor. `None` without any secret.
    #[must_use]
    pub fn seal(&self, list: &List, keys: &MacKeys) -> Option<String> {
        let Place { key, id } = self.after.clone();
        let form = Form { list: list.mark(), key, id, page: self.page, limit: self.limit };
        keys.seal(&serde_json::to_vec(&form).ok()?)
    }

    /// Reads the text; `None` when we did not make it, or made it for another list.
    #[must_use]
    pub fn open(text: &str, list: &List, keys: &MacKeys) -> Option<Self> {
        let sealed = Some(text).filter(|text| text.len() <= LONGEST)?;
        let form: Form = serde_json::from_slice(&keys.open(sealed)?).ok()?;
        let after = Place { key: form.key, id: form.id };
        (form.list == list.mark()).then_some(Self { after, page: form.page, limit: form.limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::Purpose;
    use crate::secret::Secret;

    fn keys(secret: &str) -> MacKeys {
        MacKeys::derive(&[Secret::new(secret.to_owned())], Purpose::Cursor)
    }

    fn tenant(last: char) -> TenantId {
        format!("14632221-b1b6-4eec-844a-39f60c7f152{last}").parse().unwrap()
    }

    #[test]
    fn a_cursor_opens_for_its_own_list_alone() {
        let cursor =
            Cursor { after: Place { key: "ä\"".to_owned(), id: "a-1".to_owned() }, page: 3, limit: 20 };
        let list = List::of("applications", tenant('3')).and("ab").and("c");
        let sealed = cursor.seal(&list, &keys("s")).unwrap();
        assert_eq!(Cursor::open(&sealed, &list, &keys("s")), Some(cursor));
        let others = [
            List::of("customers", tenant('3')).and("ab").and("c"),
            List::of("applications", tenant('4')).and("ab").and("c"),
            List::of("applications", tenant('3')).and("a").and("bc"),
            List::of("applications", tenant('3')).and("abc"),
        ];
        for other in others {
            assert_eq!(Cursor::open(&sealed, &other, &keys("s")), None, "{other:?}");
        }
        assert_eq!(Cursor::open(&sealed, &list, &keys("t")), None);
        for text in ["", "x", &sealed[1..], &sealed[..sealed.len() - 1], &"A".repeat(LONGEST + 1)] {
            assert_eq!(Cursor::open(text, &list, &keys("s")), None, "{text}");
        }
    }
}
