//! The fault matrix as data: each fault, when it strikes, and what is to come of each task.
//!
//! A fault of the connection or of a whole answer ([`Fate::Answer`]) does the same to every task, so
//! that its row says it once for all of them. A fault of a page ([`Fate::Pages`]) is written out for
//! each listing. What is special about one task stands in [`SPECIAL`].

use std::ops::RangeInclusive;

use edr_core::ErrorKind::{
    self, Authentication, Configuration, CursorExpired, Decode, InvalidRequest, Network, Permission,
    RateLimited, Timeout,
};
use edr_sim::FaultKind as K;
use edr_sim::{Fault, FaultRule, Nth};

use crate::chaos::{Product, TRIES, Task, rule};
use crate::wire::Refuses;

/// How many hosts and alerts the tenant has: two pages and a half.
pub const ITEMS: u64 = 25;
/// The size of a page.
pub const PAGE: u32 = 10;
/// Requests of a listing that nothing disturbs.
pub const PAGES: u64 = 3;

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One request: the second of a listing, the first of everything else.
    Once,
    /// Every request of a listing but the first.
    Late,
    /// Every request.
    Ever,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Once, Self::Late, Self::Ever];

    /// The rule for an operation.
    #[must_use]
    pub fn rule(self, task: Task, operation: &str, fault: Fault) -> FaultRule {
        let rule = rule(operation, fault);
        match self {
            Self::Once => FaultRule { nth: Some(Nth::One(if task.is_listing() { 2 } else { 1 })), ..rule },
            Self::Late => FaultRule { nth: Some(Nth::Many((2..1_000).collect())), ..rule },
            Self::Ever => FaultRule { always: Some(true), ..rule },
        }
    }

    /// The same for requests that find nobody at home.
    #[must_use]
    pub fn refuses(self, task: Task) -> Refuses {
        match self {
            Self::Once => Refuses::Only(if task.is_listing() { 2 } else { 1 }),
            Self::Late => Refuses::From(2),
            Self::Ever => Refuses::All,
        }
    }
}

/// How a task ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With everything.
    Complete,
    /// With an error and nothing else.
    Failed(ErrorKind),
    /// With a part, and what is missing.
    Partial(Option<ErrorKind>),
}

/// What is to come of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// How the task ends.
    pub end: End,
    /// How many requests its operation gets.
    pub requests: u64,
}

/// What a fault of an answer does to the request that it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Harmless,
    /// The request is sent once more, and then all is well.
    Mended,
    /// The task ends with this error, when this many requests have been sent in vain.
    Ends(ErrorKind, u64),
}
use Effect::{Ends, Harmless, Mended};

/// Ends with this error when the client has tried as often as it may.
const fn worn_out(kind: ErrorKind) -> Effect {
    Ends(kind, TRIES)
}

/// What a fault does to a vendor's tasks.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Struck once, and struck every time. `leaks`: some items arrive before the answer breaks off, so a
    /// listing that is struck from the first page on is partial and not failed.
    Answer {
        /// Struck once.
        once: Effect,
        /// Struck every time.
        ever: Effect,
        /// Items arrive before the fault shows.
        leaks: bool,
    },
    /// Listings of hosts and of alerts, by mode; and the single things, where the vendor reads them by a
    /// page.
    Pages {
        /// Once, late and ever.
        hosts: [Expected; 3],
        /// Once, late and ever.
        alerts: [Expected; 3],
        /// A host or an alert by its id.
        single: Option<Effect>,
    },
    /// The vendor has no such thing.
    Absent,
}

fn answer(once: Effect, ever: Effect) -> Fate {
    Fate::Answer { once, ever, leaks: false }
}

/// Tried again, and given up when it stays.
fn passing(kind: ErrorKind) -> Fate {
    answer(Mended, worn_out(kind))
}

/// As [`passing`], for what breaks off in the middle.
fn breaking(kind: ErrorKind) -> Fate {
    Fate::Answer { once: Mended, ever: worn_out(kind), leaks: true }
}

/// Never tried again.
fn terminal(kind: ErrorKind) -> Fate {
    answer(Ends(kind, 1), Ends(kind, 1))
}

fn harmless() -> Fate {
    answer(Harmless, Harmless)
}

const fn whole(requests: u64) -> Expected {
    Expected { end: End::Complete, requests }
}

const fn gap(requests: u64) -> Expected {
    Expected { end: End::Partial(None), requests }
}

const fn cut(kind: ErrorKind, requests: u64) -> Expected {
    Expected { end: End::Partial(Some(kind)), requests }
}

fn pages(hosts: [Expected; 3], alerts: [Expected; 3]) -> Fate {
    Fate::Pages { hosts, alerts, single: None }
}

/// What strikes.
#[derive(Clone, Debug)]
pub enum Strike {
    /// The simulator does it.
    Fault(Fault),
    /// Nobody listens at the address.
    Refused,
}

/// One fault.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What the client meets.
    pub says: &'static str,
    /// What strikes.
    pub strike: Strike,
    falcon: Fate,
    cortex: Fate,
    /// Where Falcon's ids are read apart from what they stand for.
    ids: Option<Fate>,
    /// Where Falcon's tokens come from.
    token: Option<Fate>,
}

impl Row {
    /// What it does to a cloud of Falcon without the combined endpoints, if that is something else.
    fn by_ids(mut self, fate: Fate) -> Self {
        self.ids = Some(fate);
        self
    }

    /// What it does where Falcon's tokens come from, if that is something else.
    fn at_token(mut self, fate: Fate) -> Self {
        self.token = Some(fate);
        self
    }

    fn fate(&self, product: Product, task: Task) -> &Fate {
        let own = match (product, task) {
            (Product::FalconIds, _) => self.ids.as_ref(),
            (_, Task::Token) => self.token.as_ref(),
            _ => None,
        };
        own.unwrap_or(if product.is_falcon() { &self.falcon } else { &self.cortex })
    }
}

/// The same for both vendors.
fn row(name: &'static str, says: &'static str, fault: impl Into<Fault>, fate: Fate) -> Row {
    each(name, says, fault, fate.clone(), fate)
}

fn each(name: &'static str, says: &'static str, fault: impl Into<Fault>, falcon: Fate, cortex: Fate) -> Row {
    Row { name, says, strike: Strike::Fault(fault.into()), falcon, cortex, ids: None, token: None }
}

fn limit(kind: K, retry_after_secs: u64) -> Fault {
    Fault { retry_after_secs, ..kind.into() }
}

fn drip(bytes: u64, delay_ms: u64) -> Fault {
    Fault { bytes: Some(bytes), delay_ms: Some(delay_ms), ..K::SlowDrip.into() }
}

/// Larger than what may be held of one item, and no larger than it must be.
fn oversized() -> Fault {
    Fault { bytes: Some(17 << 20), ..K::Oversized.into() }
}

fn shift(shift: i64) -> Fault {
    Fault { shift, ..K::Drift.into() }
}

fn skew(seconds: i64) -> Fault {
    Fault { seconds, ..K::Skew.into() }
}

/// Every fault.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = answers();
    rows.extend(page_faults());
    rows
}

fn answers() -> Vec<Row> {
    let unavailable = || passing(ErrorKind::Vendor);
    let clock = || answer(Ends(Authentication, 2), Mended);
    vec![
        row("none", "nothing goes wrong", limit(K::TooMany, 0), harmless()),
        row(
            "429-seconds",
            "too many requests, the wait in seconds",
            limit(K::TooManySeconds, 1),
            passing(RateLimited),
        ),
        row(
            "429-date",
            "too many requests, the wait as a date",
            limit(K::TooManyDate, 1),
            passing(RateLimited),
        ),
        // An epoch of whole seconds, read by a clock of whole seconds, asks for one second more.
        row(
            "429-epoch",
            "too many requests, the wait as an epoch",
            limit(K::TooManyEpoch, 0),
            passing(RateLimited),
        ),
        row("429-bare", "too many requests, without a wait", K::TooManyBare, passing(RateLimited)),
        row(
            "429-long",
            "too many requests, a wait too long to keep",
            limit(K::TooManySeconds, 600),
            terminal(RateLimited),
        ),
        row("500", "the service fails", K::Internal, unavailable()),
        row("502", "a gateway fails, in HTML", K::BadGateway, unavailable()),
        row("503", "the service is not available", K::Unavailable, unavailable()),
        row("504", "a gateway waits in vain, in HTML", K::GatewayTimeout, unavailable()),
        each(
            "business-500",
            "a refusal in the dress of a failure",
            K::Business,
            terminal(InvalidRequest),
            terminal(InvalidRequest),
        ),
        row("200-error", "an error inside a success", K::OkError, unavailable()),
        // Once more in any case: with a new token, or signed anew.
        row("401", "credentials refused", K::Unauthorized, answer(Mended, Ends(Authentication, 2)))
            .at_token(terminal(Authentication)),
        row("403-scope", "a scope or role is missing", K::Scope, terminal(Permission))
            .at_token(terminal(Authentication)),
        Row {
            name: "refused",
            says: "nobody listens",
            strike: Strike::Refused,
            falcon: passing(Network),
            cortex: passing(Network),
            ids: None,
            token: None,
        },
        row("reset", "closed before the head", K::Reset, passing(Network)),
        // Ids are given out when all of a page are there, so none leaks.
        row("close-mid-body", "closed in the middle of the body", K::CloseMidBody, breaking(Network))
            .by_ids(passing(Network)),
        row("wrong-length", "a length that promises more", K::WrongLength, breaking(Network))
            .by_ids(passing(Network)),
        row("truncated-json", "JSON that ends early", K::TruncatedJson, breaking(Decode))
            .by_ids(passing(Decode)),
        row("garbage", "no JSON at all", K::Garbage, passing(Decode)),
        row("html", "a page of HTML with status 200", K::Html, passing(Decode)),
        row("empty-body", "200 without a body", K::EmptyBody, passing(Decode)),
        row("oversized", "an item or envelope without end", oversized(), terminal(Decode)),
        row("slow-drip", "a body that arrives slowly", drip(4_096, 10), harmless()),
        row("stall-body", "a body that stops arriving", drip(4_096, 5_000), passing(Timeout)),
        row("stall-headers", "a head that does not arrive", K::StallHeaders, passing(Timeout)),
        row("foreign-redirect", "a redirect to another host", K::ForeignRedirect, terminal(Configuration)),
        row("gzip", "compressed", K::Gzip, harmless()),
        row("double-gzip", "compressed twice", K::DoubleGzip, harmless()),
        // Only Cortex signs with the time. One answer by another clock teaches a time that is wrong for
        // the next one; a clock that stays wrong is learned at once.
        each("skew+10m", "the vendor's clock is 10 minutes ahead", skew(600), harmless(), clock()),
        each("skew-10m", "the vendor's clock is 10 minutes behind", skew(-600), harmless(), clock()),
    ]
}

fn page_faults() -> Vec<Row> {
    vec![
        each(
            "bad-item",
            "an item that cannot be decoded",
            K::BadItem,
            pages([gap(3), gap(9), gap(9)], [gap(3), gap(9), gap(9)]),
            Fate::Pages {
                hosts: [gap(3), gap(3), gap(3)],
                alerts: [gap(3), gap(3), gap(3)],
                single: Some(Ends(Decode, 1)),
            },
        ),
        each(
            "empty-page",
            "a page without items that is not the last",
            K::EmptyPage,
            pages([whole(5), gap(6), gap(6)], [whole(4), gap(5), gap(3)]),
            Fate::Pages {
                hosts: [whole(6), gap(9), gap(9)],
                alerts: [whole(6), gap(9), gap(9)],
                single: Some(Ends(ErrorKind::Vendor, 1)),
            },
        )
        .by_ids(pages([whole(4), gap(25), gap(24)], [whole(4), gap(25), gap(24)])),
        each(
            "repeat-cursor",
            "the page key that was sent comes back",
            K::RepeatCursor,
            pages([whole(5), gap(6), gap(6)], [whole(5), gap(4), gap(3)]),
            pages([whole(6), whole(4), whole(4)], [whole(6), whole(4), whole(4)]),
        )
        .by_ids(pages([whole(6), gap(9), gap(9)], [whole(3), whole(3), whole(3)])),
        each(
            "expired-cursor",
            "the page key has expired",
            K::ExpiredCursor,
            pages(
                [whole(5), cut(CursorExpired, 6), cut(CursorExpired, 6)],
                [whole(5), cut(CursorExpired, 6), cut(CursorExpired, 6)],
            ),
            Fate::Absent,
        )
        .by_ids(pages(
            [whole(5), cut(CursorExpired, 6), cut(CursorExpired, 6)],
            // Alerts are read by offset, which never expires.
            [whole(3), whole(3), whole(3)],
        )),
        each(
            "drift-down",
            "an item joins in front: the last one comes again",
            shift(1),
            pages([whole(3), whole(3), whole(3)], [whole(3), whole(3), whole(3)]),
            pages([whole(6), whole(3), whole(3)], [whole(6), whole(3), whole(3)]),
        )
        .by_ids(pages([whole(3), whole(3), whole(3)], [whole(5), whole(3), whole(3)])),
        each(
            "drift-up",
            "three items leave in front: three slip between two pages",
            shift(-3),
            pages([whole(5), gap(9), gap(9)], [whole(5), gap(9), gap(9)]),
            pages([whole(6), gap(9), gap(9)], [whole(6), gap(9), gap(9)]),
        )
        .by_ids(pages([whole(14), gap(30), gap(30)], [whole(5), gap(33), gap(33)])),
    ]
}

/// One task where a row says another thing than for the others, and why.
pub type Special = (&'static str, &'static [Product], Task, Mode, Expected);

const CORTEX: &[Product] = &[Product::Cortex3, Product::Cortex5];

/// A refused key is tried once as the other type, so that the check can say which one it is.
const TRIED_AS_THE_OTHER: Expected = Expected { end: End::Failed(Authentication), requests: 3 };

/// What is special about one task.
pub const SPECIAL: &[Special] = &[
    ("401", &[Product::Cortex3], Task::Check, Mode::Ever, TRIED_AS_THE_OTHER),
    ("skew+10m", &[Product::Cortex3], Task::Check, Mode::Once, TRIED_AS_THE_OTHER),
    ("skew-10m", &[Product::Cortex3], Task::Check, Mode::Once, TRIED_AS_THE_OTHER),
    // The vendor has been seen to answer 500 to an order that it does not know, so the listing asks
    // once more in another order before it gives up.
    (
        "500",
        CORTEX,
        Task::Alerts,
        Mode::Ever,
        Expected { end: End::Failed(ErrorKind::Vendor), requests: 2 * TRIES },
    ),
    (
        "business-500",
        CORTEX,
        Task::Alerts,
        Mode::Ever,
        Expected { end: End::Failed(ErrorKind::InvalidRequest), requests: 2 },
    ),
];

/// Where a listing may also come out whole in its first pass. Hosts of Cortex XDR are asked for window by window ahead, so the
/// second request that arrives may be the last window: an item that joined in front of it takes nothing out of it.
/// `crates/cortex-xdr/tests/wire/paging.rs` has both orders.
const IN_ONE_PASS: (&str, Product, Task, Mode) = ("drift-down", Product::Cortex3, Task::Hosts, Mode::Once);

/// One fault, one task, one moment.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// The fault.
    pub row: &'a Row,
    /// Whose API.
    pub product: Product,
    /// What is asked.
    pub task: Task,
    /// When it strikes.
    pub mode: Mode,
}

/// Every cell of these rows that exists.
#[must_use]
pub fn cells(rows: &[Row]) -> Vec<Cell<'_>> {
    let mut cells = Vec::new();
    for row in rows {
        for product in [Product::Falcon, Product::FalconIds, Product::Cortex3, Product::Cortex5] {
            for task in Task::ALL {
                let all = Mode::ALL.map(|mode| Cell { row, product, task, mode });
                cells.extend(all.into_iter().filter(|cell| cell.expected().is_some()));
            }
        }
    }
    cells
}

impl Cell<'_> {
    /// What is to come of it; nothing where there is no such cell.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        let known = self.product.has(self.task);
        let timely = self.task.is_listing() || self.mode != Mode::Late;
        if !known || !timely {
            return None;
        }
        let special = SPECIAL.iter().find(|(row, products, task, mode, _)| {
            (*row, *task, *mode) == (self.row.name, self.task, self.mode) && products.contains(&self.product)
        });
        special.map_or_else(|| self.by_row(), |(.., expected)| Some(*expected))
    }

    /// How many requests the operation may get. Hosts are read ahead: the page after one that fails may have been asked
    /// for, fail too, and be asked for once more.
    #[must_use]
    pub fn requests(&self, expected: Expected) -> RangeInclusive<u64> {
        let one_pass = (self.row.name, self.product, self.task, self.mode) == IN_ONE_PASS;
        let least = if one_pass { PAGES } else { expected.requests };
        let most = if self.task == Task::Hosts { 3 * expected.requests } else { expected.requests };
        least..=most
    }

    fn by_row(&self) -> Option<Expected> {
        match self.row.fate(self.product, self.task) {
            Fate::Answer { once, ever, leaks } => {
                Some(self.by_effect(if self.mode == Mode::Once { *once } else { *ever }, *leaks))
            }
            Fate::Pages { hosts, alerts, single } => match self.task {
                Task::Hosts => Some(hosts[self.mode as usize]),
                Task::Alerts => Some(alerts[self.mode as usize]),
                Task::Host | Task::Alert => single.map(|effect| self.by_effect(effect, false)),
                Task::Check | Task::Token | Task::HostEntities | Task::AlertEntities => None,
            },
            Fate::Absent => None,
        }
    }

    fn by_effect(&self, effect: Effect, leaks: bool) -> Expected {
        let (undisturbed, before) = match (self.task.is_listing(), self.mode) {
            (true, Mode::Once | Mode::Late) => (PAGES, 1),
            (true, Mode::Ever) => (PAGES, 0),
            (false, _) => (1, 0),
        };
        match effect {
            Harmless => whole(undisturbed),
            Mended => whole(undisturbed + 1),
            Ends(kind, requests) => {
                let partial = before > 0 || (leaks && self.task.is_listing());
                let end = if partial { End::Partial(Some(kind)) } else { End::Failed(kind) };
                Expected { end, requests: before + requests }
            }
        }
    }

    /// True when the client did not leave it at the first try, or read the listing again.
    #[must_use]
    pub fn is_tried_again(&self) -> bool {
        let undisturbed = if self.task.is_listing() { PAGES } else { 1 };
        let before = u64::from(self.task.is_listing() && self.mode != Mode::Ever);
        self.expected().is_some_and(|expected| match expected.end {
            End::Complete | End::Partial(None) => expected.requests > undisturbed,
            End::Failed(_) | End::Partial(Some(_)) => expected.requests > before + 1,
        })
    }

    /// The cell in a few words, for reports and for the list of known defects.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {:?} {:?} {:?}", self.row.name, self.product, self.task, self.mode)
    }
}
