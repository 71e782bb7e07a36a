//! What a listing of applications is asked to hold, and in which order: the same on both planes.

use std::str::FromStr;

use unicode_normalization::UnicodeNormalization as _;

use super::{Application, InvalidForm};
use crate::cursor::{List, Place};
use crate::fields::Fields;

/// What applications are sorted by; their ids break ties.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SortBy {
    /// By name, whatever its case.
    #[default]
    Name,
    /// Oldest first.
    CreatedAt,
    /// Longest unchanged first.
    UpdatedAt,
}

impl FromStr for SortBy {
    type Err = InvalidForm;

    fn from_str(text: &str) -> Result<Self, InvalidForm> {
        match text {
            "name" => Ok(Self::Name),
            "createdAt" => Ok(Self::CreatedAt),
            "updatedAt" => Ok(Self::UpdatedAt),
            _ => Err(InvalidForm("must be name, createdAt or updatedAt")),
        }
    }
}

/// Which end of a list comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SortOrder {
    /// The lowest.
    #[default]
    Ascending,
    /// The highest.
    Descending,
}

impl FromStr for SortOrder {
    type Err = InvalidForm;

    fn from_str(text: &str) -> Result<Self, InvalidForm> {
        match text {
            _ if text.eq_ignore_ascii_case("asc") => Ok(Self::Ascending),
            _ if text.eq_ignore_ascii_case("desc") => Ok(Self::Descending),
            _ => Err(InvalidForm("must be asc or desc")),
        }
    }
}

/// What a listing of applications is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Question {
    search: Option<String>,
    tags: Vec<String>,
    is_active: Option<bool>,
    sort_by: SortBy,
    order: SortOrder,
}

impl Question {
    /// Reads `search`, `tags` and `tag`, `isActive`, `sortBy` and `sortOrder`; what is wrong is noted.
    pub fn read(fields: &mut Fields) -> Self {
        let mut tags = fields.texts("tags").flatten().unwrap_or_default();
        tags.extend(fields.texts("tag").flatten().unwrap_or_default());
        let sort_by = word(fields, "sortBy");
        Self::sorted(sort_by, word(fields, "sortOrder"))
            .searching(fields.text("search").flatten().as_deref())
            .tagged(tags.iter().map(String::as_str))
            .active(fields.flag("isActive").flatten())
    }

    /// Everything, in this order.
    #[must_use]
    pub fn sorted(sort_by: SortBy, order: SortOrder) -> Self {
        Self { sort_by, order, ..Self::default() }
    }

    /// Only what has this text in its name or description; blank text asks for nothing.
    #[must_use]
    pub fn searching(self, text: Option<&str>) -> Self {
        let search = text.map(|text| folded(text.trim())).filter(|text| !text.is_empty());
        Self { search, ..self }
    }

    /// Only what has any of these tags; no tags ask for nothing.
    #[must_use]
    pub fn tagged<'a>(self, tags: impl IntoIterator<Item = &'a str>) -> Self {
        let tags = tags.into_iter().map(|tag| folded(tag.trim())).filter(|tag| !tag.is_empty());
        Self { tags: tags.collect(), ..self }
    }

    /// Only what is active, or only what is not.
    #[must_use]
    pub fn active(self, is_active: Option<bool>) -> Self {
        Self { is_active, ..self }
    }

    /// Whether an application is asked for.
    #[must_use]
    pub fn admits(&self, application: &Application) -> bool {
        let has = |text: &String| {
            folded(&application.name).contains(text) || folded(&application.description).contains(text)
        };
        let tagged = || application.tags.iter().any(|tag| self.tags.contains(&folded(tag)));
        self.is_active.is_none_or(|asked| asked == application.is_active)
            && (self.tags.is_empty() || tagged())
            && self.search.as_ref().is_none_or(has)
    }

    /// Puts what was found in order.
    pub fn sort<T>(&self, found: &mut [T], of: impl Fn(&T) -> &Application) {
        found.sort_by_cached_key(|item| self.place(of(item)));
        if self.order == SortOrder::Descending {
            found.reverse();
        }
    }

    /// Where an application stands in this order.
    #[must_use]
    pub fn place(&self, application: &Application) -> Place {
        let key = match self.sort_by {
            SortBy::Name => folded(&application.name),
            // As many digits as any time has, so that they sort as numbers do.
            SortBy::CreatedAt => format!("{:015}", application.created_at.millis()),
            SortBy::UpdatedAt => format!("{:015}", application.updated_at.millis()),
        };
        Place { key, id: application.id.to_string() }
    }

    /// Whether an application comes behind a place in this order.
    #[must_use]
    pub fn is_past(&self, application: &Application, place: &Place) -> bool {
        match self.order {
            SortOrder::Ascending => self.place(application) > *place,
            SortOrder::Descending => self.place(application) < *place,
        }
    }

    /// The list that this makes of `list`, for its cursors.
    #[must_use]
    pub fn narrow(&self, list: List) -> List {
        // `Debug` says every field, also one that is added later.
        list.and(&format!("{self:?}"))
    }
}

/// One of a few words; the default when it is absent.
fn word<T: FromStr<Err = InvalidForm> + Default>(fields: &mut Fields, name: &'static str) -> T {
    let Some(text) = fields.text(name).flatten() else { return T::default() };
    text.parse().unwrap_or_else(|InvalidForm(says)| {
        fields.fault(name, says);
        T::default()
    })
}

/// Text as it is compared when case and ways of writing the same character do not count. Upper case first: it is what
/// joins ß with ss, and the two small sigmas (Unicode 3.13, short of full case folding).
#[must_use]
pub fn folded(text: &str) -> String {
    text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn application(id: &str, name: &str, description: &str, tags: &[&str], at: i64) -> Application {
        Application {
            id: id.parse().unwrap(),
            name: name.to_owned(),
            description: description.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            is_active: at != 3,
            created_at: Timestamp::from_millis(at),
            updated_at: Timestamp::from_millis(1_000 - at),
        }
    }

    fn found(question: &Question) -> String {
        let mut all = vec![
            application("a", "Straße", "für ΟΔΥΣΣΕΥΣ", &["Tools", "Ünï"], 10),
            application("b", "beta", "", &["tools"], 9),
            application("c", "Alpha", "ＦＵＬＬ width", &[], 3),
        ];
        all.retain(|application| question.admits(application));
        question.sort(&mut all, |application| application);
        assert!(all.windows(2).all(|two| question.is_past(&two[1], &question.place(&two[0]))));
        assert!(all.iter().all(|one| !question.is_past(one, &question.place(one))));
        all.iter().map(|application| application.id.as_str()).collect()
    }

    #[test]
    fn case_and_ways_of_writing_do_not_count() {
        let by_name = || Question::sorted(SortBy::Name, SortOrder::Ascending);
        for (text, ids) in
            [("STRASSE", "a"), ("οδυσσευς", "a"), ("full W", "c"), (" ", "cba"), ("BETA", "b"), ("x", "")]
        {
            assert_eq!(found(&by_name().searching(Some(text))), ids, "{text}");
        }
        assert_eq!(found(&by_name().tagged(["TOOLS"])), "ba");
        assert_eq!(found(&by_name().tagged(["x", "üNÏ", ""])), "a");
        assert_eq!(found(&by_name().active(Some(false))), "c");
    }

    #[test]
    fn times_sort_as_times_and_both_ways() {
        for (sort_by, order, ids) in [
            ("createdAt", "asc", "cba"),
            ("createdAt", "DESC", "abc"),
            ("updatedAt", "asc", "abc"),
            ("name", "desc", "abc"),
        ] {
            let question = Question::sorted(sort_by.parse().unwrap(), order.parse().unwrap());
            assert_eq!(found(&question), ids, "{sort_by} {order}");
        }
        assert!("size".parse::<SortBy>().is_err() && "up".parse::<SortOrder>().is_err());
    }
}
