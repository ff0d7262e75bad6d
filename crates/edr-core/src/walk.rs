//! A walk over all pages of a listing, which cannot lose an item in silence.
//!
//! One pass follows the cursors to the end. Items are given out the first time they are seen. A pass
//! that shows a sign of loss is followed by another, up to [`MAX_PASSES`]; what is still missing then
//! is a gap in the outcome. The signs: fewer distinct items than the vendor counted when the pass
//! began, a listing that shifted between two pages, a page key that repeats or has expired, and pages
//! that bring nothing new. Items that are added while the walk is under way are owed to nobody. A later
//! page that is empty and counts less than the one before proves nothing: what was owed stays owed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::page::{Drift, PageEnd, Part};
use crate::provider::{PartStream, WalkStream};
use crate::query::uid_key;
use crate::{
    Collected, Cursor, Error, ErrorKind, Gap, Listing, Outcome, Rejected, Result, RetryStatus, TenantId,
    Vendor, Walked, Warning,
};

/// How often a listing that shows signs of loss is read.
const MAX_PASSES: u32 = 3;
/// How often one page is asked for again after it broke off.
const MAX_PAGE_RETRIES: u32 = 3;
/// How many pages in a row may bring nothing before the listing counts as stuck.
const MAX_IDLE_PAGES: u32 = 8;
/// How many known items in a row, beyond two laps of everything known, mean that it goes in circles.
const MAX_STALE_ITEMS: u64 = 1000;

/// Keys are ids or hashes already; the multiplication spreads ids that differ in few digits.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "both halves are folded in")]
    fn write_u128(&mut self, key: u128) {
        let mixed = ((key >> 64) as u64 ^ key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

type Keys = HashSet<u128, BuildHasherDefault<KeyHasher>>;

struct Walker<'a, T, F> {
    tenant: &'a TenantId,
    vendor: &'a Vendor,
    open: F,
    page: PartStream<'a, T>,
    at: Option<Cursor>,
    resumed: bool,
    seen: Keys,
    /// Items that could not be decoded, and have not arrived in better shape since.
    rejected: Keys,
    duplicates: u64,
    items: u64,
    pass: Pass,
    passes: u32,
    ready: VecDeque<Walked<T>>,
    done: bool,
}

/// What one pass has shown so far.
#[derive(Default)]
struct Pass {
    visited: HashSet<String>,
    first_total: Option<u64>,
    last_total: Option<u64>,
    /// What the pass before knew to be owed, in case this one is told no total.
    owed_before: Option<u64>,
    doubt: Option<Doubt>,
    /// It began only because items were missing, so it may end when they are there.
    seeks_missing: bool,
    /// Items in a row that were known already.
    stale: u64,
    idle: u32,
    page: PageState,
}

#[derive(Default)]
struct PageState {
    retries: u32,
    again: bool,
    news: u64,
    seen: u64,
    /// How often the same undecodable text without an id has come on this page.
    nameless: HashMap<u128, u64>,
}

/// Why a pass is not believed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doubt {
    Circle,
    Drift,
    Idle,
    RepeatedKey,
}

impl Doubt {
    fn reason(self) -> &'static str {
        match self {
            Self::Circle => "the listing goes in circles",
            Self::Drift => "the listing shifted while it was read",
            Self::Idle => "page after page brought nothing new",
            Self::RepeatedKey => "the vendor repeated a page key",
        }
    }
}

impl Pass {
    /// Items the vendor counted when the pass began, less those that it dropped since.
    fn owed(&self) -> Option<u64> {
        let told = self.first_total.zip(self.last_total).map(|(first, last)| first.min(last));
        told.or(self.owed_before)
    }
}

/// Starts a walk; `open` asks for the page at a cursor.
pub(crate) fn walk<'a, T, F>(
    tenant: &'a TenantId,
    vendor: &'a Vendor,
    from: Option<Cursor>,
    mut open: F,
) -> WalkStream<'a, T>
where
    T: Listing,
    F: FnMut(Option<Cursor>) -> PartStream<'a, T> + Send + 'a,
{
    let page = open(from.clone());
    let walker = Walker {
        tenant,
        vendor,
        open,
        page,
        resumed: from.is_some(),
        at: from,
        seen: Keys::default(),
        rejected: Keys::default(),
        duplicates: 0,
        items: 0,
        pass: Pass::default(),
        passes: 1,
        ready: VecDeque::new(),
        done: false,
    };
    stream::unfold(walker, |mut walker| async move {
        let event = walker.step().await?;
        Some((event, walker))
    })
    .boxed()
}

impl<'a, T, F> Walker<'a, T, F>
where
    T: Listing,
    F: FnMut(Option<Cursor>) -> PartStream<'a, T> + Send + 'a,
{
    async fn step(&mut self) -> Option<Walked<T>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.done {
                return None;
            }
            match self.page.next().await {
                Some(Ok(part)) => self.take(part),
                Some(Err(error)) => self.fail(error),
                None => self.fail(cut_off()),
            }
        }
    }

    /// What must be known of a part comes before its items: a reader that has enough items stops there.
    fn take(&mut self, part: Part<T>) {
        if part.restarted {
            self.pass.page.begin_again();
        }
        // In place: items are large, and nearly all of them are new.
        let mut fresh = part.items;
        fresh.retain(|item| self.is_news(item.key()));
        for key in part.filtered_out {
            self.is_news(key);
        }
        self.ready.extend(part.warnings.into_iter().map(Walked::Warning));
        for rejected in part.rejected {
            self.reject(rejected);
        }
        if !fresh.is_empty() {
            self.items += fresh.len() as u64;
            self.ready.push_back(Walked::Items(fresh));
        }
        if let Some(end) = part.end {
            self.turn(end, part.drift);
        }
    }

    fn is_news(&mut self, key: u128) -> bool {
        self.rejected.remove(&key);
        let news = self.seen.insert(key);
        self.duplicates += u64::from(!news && self.passes == 1 && !self.pass.page.again);
        self.count(news);
        news
    }

    /// An item is reported once, however often its page is read. One without an id is known by its
    /// text and by how many of the same came before it on the page.
    fn reject(&mut self, rejected: Rejected) {
        let key = rejected.uid.as_deref().map_or_else(|| self.pass.page.nameless_key(&rejected), uid_key);
        let news = !self.seen.contains(&key) && self.rejected.insert(key);
        self.count(news);
        if news {
            self.ready.push_back(Walked::Rejected(rejected));
        }
    }

    fn count(&mut self, news: bool) {
        self.pass.page.seen += 1;
        self.pass.page.news += u64::from(news);
        self.pass.stale = if news { 0 } else { self.pass.stale + 1 };
    }

    /// A page has ended: go on, or finish the pass.
    fn turn(&mut self, end: PageEnd, drift: Drift) {
        self.watch(&end, drift);
        let Some(next) = end.next else { return self.finish_pass() };
        if !self.pass.visited.insert(next.as_str().to_owned()) {
            self.doubt(Doubt::RepeatedKey);
            return self.finish_pass();
        }
        if self.is_stuck() || self.found_the_missing() {
            return self.finish_pass();
        }
        self.ready.push_back(Walked::Checkpoint(next.clone()));
        self.ask(Some(next));
    }

    fn watch(&mut self, end: &PageEnd, drift: Drift) {
        let before = self.pass.last_total;
        let fell = end.total.zip(before).is_some_and(|(now, before)| now < before);
        let denies = self.at.is_some()
            && self.pass.page.seen == 0
            && (fell || (before.is_none() && end.total == Some(0)));
        // What a resumed walk lacks cannot be counted, and neither can what has had no total.
        let uncounted = denies && (self.resumed || before.is_none());
        if drift == Drift::Seen || (drift == Drift::Unknown && fell) || uncounted {
            self.doubt(Doubt::Drift);
        }
        // A page without items, behind others, may be a stumble: nobody owes less because of it.
        if denies {
            return;
        }
        self.pass.first_total = self.pass.first_total.or(end.total);
        self.pass.last_total = end.total.or(self.pass.last_total);
    }

    /// A second pass meets old items first, so there only an empty page is idle.
    fn is_stuck(&mut self) -> bool {
        let page = std::mem::take(&mut self.pass.page);
        let idle = if self.passes == 1 { page.news == 0 } else { page.seen == 0 };
        self.pass.idle = if idle { self.pass.idle + 1 } else { 0 };
        if self.pass.idle >= MAX_IDLE_PAGES {
            self.doubt(Doubt::Idle);
        } else if self.pass.stale > 2 * self.have() + MAX_STALE_ITEMS {
            self.doubt(Doubt::Circle);
        } else {
            return false;
        }
        true
    }

    fn found_the_missing(&self) -> bool {
        self.pass.seeks_missing && self.pass.doubt.is_none() && self.shortfall() == 0
    }

    fn doubt(&mut self, doubt: Doubt) {
        self.pass.doubt.get_or_insert(doubt);
    }

    fn ask(&mut self, cursor: Option<Cursor>) {
        self.page = (self.open)(cursor.clone());
        self.at = cursor;
    }

    fn have(&self) -> u64 {
        (self.seen.len() + self.rejected.len()) as u64
    }

    /// Items the vendor counts and we do not have. A resumed walk has not seen what came before.
    fn shortfall(&self) -> u64 {
        self.pass.owed().filter(|_| !self.resumed).map_or(0, |owed| owed.saturating_sub(self.have()))
    }

    fn finish_pass(&mut self) {
        let short = self.shortfall();
        let proven = self.pass.first_total.is_some() && !self.resumed && short == 0;
        // A shifted listing can have the right number of items and not the right items.
        let doubt = self.pass.doubt.filter(|doubt| !proven || *doubt == Doubt::Drift);
        if short == 0 && doubt.is_none() {
            return self.end(Vec::new(), None);
        }
        let reason = doubt.map_or_else(|| missing(short), |doubt| doubt.reason().to_owned());
        if self.passes < MAX_PASSES {
            return self.again(&reason, doubt.is_none());
        }
        let counted =
            if short > 0 && doubt.is_some() { format!(", {}", missing(short)) } else { String::new() };
        let reason = format!("{reason}{counted}, after {} passes", self.passes);
        self.end(vec![Gap { reason, missing: (short > 0).then_some(short) }], None);
    }

    fn again(&mut self, reason: &str, seeks_missing: bool) {
        self.passes += 1;
        self.pass = Pass { seeks_missing, owed_before: self.pass.owed(), ..Pass::default() };
        self.resumed = false;
        let message = format!("{reason}; reading the listing again (pass {})", self.passes);
        self.ready.push_back(Walked::Warning(Warning { tenant: self.tenant.clone(), message }));
        self.ask(None);
    }

    fn fail(&mut self, error: Error) {
        let error = error.with_tenant(self.tenant, self.vendor);
        if error.is_cursor_expired() && self.passes < MAX_PASSES {
            return self.again("the page key expired", false);
        }
        if error.retry_status() == RetryStatus::Temporary && self.pass.page.retries < MAX_PAGE_RETRIES {
            self.pass.page.retries += 1;
            self.pass.page.begin_again();
            let message = format!("a page broke off and is asked for again: {error}");
            self.ready.push_back(Walked::Warning(Warning { tenant: self.tenant.clone(), message }));
            return self.ask(self.at.clone());
        }
        // The vendor's count is of no use for a listing that shifted while it was read.
        let known = Some(self.shortfall()).filter(|short| *short > 0 && self.pass.doubt.is_none());
        let unknown = || "an unknown number of items is missing".to_owned();
        let counted = known.map_or_else(unknown, missing);
        let gap = Gap { reason: format!("{counted}: {error}"), missing: known };
        self.end(vec![gap], Some(error));
    }

    fn end(&mut self, mut gaps: Vec<Gap>, error: Option<Error>) {
        self.done = true;
        let rejected = self.rejected.len() as u64;
        if rejected > 0 {
            let reason = format!("{rejected} {} could not be decoded", plural(rejected));
            gaps.push(Gap { reason, missing: Some(rejected) });
        }
        let outcome = match error {
            Some(error) if self.items == 0 && rejected == 0 => Outcome::Failed { error },
            error if gaps.is_empty() && error.is_none() => Outcome::Complete,
            error => Outcome::Partial { gaps, error },
        };
        self.ready.push_back(Walked::End { outcome, items: self.items, duplicates: self.duplicates });
    }
}

impl PageState {
    fn begin_again(&mut self) {
        self.again = true;
        self.seen = 0;
        self.nameless.clear();
    }

    fn nameless_key(&mut self, rejected: &Rejected) -> u128 {
        let text = format!("{}\u{0}{}", rejected.reason, rejected.raw.as_str().unwrap_or_default());
        let nth = self.nameless.entry(uid_key(&text)).or_default();
        *nth += 1;
        uid_key(&format!("{nth}\u{0}{text}"))
    }
}

fn cut_off() -> Error {
    Error::new(ErrorKind::Decode, "the page ended without an end").with_retry(RetryStatus::Temporary)
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "item" } else { "items" }
}

fn missing(count: u64) -> String {
    if count == 1 { "1 item is missing".to_owned() } else { format!("{count} items are missing") }
}

/// One event as items of a plain stream.
pub(crate) fn plain<T: Listing>(event: Walked<T>) -> Vec<Result<T>> {
    match event {
        Walked::Items(items) => items.into_iter().map(Ok).collect(),
        Walked::Rejected(r) => vec![Err(undecodable(&r))],
        Walked::End { outcome, .. } => incomplete(&outcome).map(Err).into_iter().collect(),
        Walked::Checkpoint(_) | Walked::Warning(_) => Vec::new(),
    }
}

fn undecodable(rejected: &Rejected) -> Error {
    let uid = rejected.uid.as_deref().unwrap_or("without a readable id");
    Error::new(ErrorKind::Decode, format!("{} {uid}: {}", rejected.noun, rejected.reason))
        .with_tenant(&rejected.tenant, &rejected.vendor)
}

/// The error for a listing that ended short.
pub(crate) fn incomplete(outcome: &Outcome) -> Option<Error> {
    match outcome {
        Outcome::Complete => None,
        Outcome::Failed { error } | Outcome::Partial { error: Some(error), .. } => Some(error.clone()),
        Outcome::Partial { .. } => {
            let hint = "what is listed is good; ask again for the rest";
            Some(Error::new(ErrorKind::Vendor, outcome.summary()).with_operation("listing").with_hint(hint))
        }
    }
}

/// Runs a walk to its end.
pub(crate) async fn collect<T: Listing>(mut walk: WalkStream<'_, T>) -> Result<Collected<T>> {
    let (mut items, mut rejected, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(event) = walk.next().await {
        match event {
            Walked::Items(more) => items.extend(more),
            Walked::Rejected(one) => rejected.push(one),
            Walked::Warning(one) => warnings.push(one),
            Walked::Checkpoint(_) => {}
            Walked::End { outcome: Outcome::Failed { error }, .. } => return Err(error),
            Walked::End { outcome, .. } => return Ok(Collected { items, rejected, warnings, outcome }),
        }
    }
    Err(Error::new(ErrorKind::Cancelled, "the walk ended without an outcome"))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use crate::{Collected, EdrProviderExt as _, Host, HostQuery, InMemory, Script};

    fn provider(count: u32) -> InMemory {
        let add = |b: crate::InMemoryBuilder, i| b.host(Host::new("v", "t", &format!("{i:032x}"), "{}"));
        (0..count).fold(InMemory::builder("t").page_size(10), add).build()
    }

    fn collect(provider: &InMemory) -> Collected<Host> {
        provider.collect_hosts(&HostQuery::new()).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn a_plain_listing_is_complete() {
        let all = collect(&provider(35));
        assert_eq!((all.items.len(), all.outcome.is_complete(), all.warnings.len()), (35, true, 0));
    }

    #[test]
    fn every_script_is_mended_or_told() {
        for script in [
            Script::EmptyPage(1),
            Script::RepeatCursor(1),
            Script::Shift(1, -3),
            Script::Shift(1, 3),
            Script::Shift(3, 2),
        ] {
            let provider = provider(35);
            provider.script(script);
            let all = collect(&provider);
            assert_eq!(
                (all.items.len(), all.outcome.is_complete()),
                (35, true),
                "{script:?}: {:?}",
                all.warnings
            );
        }
    }

    #[test]
    fn a_bad_item_makes_the_outcome_partial() {
        let provider = provider(35);
        provider.script(Script::BadItem(2));
        let all = collect(&provider);
        assert_eq!((all.items.len(), all.rejected.len()), (34, 1));
        assert_eq!(all.outcome.summary(), "partial: 1 item could not be decoded");
    }

    #[test]
    fn what_stays_missing_is_a_gap() {
        let provider = provider(35);
        for _ in 0..super::MAX_PASSES {
            provider.script(Script::Shift(1, 3));
        }
        let all = collect(&provider);
        assert_eq!(all.items.len(), 32);
        assert!(
            all.outcome.summary().contains("3 items are missing, after 3 passes"),
            "{}",
            all.outcome.summary()
        );
    }

    /// Walks a provider that changes after its second page.
    fn walk_while(provider: &InMemory, edit: impl Fn(&mut Vec<Host>)) -> (Vec<String>, crate::Outcome, u64) {
        use futures_util::StreamExt as _;
        let query = HostQuery::new();
        let mut walk = provider.walk_hosts(&query);
        let (mut uids, mut pages) = (Vec::new(), 0);
        loop {
            match walk.next().now_or_never().unwrap().unwrap() {
                crate::Walked::Items(hosts) => uids.extend(hosts.into_iter().map(|h| h.uid)),
                crate::Walked::Checkpoint(_) => {
                    pages += 1;
                    if pages == 2 {
                        provider.edit_hosts(&edit);
                    }
                }
                crate::Walked::End { outcome, .. } => return (uids, outcome, pages),
                _ => {}
            }
        }
    }

    #[test]
    fn one_item_less_and_one_more_between_two_pages_loses_nothing() {
        let provider = provider(35);
        let (uids, outcome, _) = walk_while(&provider, |hosts| {
            hosts.remove(3);
            hosts.push(Host::new("v", "t", &"f".repeat(32), "{}"));
        });
        assert!(outcome.is_complete());
        assert!((0..35).all(|i| uids.contains(&format!("{i:032x}"))), "{uids:?}");
    }

    #[test]
    fn growth_at_the_end_costs_no_second_pass() {
        let provider = provider(35);
        let (uids, outcome, pages) = walk_while(&provider, |hosts| {
            hosts.push(Host::new("v", "t", &"f".repeat(32), "{}"));
        });
        assert_eq!((uids.len(), outcome.is_complete(), pages), (36, true, 3));
    }

    /// Pages made by a closure, for listings that no sane provider would give.
    fn odd(pages: impl Fn(u64) -> crate::Part<Host> + Send + Sync + 'static) -> Vec<crate::Walked<Host>> {
        odd_from(None, pages)
    }

    fn odd_from(
        from: Option<crate::Cursor>,
        pages: impl Fn(u64) -> crate::Part<Host> + Send + Sync + 'static,
    ) -> Vec<crate::Walked<Host>> {
        use futures_util::{StreamExt as _, stream};
        let (tenant, vendor) = (crate::TenantId::new("t"), crate::Vendor::from_static("v"));
        let count = std::sync::atomic::AtomicU64::new(0);
        let open = move |_| {
            stream::iter([Ok(pages(count.fetch_add(1, std::sync::atomic::Ordering::SeqCst)))]).boxed()
        };
        let walk = super::walk(&tenant, &vendor, from, open);
        walk.take(100_000).collect().now_or_never().unwrap()
    }

    fn next(n: u64) -> Option<crate::PageEnd> {
        let cursor = crate::Cursor::seal(&"t".into(), crate::Noun::Host, 0, &n).unwrap();
        Some(crate::PageEnd { next: Some(cursor), total: None })
    }

    /// A page with these hosts, read by key.
    fn page(
        hosts: std::ops::Range<u64>,
        total: Option<u64>,
        end: Option<crate::PageEnd>,
    ) -> crate::Part<Host> {
        let host = |n| Host::new("v", "t", &format!("{n:032x}"), "{}");
        let end = crate::PageEnd { total, ..end.unwrap_or_default() };
        crate::Part {
            items: hosts.map(host).collect(),
            drift: crate::Drift::None,
            end: Some(end),
            ..crate::Part::default()
        }
    }

    /// How a walk over these pages ended, with the number of items and of pages.
    fn ended(
        from: Option<crate::Cursor>,
        pages: impl Fn(u64) -> crate::Part<Host> + Send + Sync + 'static,
    ) -> (String, u64, u64) {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let count = asked.clone();
        let events = odd_from(from, move |n| {
            count.store(n + 1, std::sync::atomic::Ordering::SeqCst);
            pages(n)
        });
        let Some(crate::Walked::End { outcome, items, .. }) = events.last() else { panic!("{events:?}") };
        (outcome.summary(), *items, asked.load(std::sync::atomic::Ordering::SeqCst))
    }

    #[test]
    fn an_empty_page_behind_others_takes_nothing_from_what_is_owed() {
        let told = |summary: &str, items, pages| (summary.to_owned(), items, pages);
        let first = |total| move |n| page(0..3, total, next(n));
        let denial = || page(0..0, Some(0), None);
        let always = move |n: u64| if n.is_multiple_of(2) { first(Some(10))(n) } else { denial() };
        assert_eq!(ended(None, always), told("partial: 7 items are missing, after 3 passes", 3, 6));
        let once = move |n: u64| match n {
            0 | 2 => first(Some(10))(n),
            1 => denial(),
            _ => page(3..10, Some(10), None),
        };
        assert_eq!(ended(None, once), told("complete", 10, 4));
        // The page broke off behind an item, and what comes in its place is empty.
        let broken = move |n: u64| match n {
            0 | 3 => first(Some(10))(n),
            1 => crate::Part { end: None, ..page(3..4, None, None) },
            2 => denial(),
            _ => page(3..10, Some(10), None),
        };
        assert_eq!(ended(None, broken), told("complete", 10, 5));
        // A listing that does become empty is whole when the next pass says the same.
        let gone = move |n: u64| if n == 0 { first(Some(10))(n) } else { denial() };
        assert_eq!(ended(None, gone), told("complete", 3, 3));
        // An empty page that ends a listing which has arrived is none of this.
        let trailing = move |n: u64| if n == 0 { first(Some(3))(n) } else { denial() };
        assert_eq!(ended(None, trailing), told("complete", 3, 2));
    }

    #[test]
    fn an_empty_page_is_doubted_where_nothing_was_counted() {
        let shifted = "partial: the listing shifted while it was read, after 3 passes";
        let untold =
            |n: u64| if n.is_multiple_of(2) { page(0..3, None, next(n)) } else { page(0..0, Some(0), None) };
        assert_eq!(ended(None, untold), (shifted.to_owned(), 3, 6));
        // A walk that was taken up where another one stopped cannot count what it lacks.
        let from = || next(99).and_then(|end| end.next);
        let whole = || page(0..10, Some(10), None);
        let at_once = move |n: u64| if n == 0 { page(0..0, Some(0), None) } else { whole() };
        assert_eq!(ended(from(), at_once), ("complete".to_owned(), 10, 2));
        let later = move |n: u64| match n {
            0 => page(4..6, Some(10), next(n)),
            1 => page(0..0, Some(0), None),
            _ => whole(),
        };
        assert_eq!(ended(from(), later), ("complete".to_owned(), 10, 3));
    }

    #[test]
    fn what_is_known_to_be_missing_is_not_forgotten_by_a_pass_without_a_count() {
        let brings = |n: u64| match n {
            0 => page(0..5, Some(10), None),
            1 => page(0..5, None, next(n)),
            _ => page(5..10, None, None),
        };
        assert_eq!(ended(None, brings), ("complete".to_owned(), 10, 3));
        let lacks = |n: u64| page(0..5, (n == 0).then_some(10), None);
        let short = "partial: 5 items are missing, after 3 passes";
        assert_eq!(ended(None, lacks), (short.to_owned(), 5, 3));
    }

    fn nameless() -> crate::Rejected {
        let raw = crate::Raw::new("17");
        let (tenant, vendor) = ("t".into(), "v".into());
        crate::Rejected {
            tenant,
            vendor,
            noun: crate::Noun::Host,
            uid: None,
            reason: "no object".into(),
            raw,
        }
    }

    #[test]
    fn a_listing_that_goes_in_circles_ends() {
        let part = |n: u64| crate::Part {
            items: vec![Host::new("v", "t", &format!("{:032x}", n % 5), "{}")],
            rejected: vec![nameless()],
            end: next(n),
            ..crate::Part::default()
        };
        let events = odd(part);
        assert!(matches!(events.last(), Some(crate::Walked::End { items: 5, .. })), "{:?}", events.last());
    }

    #[test]
    fn an_item_without_an_id_is_rejected_once_however_often_its_page_is_read() {
        let part = |n: u64| crate::Part {
            rejected: vec![nameless(), nameless()],
            end: (n == 1).then(crate::PageEnd::default),
            ..crate::Part::default()
        };
        let events = odd(part);
        assert_eq!(events.iter().filter(|e| matches!(e, crate::Walked::Rejected(_))).count(), 2);
    }

    #[test]
    fn an_item_that_arrives_after_all_is_not_missing() {
        let uid = format!("{:032x}", 7);
        let bad = crate::Rejected { uid: Some(uid.clone()), ..nameless() };
        let part = move |n: u64| match n {
            0 => crate::Part { rejected: vec![bad.clone()], ..crate::Part::default() },
            _ => crate::Part {
                items: vec![Host::new("v", "t", &uid, "{}")],
                end: Some(crate::PageEnd { next: None, total: Some(1) }),
                ..crate::Part::default()
            },
        };
        let events = odd(part);
        assert!(matches!(events.last(), Some(crate::Walked::End { outcome: crate::Outcome::Complete, .. })));
    }

    #[test]
    fn the_plain_stream_ends_in_an_error_when_something_is_missing() {
        use futures_util::StreamExt as _;
        let provider = provider(5);
        provider.script(Script::BadItem(0));
        let query = HostQuery::new();
        let all: Vec<_> = provider.host_stream(&query).collect().now_or_never().unwrap();
        assert_eq!(all.iter().filter(|r| r.is_ok()).count(), 4);
        assert!(all.iter().any(|r| r.as_ref().is_err_and(|e| e.to_string().contains("host 0000"))));
    }
}
