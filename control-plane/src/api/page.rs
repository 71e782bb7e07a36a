//! Which part of a list was asked for, and how its place is told.

use common::problem::{Code, Pagination, Problem};
use serde::Serialize;

use crate::api::fields::Fields;
use crate::store::Slice;

const DEFAULT_LIMIT: u64 = 50;
const LARGEST_LIMIT: u64 = 100;
/// Pages beyond it are empty in any list that fits a machine; it keeps the arithmetic small.
const LAST_PAGE: u64 = 1_000_000_000;
/// The limit of a page that is the whole list.
const WHOLE: u64 = u64::MAX;

/// The part of a list that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Page {
    /// From 1.
    pub(crate) number: u64,
    /// Items a page.
    pub(crate) limit: u64,
    /// False when the request says nothing about pages.
    pub(crate) is_asked: bool,
}

/// The pagination inside `data`, beside the one in `meta`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct More {
    has_more: bool,
}

impl Page {
    /// Reads `limit` or `pageSize`, and `page`.
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, Problem> {
        if fields.text("cursor").flatten().is_some() {
            // None was ever given out by this list.
            return Err(Problem::new(
                Code::Validation,
                "invalid_cursor",
                "cursor is not one that this list gave out",
            ));
        }
        let limit = fields.whole_within("limit", 1..=LARGEST_LIMIT).flatten();
        // Real clients ask for pages of 1000 by this name: they get the most there is.
        let size = fields.whole("pageSize").flatten().map(|size| size.clamp(1, LARGEST_LIMIT));
        let number = fields.whole_within("page", 1..=LAST_PAGE).flatten();
        Ok(Self {
            number: number.unwrap_or(1),
            limit: limit.or(size).unwrap_or(DEFAULT_LIMIT),
            is_asked: limit.or(size).or(number).is_some(),
        })
    }

    /// The whole list as one page, unless a part was asked for.
    pub(crate) fn or_whole(self) -> Self {
        if self.is_asked { self } else { Self { limit: WHOLE, ..self } }
    }

    /// The page as the store cuts it out.
    pub(crate) fn slice(self) -> Slice {
        let offset = (self.number - 1).saturating_mul(self.limit).min(Slice::ALL.limit);
        Slice { offset, limit: self.limit.min(Slice::ALL.limit) }
    }

    /// Where the page lies in a list of `total` items.
    pub(crate) fn told(self, total: u64) -> (Pagination, More) {
        let has_next = self.slice().offset.saturating_add(self.limit) < total;
        let limit = if self.limit == WHOLE { total.max(1) } else { self.limit };
        let pagination =
            Pagination { page: self.number, limit, total, has_next, has_previous: self.number > 1 };
        (pagination, More { has_more: has_next })
    }

    /// Cuts the page out of the whole list.
    pub(crate) fn cut<T>(self, items: Vec<T>) -> (Vec<T>, Pagination, More) {
        let (pagination, more) = self.told(items.len() as u64);
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let Slice { offset, limit } = self.slice();
        let page = items.into_iter().skip(count(offset)).take(count(limit)).collect();
        (page, pagination, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, total: usize) -> Result<(Vec<usize>, u64, bool, bool), String> {
        let mut fields = Fields::of_query(Some(query));
        let page = Page::read(&mut fields).map_err(|p| p.reason.to_owned())?;
        let page = fields.settle(Ok(page)).map_err(|refusal| refusal.to_string())?;
        let (items, told, more) = page.or_whole().cut((0..total).collect());
        assert_eq!((told.has_next, told.total), (more.has_more, total as u64));
        Ok((items, told.limit, told.has_next, told.has_previous))
    }

    #[test]
    fn a_list_is_whole_unless_a_part_is_asked_for() {
        assert_eq!(check("", 3), Ok((vec![0, 1, 2], 3, false, false)));
        assert_eq!(check("limit=2", 3), Ok((vec![0, 1], 2, true, false)));
        assert_eq!(check("pageSize=2&page=2", 3), Ok((vec![2], 2, false, true)));
        assert_eq!(check("pageSize=1000", 3).unwrap().1, 100);
        assert_eq!(check("page=1000000000", 3), Ok((vec![], 50, false, true)));
        assert_eq!(check("limit=101", 3).unwrap_err(), "limit: must be a whole number from 1 to 100");
        assert_eq!(check("limit=0&page=0", 3).unwrap_err().matches("must be").count(), 2);
        assert_eq!(check("cursor=x", 3).unwrap_err(), "invalid_cursor");
    }
}
