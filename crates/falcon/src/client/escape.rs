//! The way to everything that has no method: any path, with our token, pace and retries.

use bytes::Bytes;
use edr_core::{Raw, Result};
use edr_http::{Body, Operation, Passed, Refusal, RequestPlan};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{FalconClient, PageKey, Pages};
use crate::api::{ENDPOINTS, Endpoint, Paging};

static READ: Operation = Operation::read("raw read", "");
static WRITE: Operation = Operation::write("raw write", "");
static REPEATABLE: Operation = Operation::repeatable("raw write", "");

/// What came back from [`FalconClient::send`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status, 2xx.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Raw,
}

/// The endpoint of a path that this crate knows: its name and scope stand in errors then.
fn known(method: &Method, path: &str) -> Option<&'static Endpoint> {
    let path = path.split('?').next().unwrap_or(path);
    ENDPOINTS.iter().copied().find(|e| e.path == path && e.verb.method() == *method)
}

fn plan(method: Method, path: &str, query: &[(&str, &str)], body: Option<Bytes>) -> RequestPlan {
    let unknown = if method == Method::GET || method == Method::HEAD { &READ } else { &WRITE };
    let operation = known(&method, path).map_or(unknown, |e| &e.operation);
    let mut plan = RequestPlan::new(operation, method, path);
    plan.query = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    if let Some(body) = body {
        plan.body = Body::Bytes("application/json", body);
    }
    plan
}

impl FalconClient {
    /// Sends any request and gives the answer as it came. The path begins with `/`; query values are
    /// encoded here; a body is JSON. A GET is tried again like any read, another method only where nothing
    /// was done (or where this crate knows the path as one that may be repeated). Errors in place of
    /// resources are an error; what stands beside resources is in the body.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Result<Answer> {
        let plan = plan(method, path, query, body);
        let reply = self.http.fetch(&plan).await?;
        self.look_at(plan.operation.name, &reply.headers);
        Ok(Answer { status: reply.status, headers: reply.headers, body: Raw::new(reply.body) })
    }

    /// As [`Self::send`], with the answer as it came: of any kind and length while it arrives, and one that is
    /// no success with its body. `repeatable` says that the caller knows that twice is once.
    ///
    /// # Errors
    /// As the vendor answers, with what it answered.
    pub async fn pass(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Bytes>,
        repeatable: bool,
    ) -> Result<Passed, Box<Refusal>> {
        let mut plan = plan(method, path, query, body);
        plan.headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if repeatable && !plan.operation.idempotent {
            plan.operation = &REPEATABLE;
        }
        let passed = self.http.pass(&plan).await?;
        self.look_at(plan.operation.name, &passed.headers);
        Ok(passed)
    }

    /// Walks over the pages of a listing at any path, its items as they came. How the pages of a path that
    /// this crate does not know are turned is seen on its first page. As with [`Self::pages`], a listing of
    /// which fewer rows came than the vendor counts ends with an error.
    #[must_use]
    pub fn walk_any(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Bytes>,
    ) -> Pages<Raw> {
        let endpoint = known(&method, path);
        let plan = plan(method, path, query, body);
        match endpoint {
            Some(endpoint) => self.walk(plan, endpoint.paging, endpoint.max_page, None),
            None => self.walk_foreign(plan),
        }
    }

    /// Walks over the pages of any listing by GET, its items as they came. `style` says how the pages are
    /// turned; for a path that this crate knows, `None` does.
    #[must_use]
    pub fn list(
        &self,
        path: &str,
        query: &[(&str, &str)],
        style: Option<Paging>,
        from: Option<PageKey>,
    ) -> Pages<Raw> {
        let endpoint = known(&Method::GET, path);
        let style = style.or(endpoint.map(|e| e.paging)).unwrap_or(Paging::Single);
        let plan = plan(Method::GET, path, query, None);
        self.walk(plan, style, endpoint.and_then(|e| e.max_page), from)
    }
}

#[cfg(test)]
#[path = "escape_tests.rs"]
mod tests;
