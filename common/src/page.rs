//! Pages of lists, by number or behind a cursor: the same rules on both planes.

use serde::Serialize;

use crate::cursor::{Cursor, List, Place};
use crate::fields::Fields;
use crate::mac::MacKeys;
use crate::problem::Pagination;

/// Items a page, when nobody says.
pub const DEFAULT_LIMIT: u64 = 50;
/// The most items a page.
pub const LARGEST_LIMIT: u64 = 100;
/// Pages beyond it are empty in any list that fits a machine; it keeps the arithmetic small.
pub const LAST_PAGE: u64 = 1_000_000_000;

/// What a request says about pages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    limit: Option<u64>,
    number: Option<u64>,
    cursor: Option<String>,
}

impl Sent {
    /// Reads `limit` (1..100) or `pageSize` (clamped), and `page` (from 1) or `cursor`; what is wrong is noted.
    pub fn read(fields: &mut Fields) -> Self {
        let limit = fields.whole_within("limit", 1..=LARGEST_LIMIT).flatten();
        let size = fields.text("pageSize").flatten();
        let size =
            size.and_then(|text| parse_size(&text).map_err(|says| fields.fault("pageSize", says)).ok());
        let number = fields.whole_within("page", 1..=LAST_PAGE).flatten();
        let cursor = fields.text("cursor").flatten();
        if cursor.is_some() && number.is_some() {
            fields.fault("cursor", "cannot be sent together with page: choose one");
        }
        Self { limit: limit.or(size), number, cursor }
    }

    /// True when the request says nothing about pages.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The page of a list that gives out no cursors; `None` when there is one all the same.
    #[must_use]
    pub fn numbered(self) -> Option<Page> {
        let page = Page::numbered(self.number.unwrap_or(1), self.limit.unwrap_or(DEFAULT_LIMIT));
        if self.cursor.is_none() { Some(page) } else { None }
    }

    /// The page of `list` that is asked for, by default the first; `None` when the cursor is not of this list.
    #[must_use]
    pub fn page(self, list: List, keys: &MacKeys) -> Option<Page> {
        let page = match &self.cursor {
            Some(text) => Page::behind(Cursor::open(text, &list, keys)?, self.limit),
            None => self.numbered()?,
        };
        Some(page.of(list, keys))
    }

    /// The same, but by default the whole list: real clients of some lists cannot page.
    #[must_use]
    pub fn page_or_whole(self, list: List, keys: &MacKeys) -> Option<Page> {
        if self.is_nothing() { Some(Page::whole()) } else { self.page(list, keys) }
    }
}

/// Real clients ask for 1000 items a page by this name: they get the most there is.
fn parse_size(text: &str) -> Result<u64, &'static str> {
    let size: i64 = text.trim().parse().map_err(|_| "must be a whole number")?;
    Ok(u64::try_from(size).unwrap_or(1).clamp(1, LARGEST_LIMIT))
}

/// The part of a list that was asked for.
#[derive(Clone, Debug)]
pub struct Page {
    number: u64,
    /// `None` = the whole list.
    limit: Option<u64>,
    after: Option<Place>,
    issuer: Option<(List, MacKeys)>,
}

/// The pagination inside `data`, beside the one in `meta`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct More {
    /// Whether there are items behind this page.
    pub has_more: bool,
    /// Where they begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What a list says of its place, in both forms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// For `meta`.
    pub pagination: Pagination,
    /// For `data`.
    pub more: More,
}

impl Page {
    /// The page of a number, from 1, with `limit` items.
    #[must_use]
    pub fn numbered(number: u64, limit: u64) -> Self {
        Self { number, limit: Some(limit), after: None, issuer: None }
    }

    /// The whole list.
    #[must_use]
    pub fn whole() -> Self {
        Self { number: 1, limit: None, after: None, issuer: None }
    }

    /// The page behind a cursor, with `limit` items or as many as the page before.
    #[must_use]
    pub fn behind(cursor: Cursor, limit: Option<u64>) -> Self {
        let limit = limit.unwrap_or(cursor.limit).clamp(1, LARGEST_LIMIT);
        Self { number: cursor.page, limit: Some(limit), after: Some(cursor.after), issuer: None }
    }

    /// The same page of a list that gives out cursors.
    #[must_use]
    pub fn of(self, list: List, keys: &MacKeys) -> Self {
        Self { issuer: Some((list, keys.clone())), ..self }
    }

    /// The item that it begins behind, when a cursor says so.
    #[must_use]
    pub fn after(&self) -> Option<&Place> {
        self.after.as_ref()
    }

    /// How many items it has at most; `None` = all.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// How many items lie before it, when it is one by number.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.number.saturating_sub(1).saturating_mul(self.limit.unwrap_or(0))
    }

    /// What the page says of its place in a list of `total` items. `last` is its last item if there are more behind it.
    #[must_use]
    pub fn turn(&self, total: u64, has_next: bool, last: Option<Place>) -> Turn {
        // A list that is told whole fits its limit, however long it is.
        let limit = self.limit.unwrap_or_else(|| total.max(DEFAULT_LIMIT));
        let seal = |after: Place| {
            let (list, keys) = self.issuer.as_ref()?;
            Cursor { after, page: self.number.saturating_add(1), limit }.seal(list, keys)
        };
        let next_cursor = last.filter(|_| has_next).and_then(seal);
        Turn {
            pagination: Pagination {
                page: self.number,
                limit,
                total,
                has_next,
                has_previous: self.number > 1,
            },
            more: More { has_more: has_next, next_cursor },
        }
    }

    /// Cuts the page out of a whole list. `place` is where an item stands, `is_past` whether an item comes after a
    /// place in the order that `items` are in.
    pub fn cut<'t, T>(
        &self,
        items: &'t [T],
        is_past: impl Fn(&T, &Place) -> bool,
        place: impl Fn(&T) -> Place,
    ) -> (&'t [T], Turn) {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let start = match &self.after {
            Some(after) => items.partition_point(|item| !is_past(item, after)),
            None => count(self.offset()).min(items.len()),
        };
        let rest = &items[start..];
        let cut = &rest[..rest.len().min(self.limit.map_or(usize::MAX, count))];
        let turn = self.turn(items.len() as u64, cut.len() < rest.len(), cut.last().map(place));
        (cut, turn)
    }
}

/// The target of `Link: <…>; rel="next"` (RFC 8288): the same request with this cursor. `None` when it would be longer
/// than a header should be.
#[must_use]
pub fn next_link(base: &str, path: &str, query: &str, cursor: &str) -> Option<String> {
    const LONGEST: usize = 4 * 1024;
    let named = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && !matches!(name, "cursor" | "page")
    };
    let kept: String = query.split('&').filter(named).flat_map(|pair| [pair, "&"]).collect();
    let link = format!("{base}{}?{}cursor={cursor}", plain(path), plain(&kept));
    (link.len() <= LONGEST).then(|| format!("<{link}>; rel=\"next\""))
}

/// What a link in a header cannot hold as it is, percent-encoded; what is encoded already stays so.
fn plain(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => format!("%{byte:02X}"),
        0x21..=0x7e => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::Purpose;
    use crate::secret::Secret;
    use proptest::prelude::*;

    fn list() -> List {
        List::of("numbers", "14632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap())
    }

    fn keys() -> MacKeys {
        MacKeys::derive(&[Secret::new("a-secret".to_owned())], Purpose::Cursor)
    }

    fn place(item: &u32) -> Place {
        Place { key: format!("{item:010}"), id: String::new() }
    }

    fn cut(page: Page, items: &[u32]) -> (Vec<u32>, Turn) {
        let (cut, turn) = page.of(list(), &keys()).cut(items, |item, after| place(item) > *after, place);
        (cut.to_vec(), turn)
    }

    fn next(turn: &Turn, limit: Option<u64>) -> Option<Page> {
        let text = turn.more.next_cursor.as_ref()?;
        Some(Page::behind(Cursor::open(text, &list(), &keys()).unwrap(), limit))
    }

    #[test]
    fn pages_follow_each_other_by_number_and_by_cursor() {
        let items: Vec<u32> = (1..=7).collect();
        let (first, turn) = cut(Page::numbered(1, 3), &items);
        assert_eq!(
            (first, turn.pagination.has_next, turn.pagination.has_previous),
            (vec![1, 2, 3], true, false)
        );
        let (second, turn) = cut(next(&turn, None).unwrap(), &items);
        assert_eq!((second, turn.pagination.page, turn.pagination.limit), (vec![4, 5, 6], 2, 3));
        let (third, turn) = cut(next(&turn, Some(100)).unwrap(), &items);
        assert_eq!((third, turn.more), (vec![7], More { has_more: false, next_cursor: None }));
        assert_eq!(cut(Page::numbered(3, 3), &items).0, [7]);
        assert_eq!(cut(Page::numbered(LAST_PAGE, 100), &items).0, Vec::<u32>::new());
    }

    fn asked(query: &[(&str, &str)]) -> Result<Option<Vec<u32>>, Vec<&'static str>> {
        let texts = query.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let mut fields = Fields::of_texts(texts);
        let sent = Sent::read(&mut fields);
        let faults: Vec<_> = fields.into_faults().iter().map(|fault| fault.field).collect();
        let page = sent.page(list(), &keys());
        if faults.is_empty() {
            Ok(page.map(|page| cut(page, &(1..=120).collect::<Vec<u32>>()).0))
        } else {
            Err(faults)
        }
    }

    #[test]
    fn a_request_says_which_page_or_all_that_is_wrong_with_it() {
        for (query, first, last) in [
            (&[][..], 1, 50),
            (&[("page", "3"), ("cursor", "")], 101, 120),
            (&[("limit", "2"), ("page", "2"), ("pageSize", "9")], 3, 4),
            (&[("pageSize", "1000")], 1, 100),
            (&[("pageSize", "-1")], 1, 1),
        ] {
            assert_eq!(asked(query), Ok(Some((first..=last).collect())), "{query:?}");
        }
        assert_eq!(asked(&[("page", "1000000000")]), Ok(Some(vec![])));
        assert_eq!(asked(&[("cursor", "x")]), Ok(None));
        for wrong in ["0", "-1", "101", "abc", "1.5", "1e9"] {
            assert_eq!(
                asked(&[("limit", wrong), ("page", "0"), ("pageSize", "x")]),
                Err(vec!["limit", "pageSize", "page"])
            );
        }
        assert_eq!(asked(&[("limit", "1"), ("limit", "2")]), Err(vec!["limit"]));
        assert_eq!(asked(&[("cursor", "x"), ("page", "2")]), Err(vec!["cursor"]));
    }

    #[test]
    fn a_whole_list_fits_its_limit() {
        for (total, limit) in [(0, 50), (3, 50), (120, 120)] {
            let items: Vec<u32> = (0..total).collect();
            let (whole, turn) = cut(Page::whole(), &items);
            assert_eq!((whole, turn.pagination.limit, turn.more.has_more), (items, limit, false));
        }
    }

    #[test]
    fn the_next_link_is_the_same_request_with_the_cursor() {
        let link = |query| next_link("https://a.example/dl", "/v1/x", query, "abc").unwrap();
        assert_eq!(link(""), "<https://a.example/dl/v1/x?cursor=abc>; rel=\"next\"");
        assert_eq!(
            link("limit=2&page=3&search=a%20b>&cursor=old"),
            "<https://a.example/dl/v1/x?limit=2&search=a%20b%3E&cursor=abc>; rel=\"next\""
        );
        assert_eq!(next_link("b", "/", &"x".repeat(5_000), "abc"), None);
    }

    proptest! {
        #[test]
        fn what_was_there_all_along_is_told_once_whatever_comes_and_goes_between_pages(
            stays in prop::collection::btree_set(0u32..1_000, 1..60),
            comings in prop::collection::vec(prop::collection::btree_set(0u32..1_000, 0..20), 1..10),
            limits in prop::collection::vec(1u64..10, 1..10),
        ) {
            let mut told: Vec<u32> = Vec::new();
            let mut page = Some(Page::numbered(1, limits[0]));
            let mut round = 0;
            while let Some(now) = page {
                let mut items = stays.clone();
                items.extend(&comings[round % comings.len()]);
                let (cut, turn) = cut(now, &items.into_iter().collect::<Vec<_>>());
                prop_assert_eq!(turn.more.has_more, turn.more.next_cursor.is_some());
                told.extend(cut);
                round += 1;
                prop_assert!(round < 2_000, "no end");
                page = next(&turn, Some(limits[round % limits.len()]));
            }
            prop_assert!(told.is_sorted_by(|a, b| a < b), "repeated: {told:?}");
            for item in &stays {
                prop_assert!(told.contains(item), "{item} was skipped");
            }
        }
    }
}
