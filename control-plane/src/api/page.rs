//! Which part of a list was asked for, and how its place is told. A list that gives out cursors says which list it is:
//! [`Page::read_in`], then [`Page::cut`] or [`Page::turn`]; [`Page::read`] knows numbers alone.

use common::cursor::{List, Place};
use common::mac::MacKeys;
use common::page::{self, LARGEST_LIMIT, Sent};
pub(crate) use common::page::{More, Turn};
use common::problem::{Pagination, Problem, refusals};

use crate::api::fields::Fields;
use crate::store::{Listed, Slice};

/// The part of a list that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    page: page::Page,
    /// False when the request says nothing about pages.
    is_asked: bool,
}

impl Page {
    /// Reads `limit` or `pageSize`, and `page`.
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, Problem> {
        let sent = Sent::read(fields);
        let is_asked = !sent.is_nothing();
        // None was ever given out by this list.
        let page = sent.numbered().ok_or_else(refusals::invalid_cursor)?;
        Ok(Self { page, is_asked })
    }

    /// The same for a list that gives out cursors: also reads `cursor`. What `list` is narrowed by must have been read
    /// from the fields before.
    pub(crate) fn read_in(fields: &mut Fields, list: List, keys: &MacKeys) -> Result<Self, Problem> {
        if fields.text("cursor").flatten().is_none() {
            let page = Self::read(fields)?;
            return Ok(Self { page: page.page.of(list, keys), ..page });
        }
        let page = match Sent::read(fields).page(list, keys) {
            Some(page) => page,
            None if fields.is_sound() => return Err(refusals::invalid_cursor()),
            // A filter that cannot be read makes another list: what is wrong with it is said instead.
            None => page::Page::whole(),
        };
        Ok(Self { page, is_asked: true })
    }

    /// The whole list as one page, unless a part was asked for.
    pub(crate) fn or_whole(self) -> Self {
        if self.is_asked { self } else { Self { page: page::Page::whole(), ..self } }
    }

    /// The item that the page begins behind, when a cursor says so: the list is then read from there, up to
    /// [`Page::reach`] items.
    pub(crate) fn after(&self) -> Option<&Place> {
        self.page.after()
    }

    /// One item more than the page has, which tells whether more follow.
    pub(crate) fn reach(&self) -> u64 {
        self.page.limit().unwrap_or(LARGEST_LIMIT) + 1
    }

    /// The page as the store cuts it out, when it is one by number.
    pub(crate) fn slice(&self) -> Slice {
        let most = Slice::ALL.limit;
        Slice { offset: self.page.offset().min(most), limit: self.page.limit().unwrap_or(most) }
    }

    /// Where the page lies in a list of `total` items, when it is one by number and the list gives out no cursors.
    pub(crate) fn told(&self, total: u64) -> (Pagination, More) {
        let Slice { offset, limit } = self.slice();
        let Turn { pagination, more } = self.page.turn(total, offset.saturating_add(limit) < total, None);
        (pagination, more)
    }

    /// The items of the page, of what was read of the list by [`Page::slice`] or up to [`Page::reach`].
    pub(crate) fn turn<T>(&self, listed: Listed<T>, place: impl Fn(&T) -> Place) -> (Vec<T>, Turn) {
        let Listed { mut items, total } = listed;
        let has_next = if self.after().is_some() {
            let most = usize::try_from(self.reach() - 1).unwrap_or(usize::MAX);
            let has_next = items.len() > most;
            items.truncate(most);
            has_next
        } else {
            self.told(total).1.has_more
        };
        let turn = self.page.turn(total, has_next, items.last().map(place));
        (items, turn)
    }

    /// Cuts the page out of the whole list. `place` is where an item stands, `is_past` whether one comes after a place
    /// in the order that `items` are in.
    pub(crate) fn cut<'t, T>(
        &self,
        items: &'t [T],
        is_past: impl Fn(&T, &Place) -> bool,
        place: impl Fn(&T) -> Place,
    ) -> (&'t [T], Turn) {
        self.page.cut(items, is_past, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::mac::Purpose;
    use common::secret::Secret;

    fn list() -> List {
        List::of("numbers", "14632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap())
    }

    fn keys() -> MacKeys {
        MacKeys::derive(&[Secret::new("a-secret".to_owned())], Purpose::Cursor)
    }

    fn place(item: &u64) -> Place {
        Place { key: format!("{item:09}"), id: String::new() }
    }

    /// Reads the page of `1..=total` as a store would, and as a cut out of the whole.
    fn turn(query: &str, total: u64) -> Result<(Vec<u64>, Turn), String> {
        let mut fields = Fields::of_query(Some(query));
        let page = Page::read_in(&mut fields, list(), &keys()).map_err(|p| p.reason.to_owned())?;
        let page = fields.settle(Ok(page)).map_err(|refusal| refusal.to_string())?.or_whole();
        let all: Vec<u64> = (1..=total).collect();
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let items = match page.after() {
            Some(after) => {
                all.iter().filter(|item| place(item) > *after).take(number(page.reach())).copied().collect()
            }
            None => {
                let Slice { offset, limit } = page.slice();
                all.iter().skip(number(offset)).take(number(limit)).copied().collect()
            }
        };
        let turned = page.turn(Listed { items, total }, place);
        let (cut, told) = page.cut(&all, |item, after| place(item) > *after, place);
        assert_eq!((cut.to_vec(), told), turned);
        Ok(turned)
    }

    fn check(query: &str, total: u64) -> Result<(Vec<u64>, u64, bool, bool), String> {
        let (items, Turn { pagination, more }) = turn(query, total)?;
        assert_eq!((pagination.has_next, pagination.total), (more.has_more, total));
        assert_eq!(more.has_more, more.next_cursor.is_some());
        Ok((items, pagination.limit, pagination.has_next, pagination.has_previous))
    }

    #[test]
    fn a_list_is_whole_unless_a_part_is_asked_for() {
        assert_eq!(check("", 3), Ok((vec![1, 2, 3], 50, false, false)));
        assert_eq!(check("cursor=", 70).unwrap().1, 70);
        assert_eq!(check("limit=2", 3), Ok((vec![1, 2], 2, true, false)));
        assert_eq!(check("pageSize=2&page=2", 3), Ok((vec![3], 2, false, true)));
        assert_eq!((check("pageSize=1000", 3).unwrap().1, check("pageSize=-4", 3).unwrap().1), (100, 1));
        assert_eq!(check("page=1000000000", 3), Ok((vec![], 50, false, true)));
        assert_eq!(check("limit=101", 3).unwrap_err(), "limit: must be a whole number from 1 to 100");
        assert_eq!(check("limit=0&page=0", 3).unwrap_err().matches("must be").count(), 2);
        assert_eq!(check("limit=1&limit=2", 3).unwrap_err(), "limit: is sent more than once");
    }

    #[test]
    fn a_cursor_leads_to_the_next_page_and_nothing_else_does() {
        let (items, first) = turn("limit=2", 5).unwrap();
        let cursor = first.more.next_cursor.unwrap();
        assert_eq!(items, [1, 2]);
        assert_eq!(check(&format!("cursor={cursor}"), 5), Ok((vec![3, 4], 2, true, true)));
        assert_eq!(check(&format!("cursor={cursor}&limit=3"), 5), Ok((vec![3, 4, 5], 3, false, true)));
        assert_eq!(check("cursor=x", 3).unwrap_err(), "invalid_cursor");
        let both = check(&format!("cursor={cursor}&page=2"), 5).unwrap_err();
        assert_eq!(both, "cursor: cannot be sent together with page: choose one");
        assert_eq!(check("cursor=x&limit=0", 3).unwrap_err(), "limit: must be a whole number from 1 to 100");
        let mut fields = Fields::of_query(Some("cursor=x"));
        assert_eq!(Page::read(&mut fields).unwrap_err().reason, "invalid_cursor");
        let page = Page::read(&mut Fields::of_query(Some("limit=2&page=2"))).unwrap();
        let (pagination, more) = page.told(5);
        assert_eq!((pagination.has_next, more), (true, More { has_more: true, next_cursor: None }));
    }
}
