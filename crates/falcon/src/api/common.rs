//! What several services share: parameters of listings, actions with parameters, ids with a path.

use std::fmt;

use edr_http::RequestPlan;
use serde::Serialize;

use super::Endpoint;
use crate::wire::wire;

/// Which rows of a listing by offset, in which order, and which page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListParams {
    /// FQL; empty for all.
    pub filter: String,
    /// `field.asc` or `field.desc`; users, Flight Control and scans want `field|asc`.
    pub sort: Option<String>,
    /// Rows a page.
    pub limit: Option<u32>,
    /// Rows to pass over.
    pub offset: u64,
}

impl ListParams {
    /// All rows that a filter lets through.
    #[must_use]
    pub fn filtered(filter: impl Into<String>) -> Self {
        Self { filter: filter.into(), ..Self::default() }
    }

    /// A page of a listing by offset.
    pub(crate) fn plan(&self, endpoint: &'static Endpoint) -> RequestPlan {
        page(endpoint, &self.filter, self.sort.as_deref(), self.limit)
            .maybe("offset", (self.offset > 0).then_some(self.offset))
    }
}

/// What a page of every style is asked for with.
fn page(endpoint: &'static Endpoint, filter: &str, sort: Option<&str>, limit: Option<u32>) -> RequestPlan {
    let most = endpoint.max_page.unwrap_or(u32::MAX);
    endpoint
        .plan()
        .maybe("filter", (!filter.is_empty()).then_some(filter))
        .maybe("sort", sort)
        .maybe("limit", limit.map(|l| l.clamp(1, most)))
}

/// Which rows of a listing by `after`, in which order, and which page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AfterParams {
    /// FQL; empty for all, where the service takes that.
    pub filter: String,
    /// The order.
    pub sort: Option<String>,
    /// Rows a page.
    pub limit: Option<u32>,
    /// The page key of the page before.
    pub after: Option<String>,
}

impl AfterParams {
    /// All rows that a filter lets through.
    #[must_use]
    pub fn filtered(filter: impl Into<String>) -> Self {
        Self { filter: filter.into(), ..Self::default() }
    }

    pub(crate) fn plan(&self, endpoint: &'static Endpoint) -> RequestPlan {
        page(endpoint, &self.filter, self.sort.as_deref(), self.limit).maybe("after", self.after.as_deref())
    }
}

/// Which rows of a listing by `after`, and which further parts of each: they are asked for again on every page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacetParams<F> {
    /// Which rows.
    pub rows: AfterParams,
    /// The further parts.
    pub facets: Vec<F>,
}

impl<F> Default for FacetParams<F> {
    fn default() -> Self {
        Self { rows: AfterParams::default(), facets: Vec::new() }
    }
}

impl<F> FacetParams<F> {
    /// The rows that a filter lets through, with these parts.
    #[must_use]
    pub fn filtered(filter: impl Into<String>, facets: impl Into<Vec<F>>) -> Self {
        Self { rows: AfterParams::filtered(filter), facets: facets.into() }
    }
}

impl<F: fmt::Display> FacetParams<F> {
    pub(crate) fn plan(&self, endpoint: &'static Endpoint) -> RequestPlan {
        self.facets
            .iter()
            .fold(self.rows.plan(endpoint), |plan, facet| plan.query("facet", facet.to_string()))
    }
}

/// A parameter of an action. Values are texts, booleans included: Falcon refuses others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActionParameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl ActionParameter {
    /// A parameter.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

#[derive(Serialize)]
struct ActionBody<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    action_parameters: &'a [ActionParameter],
    ids: Vec<&'a str>,
}

/// An action on things by id, with `action_name` in the query.
pub(crate) fn action<S: AsRef<str>>(
    endpoint: &'static Endpoint,
    name: &str,
    ids: &[S],
    parameters: &[ActionParameter],
) -> RequestPlan {
    let ids = ids.iter().map(AsRef::as_ref).collect();
    endpoint.json(&ActionBody { action_parameters: parameters, ids }).query("action_name", name)
}

/// `{"resources": […]}`.
#[derive(Serialize)]
pub(crate) struct Resources<'a, T> {
    pub(crate) resources: &'a [T],
}

wire! {
    /// A thing that a service has accepted an order for: the order is accepted, not carried out.
    pub struct Accepted {
        id: Option<String>,
        path: Option<String>,
    }
}
