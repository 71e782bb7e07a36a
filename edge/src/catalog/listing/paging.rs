//! Pages of a list: by number, with a size.

use common::problem::Pagination;

use crate::error::Refusal;
use crate::request::Query;

const DEFAULT: u64 = 50;
const MOST: u64 = 100;

/// Which part of a list is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Page {
    number: u64,
    /// `None` = the whole list.
    size: Option<u64>,
}

impl Page {
    /// `limit` (1..100) or `pageSize` (clamped), default 50, and `page` from 1.
    pub(super) fn parse(query: &Query) -> Result<Self, Refusal> {
        if query.get(&["cursor"]).is_some() {
            // Lists here are paged by number; no answer of ours holds a cursor.
            return Err(Refusal::BadParameter("cursor", "is not one that we handed out".to_owned()));
        }
        let size = match (query.get(&["limit"]), query.get(&["pageSize"])) {
            (Some(text), _) => {
                let says = || Refusal::BadParameter("limit", format!("must be a number from 1 to {MOST}"));
                text.parse().ok().filter(|limit| (1..=MOST).contains(limit)).ok_or_else(says)?
            }
            (None, Some(text)) => {
                let number: i64 = text
                    .parse()
                    .map_err(|_| Refusal::BadParameter("pageSize", "must be a number".to_owned()))?;
                u64::try_from(number).unwrap_or(1).clamp(1, MOST)
            }
            (None, None) => DEFAULT,
        };
        let number = match query.get(&["page"]) {
            None => 1,
            Some(text) => {
                let says = || Refusal::BadParameter("page", "must be a number from 1".to_owned());
                text.parse().ok().filter(|page| (1..=u64::from(u32::MAX)).contains(page)).ok_or_else(says)?
            }
        };
        Ok(Self { number, size: Some(size) })
    }

    /// The same, but the whole list when no page is asked for: clients of these lists cannot page.
    pub(super) fn parse_optional(query: &Query) -> Result<Self, Refusal> {
        let asked = query.get(&["limit", "pageSize", "page", "cursor"]).is_some();
        if asked { Self::parse(query) } else { Ok(Self { number: 1, size: None }) }
    }

    /// The part of `items`, and what `meta` says of it.
    pub(super) fn cut<'t, T>(&self, items: &'t [T]) -> (&'t [T], Pagination) {
        let total = items.len() as u64;
        let size = self.size.unwrap_or_else(|| total.max(1));
        let start = (self.number - 1).saturating_mul(size).min(total);
        let end = start.saturating_add(size).min(total);
        let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let pagination = Pagination {
            page: self.number,
            limit: size,
            total,
            has_next: end < total,
            has_previous: self.number > 1 && total > 0,
        };
        (&items[place(start)..place(end)], pagination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(query: &str) -> Result<(Vec<u32>, bool, bool), Refusal> {
        let items: Vec<u32> = (1..=120).collect();
        let page = Page::parse(&Query::parse(query).unwrap())?;
        let (cut, told) = page.cut(&items);
        Ok((cut.to_vec(), told.has_previous, told.has_next))
    }

    #[test]
    fn pages_follow_each_other_without_gap() {
        assert_eq!(cut("").unwrap(), ((1..=50).collect(), false, true));
        assert_eq!(cut("page=3").unwrap(), ((101..=120).collect(), true, false));
        assert_eq!(cut("limit=2&page=2").unwrap(), (vec![3, 4], true, true));
        assert_eq!(cut("pageSize=1000").unwrap(), ((1..=100).collect(), false, true));
        assert_eq!(cut("page=4000000000").unwrap(), (vec![], true, false));
        for wrong in
            ["limit=0", "limit=-1", "limit=101", "limit=abc", "page=0", "page=x", "pageSize=x", "cursor=x"]
        {
            assert!(cut(wrong).is_err(), "{wrong}");
        }
    }
}
