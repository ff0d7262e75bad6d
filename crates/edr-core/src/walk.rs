//! A walk over all pages of a listing, which cannot lose an item in silence.
//!
//! One pass follows the cursors to the end. Items are given out the first time they are seen. A pass
//! that shows a sign of loss is followed by another, up to [`MAX_PASSES`]; what is still missing then
//! is a gap in the outcome. The signs: fewer distinct items than the vendor's exact total, a total
//! that fell while the pages were read (an offset listing has shifted), a page key that repeats or
//! has expired, and pages that bring nothing new.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::page::{PageEnd, Part};
use crate::provider::{PartStream, WalkStream};
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

/// Keys are ids or hashes already.
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
        self.0 = ((key >> 64) as u64 ^ key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
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
    rejected: u64,
    rejected_uids: HashSet<String>,
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
    total: Option<u64>,
    suspicion: Option<String>,
    page_retries: u32,
    page_again: bool,
    page_news: u64,
    page_seen: u64,
    idle: u32,
}

impl Pass {
    fn next_page(&mut self) {
        (self.page_news, self.page_seen, self.page_retries, self.page_again) = (0, 0, 0, false);
    }
}

/// Starts a walk; `open` asks for the page at a cursor.
pub(crate) fn walk<'a, T, F>(
    tenant: &'a TenantId,
    vendor: &'a Vendor,
    from: Option<Cursor>,
    open: F,
) -> WalkStream<'a, T>
where
    T: Listing,
    F: Fn(Option<Cursor>) -> PartStream<'a, T> + Send + 'a,
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
        rejected: 0,
        rejected_uids: HashSet::new(),
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
    F: Fn(Option<Cursor>) -> PartStream<'a, T> + Send + 'a,
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
                None => self.fail(self.cut_off()),
            }
        }
    }

    fn take(&mut self, part: Part<T>) {
        self.pass.page_again |= part.restarted;
        let mut fresh = Vec::with_capacity(part.items.len());
        for item in part.items {
            if self.is_news(item.key()) {
                fresh.push(item);
            }
        }
        for key in part.filtered_out {
            self.is_news(key);
        }
        if !fresh.is_empty() {
            self.items += fresh.len() as u64;
            self.ready.push_back(Walked::Items(fresh));
        }
        for rejected in part.rejected {
            self.reject(rejected);
        }
        self.ready.extend(part.warnings.into_iter().map(Walked::Warning));
        if let Some(end) = part.end {
            self.turn(end);
        }
    }

    fn is_news(&mut self, key: u128) -> bool {
        let news = self.seen.insert(key);
        self.pass.page_seen += 1;
        self.pass.page_news += u64::from(news);
        self.duplicates += u64::from(!news && self.passes == 1 && !self.pass.page_again);
        news
    }

    /// A rejected item with an id is reported once; one without is reported in the first pass.
    fn reject(&mut self, rejected: Rejected) {
        self.pass.page_seen += 1;
        let news = match &rejected.uid {
            Some(uid) => self.rejected_uids.insert(uid.clone()),
            None => self.passes == 1 && !self.pass.page_again,
        };
        if news {
            self.rejected += 1;
            self.pass.page_news += 1;
            self.ready.push_back(Walked::Rejected(rejected));
        }
    }

    /// A page has ended: go on, or finish the pass.
    fn turn(&mut self, end: PageEnd) {
        self.watch_total(end.total);
        // A second pass meets old items first, so there only an empty page is idle.
        let idle = if self.passes == 1 { self.pass.page_news == 0 } else { self.pass.page_seen == 0 };
        self.pass.idle = if idle { self.pass.idle + 1 } else { 0 };
        self.pass.next_page();
        let Some(next) = end.next else { return self.finish_pass() };
        if !self.pass.visited.insert(next.as_str().to_owned()) {
            self.suspect("the vendor repeated a page key");
            return self.finish_pass();
        }
        if self.pass.idle >= MAX_IDLE_PAGES {
            self.suspect(&format!("{MAX_IDLE_PAGES} pages in a row brought nothing new"));
            return self.finish_pass();
        }
        self.ready.push_back(Walked::Checkpoint(next.clone()));
        self.ask(Some(next));
    }

    fn watch_total(&mut self, total: Option<u64>) {
        if let (Some(before), Some(now)) = (self.pass.total, total)
            && now < before
        {
            self.suspect("the listing shrank while it was read");
        }
        self.pass.total = total.or(self.pass.total);
    }

    fn suspect(&mut self, reason: &str) {
        self.pass.suspicion.get_or_insert_with(|| reason.to_owned());
    }

    fn ask(&mut self, cursor: Option<Cursor>) {
        self.page = (self.open)(cursor.clone());
        self.at = cursor;
    }

    /// Items the vendor counts and we do not have. A resumed walk has not seen what came before.
    fn shortfall(&self) -> u64 {
        let have = self.seen.len() as u64 + self.rejected;
        self.pass.total.filter(|_| !self.resumed).map_or(0, |total| total.saturating_sub(have))
    }

    fn finish_pass(&mut self) {
        let short = self.shortfall();
        let proven = self.pass.total.is_some() && !self.resumed && short == 0;
        let shrank = self.pass.suspicion.as_deref().is_some_and(|s| s.contains("shrank"));
        let doubt = short > 0 || (self.pass.suspicion.is_some() && (!proven || shrank));
        if !doubt {
            return self.end(Vec::new(), None);
        }
        let reason = self
            .pass
            .suspicion
            .clone()
            .unwrap_or_else(|| format!("{short} of the items that the vendor counts did not arrive"));
        if self.passes < MAX_PASSES {
            return self.again(&reason);
        }
        let missing = (short > 0).then_some(short);
        let counted = missing.map_or(String::new(), |n| format!(", {n} items missing"));
        self.end(
            vec![Gap { reason: format!("{reason}{counted}, after {} passes", self.passes), missing }],
            None,
        );
    }

    fn again(&mut self, reason: &str) {
        self.passes += 1;
        self.pass = Pass::default();
        self.resumed = false;
        let message = format!("{reason}; reading the listing again (pass {})", self.passes);
        self.ready.push_back(Walked::Warning(Warning { tenant: self.tenant.clone(), message }));
        self.ask(None);
    }

    fn cut_off(&self) -> Error {
        Error::new(ErrorKind::Decode, "the page ended without an end").with_retry(RetryStatus::Temporary)
    }

    fn fail(&mut self, error: Error) {
        let error = error.with_tenant(self.tenant, self.vendor);
        if error.is_cursor_expired() && self.passes < MAX_PASSES {
            return self.again("the page key expired");
        }
        if error.retry_status() == RetryStatus::Temporary && self.pass.page_retries < MAX_PAGE_RETRIES {
            self.pass.page_retries += 1;
            self.pass.page_again = true;
            let message = format!("a page broke off and is asked for again: {error}");
            self.ready.push_back(Walked::Warning(Warning { tenant: self.tenant.clone(), message }));
            return self.ask(self.at.clone());
        }
        let short = self.shortfall();
        let missing = (short > 0).then_some(short);
        let counted = missing.map_or_else(
            || "an unknown number of items is missing".to_owned(),
            |n| format!("{n} items are missing"),
        );
        self.end(vec![Gap { reason: format!("{counted}: {error}"), missing }], Some(error));
    }

    fn end(&mut self, mut gaps: Vec<Gap>, error: Option<Error>) {
        self.done = true;
        if self.rejected > 0 {
            let reason = format!("{} items could not be decoded", self.rejected);
            gaps.push(Gap { reason, missing: Some(self.rejected) });
        }
        let outcome = match error {
            Some(error) if self.items == 0 && self.rejected == 0 => Outcome::Failed { error },
            error if gaps.is_empty() && error.is_none() => Outcome::Complete,
            error => Outcome::Partial { gaps, error },
        };
        self.ready.push_back(Walked::End { outcome, items: self.items, duplicates: self.duplicates });
    }
}

/// One event as items of a plain stream.
pub(crate) fn plain<T: Listing>(event: Walked<T>) -> Vec<Result<T>> {
    match event {
        Walked::Items(items) => items.into_iter().map(Ok).collect(),
        Walked::Rejected(r) => vec![Err(undecodable(&r))],
        Walked::End { outcome, .. } => incomplete(outcome).map(Err).into_iter().collect(),
        Walked::Checkpoint(_) | Walked::Warning(_) => Vec::new(),
    }
}

fn undecodable(rejected: &Rejected) -> Error {
    let uid = rejected.uid.as_deref().unwrap_or("without a readable id");
    Error::new(ErrorKind::Decode, format!("{} {uid}: {}", rejected.noun, rejected.reason))
        .with_tenant(&rejected.tenant, &rejected.vendor)
}

/// The error for a listing that ended short; rejected items were errors of their own.
fn incomplete(outcome: Outcome) -> Option<Error> {
    match outcome {
        Outcome::Complete => None,
        Outcome::Failed { error } | Outcome::Partial { error: Some(error), .. } => Some(error),
        Outcome::Partial { .. } => Some(Error::new(ErrorKind::Vendor, outcome.summary())),
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
        assert_eq!(all.outcome.summary(), "partial: 1 items could not be decoded");
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
            all.outcome.summary().contains("3 items missing, after 3 passes"),
            "{}",
            all.outcome.summary()
        );
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
