//! Applications (Discover) and vulnerabilities (Spotlight): both are read alone.

use bytes::Bytes;
use edr_core::{Application, Filter, Rejected, Result, Vulnerability};
use edr_http::RequestPlan;

use super::filters;
use super::rows::Rows;
use crate::api::discover::{self, ApplicationFacet};
use crate::api::spotlight::{self, VulnerabilityFacet};
use crate::api::{AfterParams, Endpoint, FacetParams};
use crate::fql::Fql;
use crate::map;

impl Rows for Application {
    const ENDPOINT: &'static Endpoint = &discover::COMBINED_APPLICATIONS;
    const MOST: u32 = discover::MAX_PAGE;
    const SORTS: &'static [(&'static str, &'static str)] = &[
        ("first_seen", "first_seen_timestamp"),
        ("installed", "installation_timestamp"),
        ("last_used", "last_used_timestamp"),
        ("name", "name"),
    ];
    const ORDER: Option<&'static str> = None;
    const SIGN: char = '|';

    fn filter(filters: &[Filter]) -> Fql {
        filters::applications(filters)
    }

    fn plan(rows: AfterParams, _offset: u64) -> RequestPlan {
        let facets =
            [ApplicationFacet::BrowserExtension, ApplicationFacet::HostInfo, ApplicationFacet::InstallUsage];
        discover::combined_applications(&FacetParams { rows, facets: facets.into() })
    }

    fn map(raw: &Bytes, context: &map::Context) -> Result<Self, Box<Rejected>> {
        map::application(raw, context)
    }
}

impl Rows for Vulnerability {
    const ENDPOINT: &'static Endpoint = &spotlight::COMBINED;
    const MOST: u32 = spotlight::MAX_PAGE;
    const SORTS: &'static [(&'static str, &'static str)] =
        &[("closed_time", "closed_timestamp"), ("modified_time", "updated_timestamp")];
    /// A finding that changes meanwhile moves to the end, where it is met again.
    const ORDER: Option<&'static str> = Some("updated_timestamp|asc");
    const SIGN: char = '|';

    fn filter(filters: &[Filter]) -> Fql {
        filters::vulnerabilities(filters)
    }

    fn plan(rows: AfterParams, _offset: u64) -> RequestPlan {
        let facets = [VulnerabilityFacet::Cve, VulnerabilityFacet::HostInfo, VulnerabilityFacet::Remediation];
        spotlight::combined(&FacetParams { rows, facets: facets.into() })
    }

    fn map(raw: &Bytes, context: &map::Context) -> Result<Self, Box<Rejected>> {
        map::vulnerability(raw, context)
    }
}

/// True of what can be the id of either: two parts of hex digits with a `_` between them.
pub(super) fn is_pair(id: &str) -> bool {
    let hex = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
    id.split_once('_').is_some_and(|(of, rest)| hex(of) && hex(rest))
}
