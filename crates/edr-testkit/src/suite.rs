//! The cases by name, and how to run them.

use std::fmt;
use std::panic::AssertUnwindSafe;

use edr_core::{Alert, Application, AuditEvent, Case as CaseItem, Host, HostGroup, Ioc, Vulnerability};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::conformance::{
    alert_work, alerts, deeds, disturbed, errors, filters, hosts, ioc_work, listing, orders, paging, times,
};
use crate::{CaseReport, CaseResult, Failure, Report, Verdict, World};

type Run = for<'a> fn(&'a dyn World) -> BoxFuture<'a, CaseResult>;

/// One promise, with the function that tries it.
#[derive(Clone, Copy)]
pub struct Case {
    /// The name, such as `hosts.whole`.
    pub name: &'static str,
    /// The promise in one sentence.
    pub promise: &'static str,
    run: Run,
}

impl Case {
    /// Tries the promise. A panic of the provider is a failure.
    pub async fn run(&self, world: &dyn World) -> Verdict {
        match AssertUnwindSafe((self.run)(world)).catch_unwind().await {
            Ok(result) => result.into(),
            Err(panic) => Verdict::Failed(Failure::new(format!("panicked: {}", words(panic.as_ref())))),
        }
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

macro_rules! suite {
    (
        every { $($name:literal: $promise:literal, $module:ident :: $function:ident;)+ }
        single { $($one:literal: $says:literal, $path:path;)+ }
    ) => {
        static CASES: &[Case] = &[
            $(
                Case {
                    name: concat!("hosts.", $name),
                    promise: $promise,
                    run: |world| Box::pin($module::$function::<Host>(world)),
                },
                Case {
                    name: concat!("alerts.", $name),
                    promise: $promise,
                    run: |world| Box::pin($module::$function::<Alert>(world)),
                },
                Case {
                    name: concat!("cases.", $name),
                    promise: $promise,
                    run: |world| Box::pin($module::$function::<CaseItem>(world)),
                },
                Case {
                    name: concat!("iocs.", $name),
                    promise: $promise,
                    run: |world| Box::pin($module::$function::<Ioc>(world)),
                },
                Case {
                    name: concat!("groups.", $name),
                    promise: $promise,
                    run: |world| Box::pin($module::$function::<HostGroup>(world)),
                },
                Case {
                    name: concat!("applications.", $name),
                    promise: $promise,
                    run: |world| Box::pin($module::$function::<Application>(world)),
                },
                Case {
                    name: concat!("audit_events.", $name),
                    promise: $promise,
                    run: |world| Box::pin($module::$function::<AuditEvent>(world)),
                },
                Case {
                    name: concat!("vulnerabilities.", $name),
                    promise: $promise,
                    run: |world| Box::pin($module::$function::<Vulnerability>(world)),
                },
            )+
            $(Case { name: $one, promise: $says, run: |world| Box::pin($path(world)) },)+
        ];
    };
}

suite! {
    every {
        "whole": "The listing is what the back end holds, each item once.", listing::whole;
        "identity": "Every item names tenant, vendor and id, and keeps the vendor's JSON.", listing::identity;
        "total": "A total that is told is the number of items that arrive.", listing::total;
        "get": "An item that is read by id is the one that was listed.", listing::get;
        "fields": "A selection of fields loses no identity and none of the fields.", listing::fields;
        "parts": "A page that is given out in parts is the same page.", listing::parts;
        "concurrent": "Listings that run at the same time do not touch each other.", listing::concurrent;
        "times": "Times are plausible.", listing::plausible_times;
        "paging.sizes": "Every page size gives the same items.", paging::sizes;
        "paging.text": "A cursor can be kept as text and resumed.", paging::resumes_from_text;
        "paging.checkpoint": "A walk can be taken up at each checkpoint.", paging::resumes_at_checkpoints;
        "paging.foreign": "A cursor from elsewhere is refused.", paging::refuses_foreign_cursors;
        "filters.text": "Text fields are filtered as the reference does it.", filters::text;
        "filters.words": "Fields with words of the model are filtered as the reference does it.", filters::words;
        "filters.bools": "Yes-or-no fields are filtered as the reference does it.", filters::bools;
        "filters.times": "Times are compared as the reference does it, to the instant.", filters::times;
        "filters.hostile": "Signs that mean something to a vendor are text in a filter.", filters::hostile;
        "filters.several": "All filters of a query hold at once.", filters::several;
        "filters.alternatives": "One of a filter's values is enough.", filters::alternatives;
        "filters.nothing": "A filter that matches nothing gives a proven empty listing.", filters::nothing;
        "errors.unknown": "An id that is not there is not found, and the error says where.", errors::unknown_id;
        "errors.hostile": "A malformed id is an error that says where.", errors::hostile_id;
        "disturbed.bad_item": "An item that cannot be decoded is told, and the rest arrives.", disturbed::bad_item;
        "disturbed.stream": "The plain stream turns what is missing into an error.", disturbed::stream;
        "disturbed.empty_page": "An empty page in the middle loses nothing.", disturbed::empty_page;
        "disturbed.repeated_cursor": "A repeated cursor ends, and is mended or told.", disturbed::repeated_cursor;
        "disturbed.shift": "Pages that slip are mended or told.", disturbed::shift;
        "disturbed.denied": "A listing that is refused is an error, never an empty listing.", disturbed::denied;
        "times.later": "Hours later the provider still works.", times::later;
        "times.late_resume": "A cursor that has waited is resumed or expired, and nothing is lost.", times::late_resume;
    }
    single {
        "alerts.filters.ordered": "Severities and numbers are compared as the reference does it.", filters::ordered::<Alert>;
        "cases.filters.ordered": "Severities and numbers are compared as the reference does it.", filters::ordered::<CaseItem>;
        "iocs.filters.ordered": "Severities are compared as the reference does it.", filters::ordered::<Ioc>;
        "groups.filters.ordered": "Numbers are compared as the reference does it.", filters::ordered::<HostGroup>;
        "audit_events.filters.ordered": "Severities are compared as the reference does it.", filters::ordered::<AuditEvent>;
        "vulnerabilities.filters.ordered": "Severities and numbers are compared as the reference does it.", filters::ordered::<Vulnerability>;
        "alerts.newest_first": "Alerts come newest first.", alerts::newest_first::<Alert>;
        "cases.newest_first": "Cases come newest first.", alerts::newest_first::<CaseItem>;
        "hosts.states": "The states that the capabilities promise are told.", hosts::states;
        "hosts.find": "A host is found by its name, in any case.", hosts::find;
        "check": "The tenant's check works, and tells no more than the error of a refused one.", errors::check;
        "diagnosis": "Every probe of a diagnosis says what it is about, and a refused tenant has one that failed.", errors::diagnosis;
        "capabilities": "The capabilities are consistent.", errors::capabilities;
        "unsupported": "What is not offered is refused before anything is sent.", errors::unsupported;
        "deeds.by_uid": "Hosts by id come in the order asked, and those that are not there are named.", deeds::by_uid;
        "deeds.before_the_wire": "An order for nobody, for too many or for nothing is refused before anything is sent.", deeds::before_the_wire;
        "deeds.contain": "A host is contained, and released, when its sensor says so; asked again, it is so already.", deeds::contain;
        "deeds.offline": "An order for a host that is offline waits for it, and says so.", deeds::offline;
        "deeds.unknown": "An order for a host that is not there is refused, and the others of its call are served.", deeds::unknown_id;
        "deeds.lost_answer": "An order whose answer is lost is not sent again, and its outcome is unknown.", deeds::lost_answer;
        "deeds.tags": "A tag that is added is there, and gone when it is removed.", deeds::tags;
        "orders.taken": "Every other order is taken once, is under way, and ends.", orders::taken_once;
        "orders.offline": "An order for a host that is offline waits for it, or is refused and does not come later.", orders::offline;
        "orders.unknown": "An order for a host that is not there is refused, and nothing is in doubt.", orders::unknown_id;
        "orders.lost_answer": "No order whose answer is lost is sent again, and its outcome is unknown.", orders::lost_answer;
        "alert_work.words": "A status with a verdict is read back as it was set, or refused before anything is sent.", alert_work::words;
        "alert_work.details": "Assignee, comment and labels are read back, or refused before anything is sent.", alert_work::details;
        "alert_work.unknown": "A change of an alert that is not there is refused.", alert_work::unknown_id;
        "alert_work.lost_answer": "A change whose answer is lost is not sent again, and its outcome is unknown.", alert_work::lost_answer;
        "ioc_work.there_and_gone": "An indicator that is put there is there once, and gone when it is deleted.", ioc_work::there_and_gone;
        "ioc_work.before_the_wire": "What cannot be expressed, and a call for nothing or too many, is refused before anything is sent.", ioc_work::before_the_wire;
        "ioc_work.exactly": "What can be expressed exactly is read back as it was put.", ioc_work::exactly;
        "ioc_work.lost_answer": "Indicators whose answer is lost are never doubled, and never told as refused.", ioc_work::lost_answer;
    }
}

/// All cases, in the order in which [`run_all`] runs them.
#[must_use]
pub fn cases() -> &'static [Case] {
    CASES
}

/// The case of this name.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let case = edr_testkit::case("alerts.filters.ordered").unwrap();
/// let verdict = case.run(&edr_testkit::MemoryWorld::new()).await;
/// assert_eq!(verdict, edr_testkit::Verdict::Passed);
/// # }
/// ```
#[must_use]
pub fn case(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|c| c.name == name)
}

/// Runs every case, one after the other.
pub async fn run_all(world: &dyn World) -> Report {
    run_some(world, |_| true).await
}

/// Runs the cases whose names are wanted, one after the other.
pub async fn run_some(world: &dyn World, wanted: impl Fn(&str) -> bool) -> Report {
    let mut report = Report::default();
    for case in CASES.iter().filter(|c| wanted(c.name)) {
        let verdict = case.run(world).await;
        world.calm().await;
        report.cases.push(CaseReport { name: case.name, promise: case.promise, verdict });
    }
    report
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = super::cases().iter().map(|c| c.name).collect();
        assert_eq!(names.len(), super::cases().len());
    }
}
