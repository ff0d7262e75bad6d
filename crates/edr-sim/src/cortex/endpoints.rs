//! `endpoints/get_endpoint` (filters, sort, pages) and `endpoints/get_endpoints` (all agents at once).
//!
//! Facts: cortex-xdr-api sections 4.1 and 4.2. Totals of endpoints are not capped.

use std::sync::Arc;

use super::Call;
use super::endpoint::{self, Endpoint};
use super::envelope::{Answer, Refusal, Reply};
use super::filter::{self, Clause, Field, Kind, Op, Sort, field};
use super::page::{Indices, Names, Page};
use super::paging::Window;
use super::words;
use crate::estate::machine::Cloud;
use crate::estate::overlay::Containment;
use crate::estate::{HostFields, TenantEstate};

const IN: &[Op] = &[Op::In];
const TIME: &[Op] = &[Op::Gte, Op::Lte, Op::Eq];

/// The filters (facts 4.1, the table); those after the first [`IN_THREE`] are of XDR 5.
static FILTERS: &[Field] = &[
    field("endpoint_id_list", IN, Kind::Text),
    field("dist_name", IN, Kind::Text),
    field("group_name", IN, Kind::Text),
    field("alias", IN, Kind::Text),
    field("hostname", IN, Kind::Text),
    field("username", IN, Kind::Text),
    field("public_ip_list", IN, Kind::Text),
    field("endpoint_status", &[Op::In, Op::Eq], Kind::Text),
    field("ip_list", IN, Kind::Text),
    field("platform", IN, Kind::Text),
    field("isolate", IN, Kind::Text),
    field("scan_status", IN, Kind::Text),
    field("first_seen", TIME, Kind::Int),
    field("last_seen", TIME, Kind::Int),
    field("cloud_provider", IN, Kind::Text),
    field("cloud_region", IN, Kind::Text),
    field("cloud_provider_account_id", IN, Kind::Text),
    field("cloud_instance_id", IN, Kind::Text),
    field("cloud_id", IN, Kind::Text),
];

/// How many of the filters XDR 3 has.
const IN_THREE: usize = 14;

const SORTS: &[&str] = &["first_seen", "endpoint_id", "last_seen", "scan_status"];
const DEFAULT_SORT: Sort = Sort { field: "first_seen", descending: true };

static NAMES: Names = Names {
    total: "total_count",
    count: "result_count",
    items: "endpoints",
    id: "endpoint_id",
    empty_is_null: false,
};

/// `POST endpoints/get_endpoint`.
pub(super) fn search(call: &Call<'_>) -> Answer {
    let query = Query::parse(call)?;
    let window = Window::parse(&call.data)?;
    let list = query.list(call);
    let page = Page::cut(&NAMES, &query.indices(call, list.as_deref()), window, u64::MAX, call.page_fault());
    page.render(|index| -> Endpoint { endpoint::render(call.estate(), index, call.generation) })
}

/// `POST endpoints/get_endpoints`: every agent, without pages.
pub(super) fn light_list(call: &Call<'_>) -> Answer {
    struct Agents<'a>(&'a TenantEstate);
    impl serde::Serialize for Agents<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..self.0.host_count()).map(|index| endpoint::agent(self.0, index)))
        }
    }
    Reply::of(&Agents(call.estate()))
}

/// The endpoints that the filters of a change name; a change without a filter is refused, for it would be for all.
pub(super) fn selected(call: &Call<'_>) -> Result<Vec<u64>, Refusal> {
    let query = Query::parse(call)?;
    if query.clauses.is_empty() {
        return Err(Refusal::invalid("filters must have at least one filter"));
    }
    let matching = query.candidates(call.estate()).into_iter();
    Ok(matching.filter(|index| query.matches(call.estate(), *index)).collect())
}

/// A question for endpoints.
struct Query {
    clauses: Vec<Clause>,
    sort: Sort,
}

impl Query {
    fn parse(call: &Call<'_>) -> Result<Self, Refusal> {
        let table = if call.generation == 5 { FILTERS } else { &FILTERS[..IN_THREE] };
        let clauses = filter::parse(&call.data, table)?;
        Ok(Self { clauses, sort: Sort::parse(&call.data, SORTS, DEFAULT_SORT)? })
    }

    /// The order by id is the order by index, and no scan ever ran: these need no list.
    fn is_by_index(&self, estate: &TenantEstate) -> bool {
        let by_id = || self.sort.field == "endpoint_id" && estate.ids_rise();
        self.clauses.is_empty() && (self.sort.field == "scan_status" || by_id())
    }

    fn indices<'a>(&self, call: &Call<'_>, list: Option<&'a Vec<u32>>) -> Indices<'a> {
        match list {
            Some(list) => Indices::Listed(list),
            None if self.sort.descending => Indices::Descending(call.estate().host_count()),
            None => Indices::Ascending(call.estate().host_count()),
        }
    }

    /// The ordered list, kept for the next page where nothing in the question can change.
    fn list(&self, call: &Call<'_>) -> Option<Arc<Vec<u32>>> {
        if self.is_by_index(call.estate()) {
            return None;
        }
        let compute = || self.compute(call.estate());
        if self.can_change() {
            return Some(Arc::new(compute()));
        }
        let key = call.list_key(&format!("endpoints:{:?}:{:?}", self.clauses, self.sort));
        Some(call.sim().lists.get_or_compute(&key, compute))
    }

    fn can_change(&self) -> bool {
        let changes = |field: &str| matches!(field, "alias" | "endpoint_status" | "isolate" | "last_seen");
        changes(self.sort.field) || self.clauses.iter().any(|clause| changes(clause.field))
    }

    fn compute(&self, estate: &TenantEstate) -> Vec<u32> {
        let matching = self.candidates(estate).into_iter().filter(|index| self.matches(estate, *index));
        let mut keyed: Vec<(i64, u32)> = matching
            .filter_map(|index| Some((self.key(estate, index), u32::try_from(index).ok()?)))
            .collect();
        if self.sort.field == "endpoint_id" {
            keyed.sort_by_cached_key(|(_, index)| estate.host_id(u64::from(*index)));
        } else {
            keyed.sort_unstable();
        }
        if self.sort.descending {
            keyed.reverse();
        }
        keyed.into_iter().map(|(_, index)| index).collect()
    }

    /// A question for ids looks at these alone.
    fn candidates(&self, estate: &TenantEstate) -> Vec<u64> {
        match self.clauses.iter().find(|clause| clause.field == "endpoint_id_list").and_then(Clause::listed) {
            Some(ids) => {
                let mut found: Vec<u64> = ids.iter().filter_map(|id| estate.host_index(id)).collect();
                found.sort_unstable();
                found.dedup();
                found
            }
            None => (0..estate.host_count()).collect(),
        }
    }

    fn matches(&self, estate: &TenantEstate, index: u64) -> bool {
        if self.clauses.is_empty() {
            return true;
        }
        let fields = estate.fields(index);
        self.clauses.iter().all(|clause| holds(estate, &fields, clause))
    }

    fn key(&self, estate: &TenantEstate, index: u64) -> i64 {
        match self.sort.field {
            "first_seen" => estate.fields(index).first_seen_ms(),
            "last_seen" => estate.fields(index).last_seen_ms(),
            _ => 0,
        }
    }
}

/// Whether a host satisfies one condition.
fn holds(estate: &TenantEstate, fields: &HostFields<'_>, clause: &Clause) -> bool {
    match clause.field {
        "endpoint_id_list" => clause.text(&fields.id()),
        "dist_name" => clause.text(endpoint::package(fields.platform(), fields.form())),
        "group_name" => clause.any_text(fields.groups()),
        "alias" => clause.text(&endpoint::alias(estate, fields.index())),
        "hostname" => clause.text(&fields.hostname()),
        "username" => clause.any_text(fields.users().iter().map(|user| &user.name)),
        "public_ip_list" => clause.text(&fields.external_ip().to_string()),
        "endpoint_status" => clause.text(endpoint::status(estate, fields).lower()),
        "ip_list" => clause.any_text(addresses(estate, fields)),
        "platform" => clause.text(words::platform(fields.platform())),
        "isolate" => clause.text(isolated(fields.containment())),
        "scan_status" => clause.text("none"),
        "first_seen" => clause.int(fields.first_seen_ms()),
        "last_seen" => clause.int(fields.last_seen_ms()),
        _ => fields.cloud().is_some_and(|cloud| clause.text(cloud_field(&cloud, clause.field))),
    }
}

fn cloud_field<'a>(cloud: &'a Cloud, field: &str) -> &'a str {
    match field {
        "cloud_provider" => words::cloud_provider(cloud.provider),
        "cloud_region" => &cloud.region,
        "cloud_provider_account_id" => &cloud.account,
        _ => &cloud.instance_id,
    }
}

fn addresses(estate: &TenantEstate, fields: &HostFields<'_>) -> Vec<String> {
    let v4 = std::iter::once(fields.ip()).chain(fields.more_ips()).map(|ip| ip.to_string());
    v4.chain(endpoint::ipv6(estate, fields.index()).map(|ip| ip.to_string())).collect()
}

/// The two values of the filter `isolate`: a release that is under way still isolates.
fn isolated(containment: Containment) -> &'static str {
    match containment {
        Containment::Contained { .. } | Containment::LiftPending { .. } => "isolated",
        Containment::Normal | Containment::ContainPending { .. } => "unisolated",
    }
}
