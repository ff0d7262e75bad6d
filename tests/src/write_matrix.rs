//! The fault matrix of what changes something, as data: each fault, what it does to the call, and what the
//! caller is to be told.
//!
//! A fault either leaves the call undone and says so, or leaves it undone in silence, or carries it out
//! in silence, or does no harm ([`Fate`]). What comes of each deed follows from that, and from whether the deed may be sent
//! again and whether the response engine reads it back.

use edr_core::ErrorKind::{
    self, Authentication, Configuration, Decode, InvalidRequest, Licence, Network, NotFound, Permission,
    RateLimited, Timeout, Vendor,
};
use edr_sim::FaultKind as K;
use edr_sim::{Fault, FaultRule, Nth};

use crate::chaos::{Product, TRIES, rule};
use crate::deeds::{Claim, Deed, TARGETS};
use crate::wire::Refuses;

/// How often the engine asks again for a host that it finds untouched.
const ROUNDS: u64 = 3;

/// When a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The first request of the deed.
    Once,
    /// Every request of it.
    Ever,
}

impl When {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Once, Self::Ever];

    /// The rule for an operation.
    #[must_use]
    pub fn rule(self, operation: &str, fault: Fault) -> FaultRule {
        let rule = rule(operation, fault);
        match self {
            Self::Once => FaultRule { nth: Some(Nth::One(1)), ..rule },
            Self::Ever => FaultRule { always: Some(true), ..rule },
        }
    }

    /// The same for requests that find nobody at home.
    #[must_use]
    pub fn refuses(self) -> Refuses {
        if self == Self::Once { Refuses::Only(1) } else { Refuses::All }
    }
}

/// What a fault does to the call that it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out and answered.
    Harmless,
    /// It was certainly not read: it is sent again, so many times in all.
    Unread(ErrorKind, u64),
    /// It is refused, and not sent again.
    Refused(ErrorKind),
    /// Its answer is lost, or says nothing. Carried out or not.
    Lost(ErrorKind, bool),
    /// Its clock is believed: wrong once, the answer to the second request is refused; wrong for ever, it is right.
    Skewed,
    /// It is carried out twice by what stands between, and the second time is answered.
    Replayed,
}
use Fate::{Harmless, Lost, Refused, Replayed, Skewed, Unread};

/// What strikes.
#[derive(Clone, Debug)]
pub enum Blow {
    /// The simulator does it.
    Fault(Fault),
    /// Nobody listens at the address.
    Nobody,
    /// The tokens of Falcon have become void since the last call.
    Revoked,
    /// Nothing.
    None,
}

/// One fault.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What the client meets.
    pub says: &'static str,
    /// What strikes.
    pub blow: Blow,
    falcon: Fate,
    cortex: Fate,
}

fn row(name: &'static str, says: &'static str, fault: impl Into<Fault>, fate: Fate) -> Row {
    each(name, says, fault, fate, fate)
}

fn each(name: &'static str, says: &'static str, fault: impl Into<Fault>, falcon: Fate, cortex: Fate) -> Row {
    Row { name, says, blow: Blow::Fault(fault.into()), falcon, cortex }
}

/// The call is carried out, and its answer lost.
fn after(fault: impl Into<Fault>) -> Fault {
    Fault { after: true, ..fault.into() }
}

fn limit(kind: K, retry_after_secs: u64) -> Fault {
    Fault { retry_after_secs, ..kind.into() }
}

fn drip(bytes: u64, delay_ms: u64) -> Fault {
    Fault { bytes: Some(bytes), delay_ms: Some(delay_ms), ..K::SlowDrip.into() }
}

fn oversized() -> Fault {
    Fault { bytes: Some(17 << 20), ..K::Oversized.into() }
}

fn skew(seconds: i64) -> Fault {
    Fault { seconds, ..K::Skew.into() }
}

/// Every fault.
#[must_use]
pub fn rows() -> Vec<Row> {
    let mut rows = said();
    rows.extend(lost());
    rows.extend(carried_out());
    rows
}

/// Faults that tell what became of the call.
fn said() -> Vec<Row> {
    let bare = |name, says, blow, fate| Row { name, says, blow, falcon: fate, cortex: fate };
    let unread = Unread(RateLimited, TRIES);
    vec![
        bare("none", "nothing goes wrong", Blow::None, Harmless),
        row("429-seconds", "too many requests, the wait in seconds", limit(K::TooManySeconds, 0), unread),
        row("429-date", "too many requests, the wait as a date", limit(K::TooManyDate, 0), unread),
        row("429-epoch", "too many requests, the wait as an epoch", limit(K::TooManyEpoch, 0), unread),
        row("429-bare", "too many requests, without a wait", K::TooManyBare, unread),
        row(
            "429-long",
            "too many requests, a wait too long to keep",
            limit(K::TooManySeconds, 600),
            Refused(RateLimited),
        ),
        each(
            "business-500",
            "a refusal in the dress of a failure",
            K::Business,
            Refused(InvalidRequest),
            Refused(NotFound),
        ),
        row("401", "credentials refused", K::Unauthorized, Unread(Authentication, 2)),
        bare("revoked", "the token has become void on the way", Blow::Revoked, Unread(Authentication, 2)),
        each("402-licence", "not licensed", K::Licence, Refused(Permission), Refused(Licence)),
        row("403-scope", "a scope or role is missing", K::Scope, Refused(Permission)),
        bare("refused", "nobody listens", Blow::Nobody, Unread(Network, TRIES)),
        row(
            "foreign-redirect",
            "a redirect (308) to another host",
            K::ForeignRedirect,
            Refused(Configuration),
        ),
        row("gzip", "compressed", K::Gzip, Harmless),
        row("double-gzip", "compressed twice", K::DoubleGzip, Harmless),
        row("slow-drip", "a body that arrives slowly", drip(64, 10), Harmless),
        // Only Cortex signs with the time.
        each("skew", "the vendor's clock is 10 minutes ahead", skew(600), Harmless, Skewed),
        row("replayed", "carried out twice by what stands between", K::Replayed, Replayed),
    ]
}

/// Faults that leave the call undone and do not say so.
fn lost() -> Vec<Row> {
    let lost = |kind| Lost(kind, false);
    vec![
        row("500", "the service fails", K::Internal, lost(Vendor)),
        row("502", "a gateway fails, in HTML", K::BadGateway, lost(Vendor)),
        row("503", "the service is not available", K::Unavailable, lost(Vendor)),
        row("504", "a gateway waits in vain, in HTML", K::GatewayTimeout, lost(Vendor)),
        row("200-error", "an error inside a success", K::OkError, lost(Vendor)),
        row("reset", "closed before the head", K::Reset, lost(Network)),
        row("stall-headers", "a head that does not arrive", K::StallHeaders, lost(Timeout)),
        row("garbage", "no JSON at all", K::Garbage, lost(Decode)),
        row("html", "a page of HTML with status 200", K::Html, lost(Decode)),
        row("empty-body", "200 without a body", K::EmptyBody, lost(Decode)),
        row("oversized", "an envelope without end", oversized(), lost(Decode)),
    ]
}

/// Faults that lose the answer to a call that was carried out.
fn carried_out() -> Vec<Row> {
    let done = |kind| Lost(kind, true);
    vec![
        row("500-after", "done, and the service fails", after(K::Internal), done(Vendor)),
        row("502-after", "done, and a gateway fails", after(K::BadGateway), done(Vendor)),
        row("503-after", "done, and the service is not available", after(K::Unavailable), done(Vendor)),
        row("504-after", "done, and a gateway waits in vain", after(K::GatewayTimeout), done(Vendor)),
        row("200-error-after", "done, and an error inside a success", after(K::OkError), done(Vendor)),
        row("reset-after", "done, and closed before the head", after(K::Reset), done(Network)),
        row("stall-after", "done, and the head does not arrive", after(K::StallHeaders), done(Timeout)),
        row("garbage-after", "done, and no JSON at all", after(K::Garbage), done(Decode)),
        row("html-after", "done, and a page of HTML with status 200", after(K::Html), done(Decode)),
        row("empty-body-after", "done, and 200 without a body", after(K::EmptyBody), done(Decode)),
        row("oversized-after", "done, and an envelope without end", after(oversized()), done(Decode)),
        row("close-mid-body", "done, and closed in the middle of the body", K::CloseMidBody, done(Network)),
        row("wrong-length", "done, and a length that promises more", K::WrongLength, done(Network)),
        row("truncated-json", "done, and JSON that ends early", K::TruncatedJson, done(Decode)),
        row("stall-body", "done, and a body that stops arriving", drip(16, 5_000), done(Timeout)),
    ]
}

/// What is to come of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What the caller is told of every target.
    pub claim: Claim,
    /// How many requests the operation gets.
    pub requests: u64,
}

/// One fault, one deed, one moment.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// The fault.
    pub row: &'a Row,
    /// Whose API.
    pub product: Product,
    /// What is done.
    pub deed: Deed,
    /// When it strikes.
    pub when: When,
}

/// Every cell of these rows that exists.
#[must_use]
pub fn cells(rows: &[Row]) -> Vec<Cell<'_>> {
    let mut cells = Vec::new();
    for row in rows {
        for product in [Product::Falcon, Product::Cortex3, Product::Cortex5] {
            for deed in Deed::ALL {
                let all = When::ALL.map(|when| Cell { row, product, deed, when });
                cells.extend(all.into_iter().filter(|cell| cell.expected().is_some()));
            }
        }
    }
    cells
}

impl Cell<'_> {
    fn fate(&self) -> Fate {
        if self.product.is_falcon() { self.row.falcon } else { self.row.cortex }
    }

    /// What is to come of it; nothing where there is no such cell.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        let once = self.when == When::Once;
        match self.row.blow {
            Blow::None if !once => return None,
            _ if !self.deed.is_of(self.product) => return None,
            // Megabytes for each cell, and slow to be read: what is sent once, and what may be sent again.
            Blow::Fault(ref fault) if fault.kind == K::Oversized && !self.is_broad() => return None,
            Blow::Revoked if !once || !self.product.is_falcon() || self.deed.has_journal() => return None,
            _ => {}
        }
        let (claim, requests) = self.special().unwrap_or_else(|| self.by_fate(once));
        // A deed that asks once is struck once.
        let twin = !once && requests == 1 && !self.deed.is_planned();
        // What the network doubles is doubled, if the deed is one that adds.
        let adds = self.fate() == Replayed
            && (self.deed.is_order() || (self.deed == Deed::Update && self.product == Product::Cortex5));
        (!twin && !adds).then_some(Expected { claim, requests })
    }

    /// True where the provider asks again in halves, because the vendor takes all of a call or nothing.
    fn halves(&self) -> bool {
        matches!(self.deed, Deed::Feed | Deed::Push) && self.product.is_falcon()
    }

    fn is_broad(&self) -> bool {
        self.when == When::Once && self.product.is_falcon() && matches!(self.deed, Deed::Contain | Deed::Tag)
    }

    /// What is special about one deed, and why.
    fn special(&self) -> Option<(Claim, u64)> {
        let spoils =
            matches!(self.row.name, "close-mid-body" | "wrong-length" | "truncated-json" | "stall-body");
        match (self.product, self.deed) {
            // Answered by 204: there is no body to be spoilt.
            (Product::Cortex5, Deed::Update) if spoils => Some((Claim::Taken, 1)),
            // It is there after all, and nobody can say who put it there.
            (Product::Falcon, Deed::Push) if self.fate() == Replayed => {
                Some((Claim::Unknown(Some(InvalidRequest)), 2 * TARGETS as u64 - 1))
            }
            // The engine reads it back, and it is as it was wanted.
            (Product::Falcon, Deed::Feed) if self.fate() == Replayed => {
                Some((Claim::Taken, 2 * TARGETS as u64 - 1))
            }
            // The second time finds the files on a list, and nobody can say on which.
            (_, Deed::Block) if self.fate() == Replayed => Some((Claim::Unknown(None), 1)),
            // The indicators are looked up before, or sessions begun, and that call gets the new token.
            (Product::Falcon, deed)
                if self.row.name == "revoked" && (deed == Deed::Push || deed.is_order()) =>
            {
                Some((Claim::Taken, 1))
            }
            // A session may work for as long as it was given, and is waited for; that is longer than the head takes.
            (Product::Falcon, deed)
                if deed.is_order() && matches!(self.row.name, "stall-headers" | "stall-after") =>
            {
                Some((Claim::Taken, 1))
            }
            // What is too large once is too large again.
            (_, Deed::Tag) if self.row.name.starts_with("oversized") => {
                Some((Claim::Unknown(Some(Decode)), 1))
            }
            _ => None,
        }
    }

    /// True where what was done is seen afterwards, whatever became of the answer.
    fn is_seen(&self) -> bool {
        self.deed == Deed::Feed && self.product != Product::Cortex3
    }

    fn by_fate(&self, once: bool) -> (Claim, u64) {
        let planned = self.deed.is_planned();
        let kind_of = |kind| (!self.deed.has_journal()).then_some(kind);
        let nothing = |kind| Claim::Nothing(kind_of(kind));
        let unknown = |kind| Claim::Unknown(kind_of(kind));
        let repeatable = self.deed.is_repeatable();
        match self.fate() {
            Harmless => (Claim::Taken, 1),
            Unread(..) if once => (Claim::Taken, 2),
            Unread(kind, tries) => (nothing(kind), tries),
            // The engine asks in halves when a vendor refuses all of it.
            Refused(InvalidRequest) if self.halves() && once => (Claim::Taken, 3),
            Refused(kind @ InvalidRequest) if self.halves() => (nothing(kind), 2 * TARGETS as u64 - 1),
            Skewed if once => (nothing(Authentication), 2),
            Skewed => (Claim::Taken, 2),
            Refused(InvalidRequest | NotFound) if planned && once => (Claim::Taken, 3),
            Refused(kind @ (InvalidRequest | NotFound)) if planned => (nothing(kind), 2 * TARGETS as u64 - 1),
            Refused(kind) => (nothing(kind), 1),
            Lost(_, true) if planned => (Claim::Taken, 1),
            Lost(..) if planned && once => (Claim::Taken, 2),
            Lost(kind, false) if planned => (nothing(kind), ROUNDS),
            Lost(..) if repeatable && once => (Claim::Taken, 2),
            Lost(_, true) if self.is_seen() => (Claim::Taken, 1),
            Lost(_, false) if self.is_seen() && once => (Claim::Taken, 2),
            Lost(kind, false) if self.is_seen() => (unknown(kind), ROUNDS),
            Lost(kind, _) if repeatable => (unknown(kind), TRIES),
            Lost(kind, _) => (unknown(kind), 1),
            Replayed if matches!(self.deed, Deed::Contain | Deed::Release) => (Claim::Already, 1),
            Replayed if self.deed == Deed::Drop && self.product.is_falcon() => (Claim::Already, 1),
            Replayed if planned => (Claim::Already, 1),
            Replayed => (Claim::Taken, 1),
        }
    }

    /// The cell in a few words.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {:?} {:?} {:?}", self.row.name, self.product, self.deed, self.when)
    }
}
