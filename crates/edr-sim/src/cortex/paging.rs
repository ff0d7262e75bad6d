//! Offset windows: `search_from` and `search_to`, an exclusive end and not a page size.
//!
//! Facts: cortex-xdr-api section 3. Default 0 to 100, at most 100 wide; a wider window is refused (strict). Totals of
//! alerts are capped at 9,999 and of incidents at 10,000, those of endpoints are not: a total is never a loop bound.

use serde_json::Value;

use super::envelope::Refusal;

/// The widest window.
pub(super) const MAX_WINDOW: u64 = 100;

/// The highest total that alerts report.
pub(super) const ALERTS_CAP: u64 = 9_999;

/// The highest total that incidents report.
pub(super) const INCIDENTS_CAP: u64 = 10_000;

/// Which items of a result are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// The offset of the first item.
    pub(super) from: u64,
    /// The offset after the last item.
    pub(super) to: u64,
}

impl Window {
    /// Reads the window of a `request_data`.
    pub(super) fn parse(data: &Value) -> Result<Self, Refusal> {
        Self::parse_within(data, MAX_WINDOW)
    }

    /// Reads a window of at most so many, which are also what comes unasked.
    pub(super) fn parse_within(data: &Value, most: u64) -> Result<Self, Refusal> {
        let from = offset(data, "search_from")?.unwrap_or(0);
        let to = offset(data, "search_to")?.unwrap_or(most);
        Self { from, to }.checked(most)
    }

    fn checked(self, most: u64) -> Result<Self, Refusal> {
        if self.to < self.from {
            return Err(Refusal::invalid("search_to must not be smaller than search_from"));
        }
        if self.to - self.from > most {
            return Err(Refusal::invalid(format!(
                "The maximum result set size is {most}: search_to - search_from is {}",
                self.to - self.from
            )));
        }
        Ok(self)
    }

    /// The part of `items` that the window covers.
    pub(super) fn slice<T>(self, items: &[T]) -> &[T] {
        let clamp = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(items.len());
        &items[clamp(self.from)..clamp(self.to)]
    }
}

/// An offset: absent or null, else a number that is not negative.
fn offset(data: &Value, key: &str) -> Result<Option<u64>, Refusal> {
    match data.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| Refusal::invalid(format!("{key} must be a non-negative integer, got {value}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn window(data: &Value) -> Result<(u64, u64), String> {
        Window::parse(data).map(|w| (w.from, w.to)).map_err(|refusal| refusal.extra.to_string())
    }

    #[test]
    fn the_default_is_the_first_hundred() {
        assert_eq!(window(&json!({})), Ok((0, 100)));
        assert_eq!(window(&json!({"search_from": null})), Ok((0, 100)));
        assert_eq!(window(&json!({"search_from": 60})), Ok((60, 100)));
        assert_eq!(window(&json!({"search_to": 40})), Ok((0, 40)));
        assert_eq!(window(&json!({"search_from": 5, "search_to": 5})), Ok((5, 5)));
    }

    #[test]
    fn wide_inverted_and_negative_windows_are_refused() {
        for data in [
            json!({"search_to": 101}),
            json!({"search_from": 10, "search_to": 9}),
            json!({"search_from": 200}),
            json!({"search_from": -1}),
            json!({"search_from": 0, "search_to": -100}),
            json!({"search_from": "0"}),
            json!({"search_to": 1.5}),
        ] {
            assert!(window(&data).is_err(), "{data}");
        }
    }

    #[test]
    fn a_window_past_the_end_is_empty() {
        let items = [1, 2, 3];
        assert_eq!(Window { from: 2, to: 50 }.slice(&items), [3]);
        assert!(Window { from: 9, to: 50 }.slice(&items).is_empty());
    }
}
