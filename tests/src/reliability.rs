//! The fault matrix as a page for people: `docs/RELIABILITY.md`.

use std::fmt::Write as _;

use crate::chaos::{Product, Task};
use crate::deeds::{Claim, Deed};
use crate::matrix::{Cell, End, Mode, Row};
use crate::write_matrix as writes;

const INTRODUCTION: &str = "\
# Reliability

What becomes of a call when the vendor, or what stands between here and there, goes wrong. A call ends
in one of three ways, and never in silence:

- **complete**: everything that there is has been given out, and nothing twice.
- **partial**: what was given out is good. The outcome names what is missing, with a number where the
  vendor's own count allows one, and the error that ended the listing.
- **failed**: nothing was given out. The error says which tenant, which operation, what happened and
  what to do next.

**Tried again**: rate limits, for as long as the vendor asks and within a limit of ours; failures of
the service and of gateways; lost connections, and bodies that break off, stall or are no JSON. The
waits grow and are spread at random. Attempts, the time of an operation and the retries of a tenant
are all bounded (`RetryPolicy`, `RetryBudget`). The error that remains says how often it was tried.

**Tried once more, with fresh credentials**: a 401. Falcon mints a new token. Cortex XDR signs anew, with
the vendor's time when the clocks differ. Credentials that are refused again are refused.

**Not tried again**: refusals (a missing scope, a request that the vendor will not do, also when it
dresses them as 500), redirects, answers that are larger than any answer may be, waits that are longer
than we are ready to keep.

**At most once**: an operation that changes something is sent again only when it is certain that nothing was
done: no connection was made, or the vendor refused it unread (429, 401). After that every way to lose its answer
(a timeout, a connection lost, a 5xx, a body that breaks off or is no JSON) ends in an error with
`Error::is_outcome_unknown`: nobody can say whether it was done, and it is not sent again. A refusal is not in
doubt. What the vendor's facts call repeatable (tags of hosts) is sent again; when it was lost once and no
success follows, its outcome is unknown too. Read the target back before you ask again.

**Accepted is not done**: `EdrProvider::respond` gives a receipt for each host: accepted, already so, refused,
or unknown. `EdrProvider::progress` reads back what became of it: pending, pending for a host that is offline,
done, failed. These are never mixed.

**Read again**: a listing whose page key has expired or repeats, that shifts while it is read, or that
brings less than the vendor counts: up to three times. Items are known by their id, so none is given
out twice. A later page that is empty and counts less than the one before is no end: it may be a stumble.
What is still missing then is named. An item that cannot be decoded is reported as such, and does not end
the listing.

A command line that ends partial or failed has an exit code other than 0.
";

const LEGEND: &str = "\
## The matrix

Each cell is a test, `tests/tests/fault_matrix.rs`, which also holds the number of requests that
the vendor sees (hosts are read ahead: up to three times as many where one page fails). This page is written by that test; `EDR_BLESS=1 cargo test -p edr-tests --test
fault_matrix` does it anew. Listings have three pages. Their cells say what comes of a fault that
strikes the second request / all but the first / all. The other cells: the first request / all.
`*`: after asking again. `–`: there is no such case.
";

/// The page.
#[must_use]
pub fn page(rows: &[Row]) -> String {
    let mut page = format!("{INTRODUCTION}\n{LEGEND}");
    let falcon = [
        (Product::Falcon, Task::Hosts, "hosts list"),
        (Product::Falcon, Task::Alerts, "alerts list"),
        (Product::Falcon, Task::Host, "host get"),
        (Product::Falcon, Task::Alert, "alert get"),
        (Product::Falcon, Task::Check, "tenant test"),
    ];
    page.push_str(&table("CrowdStrike Falcon", rows, &falcon));
    let behind = [
        (Product::Falcon, Task::Token, "tenant test, struck at the token"),
        (Product::FalconIds, Task::Hosts, "hosts list, struck at the ids"),
        (Product::FalconIds, Task::HostEntities, "hosts list, struck at the hosts"),
        (Product::FalconIds, Task::Alerts, "alerts list, struck at the ids"),
        (Product::FalconIds, Task::AlertEntities, "alerts list, struck at the alerts"),
    ];
    let title = "CrowdStrike Falcon: the token, and clouds without the combined endpoints";
    page.push_str(&table(title, rows, &behind));
    let cortex = [
        (Product::Cortex3, Task::Hosts, "hosts list"),
        (Product::Cortex3, Task::Alerts, "alerts list"),
        (Product::Cortex5, Task::Alerts, "alerts list (XDR 5)"),
        (Product::Cortex3, Task::Host, "host get"),
        (Product::Cortex3, Task::Alert, "alert get"),
        (Product::Cortex5, Task::Alert, "alert get (XDR 5)"),
        (Product::Cortex3, Task::Check, "tenant test"),
    ];
    page.push_str(&table("Palo Alto Networks Cortex XDR", rows, &cortex));
    page.push_str(&changes());
    page
}

const CHANGES: &str = "
## What changes something

Each cell is a test, `tests/tests/write_matrix.rs`, about three targets at a time; the simulator's log of changes is held against
what the caller is told. In no cell is anything changed twice, told to be done when it is not, or told to be left
undone when it is done. A fault strikes the first request / all of them; one word where that makes no difference.

- **taken**: the vendor took it. **already**: it was so, or on its way.
- **nothing**: nothing was done, and the error says why.
- **unknown**: the answer was lost. The receipt says so; read the target back.
- `*`: sent again, because nothing had been done or because the deed may be repeated.

*contain plan* and *release plan* are the response engine's: it reads back a host whose answer was lost, and asks again for one that is
untouched, at most three times. Each such cell is then taken up again without the fault, and ends with every host done just once.
`tests/tests/response_chaos.rs` does the same with random faults in two tenants.

*feed* and *block* are `edr iocs push` and `edr iocs block`: the tenant is read back where the vendor lets anybody read it, and what was lost is asked
for again only when it is seen to be untouched, at most three times. Each cell is then pushed again without the fault, and ends with every
indicator put there just once. The blocklist of Cortex XDR can be read by nobody: a file that stands on one of the lists stays unknown until a person looks.

Something between here and the vendor may hand a call on twice (`replayed`). Then containment finds the host on its way; in a plan its lease holds
it all the same, and gives it back. Where Cortex XDR refuses, and the endpoint cannot be read after that, it is unknown; where its record lags, it is
told as refused. A comment that is doubled there stands twice, and a script that is doubled there runs twice; nobody can prevent that from here.

A redirect to another host is not followed, and means that the vendor did not read the call.
";

/// The matrix of what changes something.
fn changes() -> String {
    let rows = writes::rows();
    let every = |product, deeds: &[(Deed, &'static str)]| -> Vec<(Product, Deed, &'static str)> {
        deeds.iter().map(|(deed, title)| (product, *deed, *title)).collect()
    };
    let deeds = [
        (Deed::Contain, "contain"),
        (Deed::Release, "release"),
        (Deed::Tag, "tag"),
        (Deed::Update, "alert update"),
        (Deed::Push, "indicators push"),
    ];
    let plans = [(Deed::PlanContain, "contain plan"), (Deed::PlanRelease, "release plan")];
    let drop = [(Deed::Drop, "indicators delete")];
    // One stands for all three: each is a cell of its own, and they expect the same.
    let orders = [(Deed::Fetch, "process kill, file fetch, script")];
    let feed = [(Deed::Feed, "feed")];
    let three = [(Deed::Feed, "feed"), (Deed::Block, "block")];
    let falcon = [
        every(Product::Falcon, &deeds),
        every(Product::Falcon, &drop),
        every(Product::Falcon, &orders),
        every(Product::Falcon, &plans),
        every(Product::Falcon, &feed),
    ];
    let five = [
        (Deed::Update, "alert update (XDR 5)"),
        (Deed::Drop, "indicators delete (XDR 5)"),
        (Deed::Feed, "feed (XDR 5)"),
    ];
    let cortex = [
        every(Product::Cortex3, &deeds),
        every(Product::Cortex5, &five),
        every(Product::Cortex3, &orders),
        every(Product::Cortex3, &plans),
        every(Product::Cortex3, &three),
    ];
    let mut out = CHANGES.to_owned();
    out.push_str(&change_table("CrowdStrike Falcon", &rows, &falcon.concat()));
    out.push_str(&change_table("Palo Alto Networks Cortex XDR", &rows, &cortex.concat()));
    out
}

fn change_table(vendor: &str, rows: &[writes::Row], columns: &[(Product, Deed, &str)]) -> String {
    let titles: Vec<&str> = columns.iter().map(|(.., title)| *title).collect();
    let mut out =
        format!("\n### {vendor}: changes\n\n| fault | what the client meets | {} |\n", titles.join(" | "));
    out.push_str(&"| --- ".repeat(columns.len() + 2));
    out.push_str("|\n");
    for row in rows {
        let cells: Vec<String> =
            columns.iter().map(|(product, deed, _)| told(row, *product, *deed)).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| `{}` | {} | {} |", row.name, row.says, cells.join(" | "));
    }
    out
}

/// Both moments of a deed, in a few words; once where they say the same.
fn told(row: &writes::Row, product: Product, deed: Deed) -> String {
    let cells = writes::When::ALL.map(|when| writes::Cell { row, product, deed, when });
    let mut ends: Vec<String> = cells.iter().filter_map(claim).collect();
    ends.dedup();
    if ends.is_empty() { "–".to_owned() } else { ends.join(" / ") }
}

fn claim(cell: &writes::Cell<'_>) -> Option<String> {
    let expected = cell.expected()?;
    let why = |kind: Option<edr_core::ErrorKind>| {
        kind.map_or_else(String::new, |kind| format!(": {}", kind.as_str().replace('_', " ")))
    };
    let told = match expected.claim {
        Claim::Taken => "taken".to_owned(),
        Claim::Already => "already".to_owned(),
        Claim::Nothing(kind) => format!("nothing{}", why(kind)),
        Claim::Unknown(kind) => format!("unknown{}", why(kind)),
    };
    Some(format!("{told}{}", if expected.requests > 1 { "*" } else { "" }))
}

fn table(vendor: &str, rows: &[Row], columns: &[(Product, Task, &str)]) -> String {
    let titles: Vec<&str> = columns.iter().map(|(.., title)| *title).collect();
    let mut out = format!("\n### {vendor}\n\n| fault | what the client meets | {} |\n", titles.join(" | "));
    out.push_str(&"| --- ".repeat(columns.len() + 2));
    out.push_str("|\n");
    for row in rows {
        let cells = columns.iter().map(|(product, task, _)| words(row, *product, *task));
        let cells: Vec<String> = cells.collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| `{}` | {} | {} |", row.name, row.says, cells.join(" | "));
    }
    out
}

/// The modes of a task, in a few words; once where they all say the same.
fn words(row: &Row, product: Product, task: Task) -> String {
    let cells = Mode::ALL.map(|mode| Cell { row, product, task, mode });
    let mut ends: Vec<String> = cells.iter().filter_map(phrase).collect();
    if ends.windows(2).all(|pair| pair[0] == pair[1]) {
        ends.truncate(1);
    }
    if ends.is_empty() { "–".to_owned() } else { ends.join(" / ") }
}

fn phrase(cell: &Cell<'_>) -> Option<String> {
    let kind = |kind: edr_core::ErrorKind| kind.as_str().replace('_', " ");
    let end = match cell.expected()?.end {
        End::Complete => "complete".to_owned(),
        End::Failed(why) => format!("failed: {}", kind(why)),
        End::Partial(None) => "partial".to_owned(),
        End::Partial(Some(why)) => format!("partial: {}", kind(why)),
    };
    Some(format!("{end}{}", if cell.is_tried_again() { "*" } else { "" }))
}
