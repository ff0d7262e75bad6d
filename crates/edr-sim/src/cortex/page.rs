//! One page of a list: the window over an index list, with the faults of a page.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::envelope::{Answer, Reply};
use super::paging::Window;
use crate::faults::PageFault;

/// The names of a page's keys, which differ between the APIs (facts 3 and 5.5).
pub(super) struct Names {
    pub(super) total: &'static str,
    pub(super) count: &'static str,
    pub(super) items: &'static str,
    /// The key under which an item carries its id; a broken item has an object there.
    pub(super) id: &'static str,
    /// What an empty list is: null where public samples have it (facts 3, "Nulls").
    pub(super) empty_is_null: bool,
}

/// The items of a query, by index.
pub(super) enum Indices<'a> {
    /// All from 0 to `n`.
    Ascending(u64),
    /// All from `n` down to 0.
    Descending(u64),
    /// A list.
    Listed(&'a [u32]),
}

impl Indices<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Ascending(n) | Self::Descending(n) => *n,
            Self::Listed(list) => list.len() as u64,
        }
    }

    fn window(&self, window: Window) -> Vec<u64> {
        let (from, to) = (window.from.min(self.len()), window.to.min(self.len()));
        match self {
            Self::Ascending(_) => (from..to).collect(),
            Self::Descending(n) => (from..to).map(|at| n - 1 - at).collect(),
            Self::Listed(list) => window.slice(list).iter().map(|index| u64::from(*index)).collect(),
        }
    }
}

/// A page that is ready to be rendered.
pub(super) struct Page<'a> {
    names: &'a Names,
    total: u64,
    items: Vec<u64>,
    broken: bool,
    /// What `count` tells: the items of the page, or everything that the filter lets through.
    count: Option<u64>,
}

impl<'a> Page<'a> {
    /// Cuts the window out of the indices. `cap` is the highest total that is told.
    pub(super) fn cut(
        names: &'a Names,
        indices: &Indices<'_>,
        window: Window,
        cap: u64,
        fault: Option<PageFault>,
    ) -> Self {
        let total = indices.len();
        let (items, total) = match fault {
            Some(PageFault::EmptyPage) => (Vec::new(), total),
            // The first page is as it was, its total too: nothing had moved yet.
            Some(PageFault::Drift { shift }) if window.from > 0 => {
                (indices.window(moved(window, shift)), total.saturating_add_signed(shift))
            }
            // An offset has no cursor to repeat: the window before comes again.
            Some(PageFault::RepeatCursor) => (indices.window(back(window)), total),
            _ => (indices.window(window), total),
        };
        Self { names, total: total.min(cap), items, broken: fault == Some(PageFault::BadItem), count: None }
    }

    /// Lets `count` tell how many items the filter lets through (`FILTER_COUNT`, facts 3).
    pub(super) fn with_filter_count(self) -> Self {
        Self { count: Some(self.total), ..self }
    }

    /// Serialises the page, item by item.
    pub(super) fn render<T: Serialize>(&self, item: impl Fn(u64) -> T) -> Answer {
        Reply::of(&Rendered { page: self, item })
    }
}

/// Items have moved towards the end by `shift` since the page before.
fn moved(window: Window, shift: i64) -> Window {
    Window { from: window.from.saturating_add_signed(-shift), to: window.to.saturating_add_signed(-shift) }
}

fn back(window: Window) -> Window {
    let width = window.to - window.from;
    let from = window.from.saturating_sub(width);
    Window { from, to: from + width }
}

struct Rendered<'a, F> {
    page: &'a Page<'a>,
    item: F,
}

impl<T: Serialize, F: Fn(u64) -> T> Serialize for Rendered<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (page, names) = (self.page, self.page.names);
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry(names.total, &page.total)?;
        map.serialize_entry(names.count, &page.count.unwrap_or(page.items.len() as u64))?;
        if page.items.is_empty() && names.empty_is_null {
            map.serialize_entry(names.items, &())?;
        } else {
            map.serialize_entry(names.items, &Items(self))?;
        }
        map.end()
    }
}

struct Items<'a, 'b, F>(&'a Rendered<'b, F>);

impl<T: Serialize, F: Fn(u64) -> T> Serialize for Items<'_, '_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let page = self.0.page;
        let broken = if page.broken { page.items.len() / 2 } else { usize::MAX };
        let mut list = serializer.serialize_seq(Some(page.items.len()))?;
        for (at, index) in page.items.iter().enumerate() {
            if at == broken {
                list.serialize_element(&Broken(page.names.id, *index))?;
            } else {
                list.serialize_element(&(self.0.item)(*index))?;
            }
        }
        list.end()
    }
}

/// An item that no client can decode: its id is an object.
struct Broken(&'static str, u64);

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, &serde_json::json!({"broken": self.1}))?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names =
        Names { total: "total_count", count: "result_count", items: "things", id: "id", empty_is_null: true };

    fn page(indices: &Indices<'_>, from: u64, to: u64, fault: Option<PageFault>) -> String {
        let reply =
            Page::cut(&NAMES, indices, Window { from, to }, 9_999, fault).render(|index| index).unwrap();
        String::from_utf8(reply.body().to_vec()).unwrap()
    }

    #[test]
    fn windows_over_three_kinds_of_indices() {
        assert_eq!(
            page(&Indices::Ascending(5), 1, 3, None),
            r#"{"reply":{"total_count":5,"result_count":2,"things":[1,2]}}"#
        );
        assert_eq!(
            page(&Indices::Descending(5), 1, 3, None),
            r#"{"reply":{"total_count":5,"result_count":2,"things":[3,2]}}"#
        );
        assert_eq!(
            page(&Indices::Listed(&[7, 8, 9]), 2, 9, None),
            r#"{"reply":{"total_count":3,"result_count":1,"things":[9]}}"#
        );
        assert_eq!(
            page(&Indices::Ascending(5), 5, 9, None),
            r#"{"reply":{"total_count":5,"result_count":0,"things":null}}"#
        );
        assert_eq!(
            page(&Indices::Ascending(20_000), 0, 1, None),
            r#"{"reply":{"total_count":9999,"result_count":1,"things":[0]}}"#
        );
    }

    #[test]
    fn faults_of_a_page() {
        let all = Indices::Ascending(10);
        assert_eq!(
            page(&all, 2, 4, Some(PageFault::EmptyPage)),
            r#"{"reply":{"total_count":10,"result_count":0,"things":null}}"#
        );
        assert_eq!(
            page(&all, 2, 4, Some(PageFault::RepeatCursor)),
            r#"{"reply":{"total_count":10,"result_count":2,"things":[0,1]}}"#
        );
        assert_eq!(
            page(&all, 2, 4, Some(PageFault::Drift { shift: 1 })),
            r#"{"reply":{"total_count":11,"result_count":2,"things":[1,2]}}"#
        );
        assert_eq!(
            page(&all, 0, 2, Some(PageFault::Drift { shift: 1 })),
            r#"{"reply":{"total_count":10,"result_count":2,"things":[0,1]}}"#
        );
        assert_eq!(
            page(&all, 2, 4, Some(PageFault::BadItem)),
            r#"{"reply":{"total_count":10,"result_count":2,"things":[2,{"id":{"broken":3}}]}}"#
        );
    }
}
