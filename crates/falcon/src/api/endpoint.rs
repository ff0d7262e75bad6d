//! An operation of the API as this crate uses it: what it is called, where it stands, what it takes.

use std::ops::Deref;

use edr_http::{Body, Operation, RequestPlan};
use http::Method;
use serde::Serialize;

/// How the pages of a listing follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Paging {
    /// By `meta.pagination.after`, sent back as `after`: in the query of a GET, in the body of a POST.
    After,
    /// As [`Self::After`], except that an `after` comes with the last page as well: the count ends it.
    AfterCounted,
    /// By `meta.pagination.next`, sent back as `offset`.
    Next,
    /// By counting rows. With a cap, offset and limit together stay below it.
    Offset {
        /// What offset and limit together stay below.
        cap: Option<u32>,
    },
    /// By `meta.pagination.offset`, a text that lives for two minutes and comes with the last page, too.
    Scroll,
    /// One reply holds everything.
    Single,
}

impl Paging {
    /// The style in one word, as in the table of `docs/FALCON.md`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::After | Self::AfterCounted => "after",
            Self::Next => "next",
            Self::Offset { .. } => "offset",
            Self::Scroll => "scroll",
            Self::Single => "",
        }
    }
}

/// The method of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// DELETE.
    Delete,
    /// GET.
    Get,
    /// PATCH.
    Patch,
    /// POST.
    Post,
    /// PUT.
    Put,
}

impl Verb {
    /// The method of HTTP.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Delete => Method::DELETE,
            Self::Get => Method::GET,
            Self::Patch => Method::PATCH,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
        }
    }
}

/// One operation: a row of [`super::ENDPOINTS`]. It derefs to its [`Operation`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// Its name in the published specification, its scope, and whether it may be repeated.
    pub operation: Operation,
    /// The method.
    pub verb: Verb,
    /// The path.
    pub path: &'static str,
    /// How its pages follow one another.
    pub paging: Paging,
    /// The most rows on a page.
    pub max_page: Option<u32>,
    /// The most ids in one call.
    pub max_ids: Option<u32>,
    /// The query parameters that this crate sends.
    pub query: &'static [&'static str],
    /// Whether a JSON body is sent.
    pub body: bool,
    /// The values of `action_name`, or of the actions in the body.
    pub actions: &'static [&'static str],
}

impl Deref for Endpoint {
    type Target = Operation;

    fn deref(&self) -> &Operation {
        &self.operation
    }
}

impl Endpoint {
    const fn of(operation: Operation, verb: Verb, path: &'static str) -> Self {
        Self {
            operation,
            verb,
            path,
            paging: Paging::Single,
            max_page: None,
            max_ids: None,
            query: &[],
            body: matches!(verb, Verb::Patch | Verb::Post | Verb::Put),
            actions: &[],
        }
    }

    /// An operation that reads.
    pub(crate) const fn read(
        name: &'static str,
        verb: Verb,
        path: &'static str,
        scope: &'static str,
    ) -> Self {
        Self::of(Operation::read(name, scope), verb, path)
    }

    /// An operation that changes something.
    pub(crate) const fn write(
        name: &'static str,
        verb: Verb,
        path: &'static str,
        scope: &'static str,
    ) -> Self {
        Self::of(Operation::write(name, scope), verb, path)
    }

    /// An operation that changes something, of which the facts say that twice is once.
    pub(crate) const fn repeatable(
        name: &'static str,
        verb: Verb,
        path: &'static str,
        scope: &'static str,
    ) -> Self {
        Self::of(Operation::repeatable(name, scope), verb, path)
    }

    pub(crate) const fn pages(mut self, paging: Paging, max_page: u32) -> Self {
        self.paging = paging;
        self.max_page = Some(max_page);
        self
    }

    pub(crate) const fn ids(mut self, most: u32) -> Self {
        self.max_ids = Some(most);
        self
    }

    pub(crate) const fn query(mut self, names: &'static [&'static str]) -> Self {
        self.query = names;
        self
    }

    pub(crate) const fn actions(mut self, names: &'static [&'static str]) -> Self {
        self.actions = names;
        self
    }

    /// A POST without a body.
    pub(crate) const fn without_body(mut self) -> Self {
        self.body = false;
        self
    }

    /// A DELETE with a body.
    pub(crate) const fn with_body(mut self) -> Self {
        self.body = true;
        self
    }

    /// A request without query and body.
    pub(crate) fn plan(&'static self) -> RequestPlan {
        RequestPlan::new(&self.operation, self.verb.method(), self.path)
    }

    /// A request with a JSON body.
    pub(crate) fn json(&'static self, body: &impl Serialize) -> RequestPlan {
        // Requests are structs of texts, numbers and lists: writing them to memory does not fail.
        self.bytes(serde_json::to_vec(body).unwrap_or_default())
    }

    /// A request with a body that is JSON already.
    pub(crate) fn bytes(&'static self, json: impl Into<bytes::Bytes>) -> RequestPlan {
        let mut plan = self.plan();
        plan.body = Body::Bytes("application/json", json.into());
        plan
    }

    /// A request that names things by a repeated key of the query.
    pub(crate) fn by_query<S: AsRef<str>>(&'static self, key: &str, ids: &[S]) -> RequestPlan {
        ids.iter().fold(self.plan(), |plan, id| plan.query(key, id.as_ref()))
    }

    /// A request that names things by `{"ids": […]}`.
    pub(crate) fn by_body<S: AsRef<str>>(&'static self, ids: &[S]) -> RequestPlan {
        self.bytes(super::id_list("ids", ids))
    }
}
