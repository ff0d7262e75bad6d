//! Vulnerabilities (Falcon Spotlight): what is wrong with the software of a machine, what mends it, and how the
//! sensor found it. Scope "Vulnerabilities". All of it is read alone.
//!
//! Every listing wants a filter, without wildcards. A page key lives for about two minutes between two calls; then
//! the walk ends with an error that says so (`is_cursor_expired`): begin again with a filter for what is newer.

use edr_http::RequestPlan;

use super::{AfterParams, Endpoint, FacetParams, Paging, Verb};
use crate::time::Timestamp;
use crate::wire::wire;
use crate::words::words;

const READ: &str = "Vulnerabilities: read";
const LISTING: &[&str] = &["after", "filter", "limit", "sort"];

/// Whole vulnerabilities.
pub static COMBINED: Endpoint =
    Endpoint::read("combinedQueryVulnerabilities", Verb::Get, "/spotlight/combined/vulnerabilities/v1", READ)
        .pages(Paging::After, MAX_PAGE)
        .query(&["after", "facet", "filter", "limit", "sort"]);
/// Ids of vulnerabilities.
pub static QUERY: Endpoint =
    Endpoint::read("queryVulnerabilities", Verb::Get, "/spotlight/queries/vulnerabilities/v1", READ)
        .pages(Paging::After, 400)
        .query(LISTING);
/// Vulnerabilities by id, with all their parts.
pub static ENTITIES: Endpoint =
    Endpoint::read("getVulnerabilities", Verb::Get, "/spotlight/entities/vulnerabilities/v2", READ)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);
/// Remediations by id.
pub static REMEDIATIONS: Endpoint =
    Endpoint::read("getRemediationsV2", Verb::Get, "/spotlight/entities/remediations/v2", READ)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);
/// Whole evaluation logic.
pub static COMBINED_LOGIC: Endpoint = Endpoint::read(
    "combinedQueryEvaluationLogic",
    Verb::Get,
    "/spotlight/combined/evaluation-logic/v1",
    READ,
)
.pages(Paging::After, 400)
.query(LISTING);
/// Ids of evaluation logic.
pub static QUERY_LOGIC: Endpoint =
    Endpoint::read("queryEvaluationLogic", Verb::Get, "/spotlight/queries/evaluation-logic/v1", READ)
        .pages(Paging::After, 400)
        .query(LISTING);
/// Evaluation logic by id.
pub static LOGIC: Endpoint =
    Endpoint::read("getEvaluationLogic", Verb::Get, "/spotlight/entities/evaluation-logic/v1", READ)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] =
    &[&COMBINED, &QUERY, &ENTITIES, &REMEDIATIONS, &COMBINED_LOGIC, &QUERY_LOGIC, &LOGIC];

/// The most vulnerabilities on a page.
pub const MAX_PAGE: u32 = 5_000;
/// The most ids in one call.
pub const MAX_IDS: usize = 400;

words! {
    /// A further part of a vulnerability.
    pub enum VulnerabilityFacet {
        /// What is published of it.
        Cve = "cve",
        /// How the sensor found it.
        EvaluationLogic = "evaluation_logic",
        /// The machine.
        HostInfo = "host_info",
        /// What mends it.
        Remediation = "remediation",
    }
}

words! {
    /// Where a vulnerability stands.
    pub enum VulnerabilityStatus {
        /// It is mended.
        Closed = "closed",
        /// The machine was not seen for long.
        Expired = "expired",
        /// It is there.
        Open = "open",
        /// It was mended and is there again.
        Reopen = "reopen",
    }
}

words! {
    /// How bad it is: by its score, or in the eyes of the vendor (ExPRT).
    pub enum Rating {
        /// The worst.
        Critical = "CRITICAL",
        /// Bad.
        High = "HIGH",
        /// Not very.
        Low = "LOW",
        /// Between.
        Medium = "MEDIUM",
        /// Not at all.
        None = "NONE",
        /// Nobody knows.
        Unknown = "UNKNOWN",
    }
}

/// A page of whole vulnerabilities.
#[must_use]
pub fn combined(params: &FacetParams<VulnerabilityFacet>) -> RequestPlan {
    params.plan(&COMBINED)
}

/// A page of ids of vulnerabilities.
#[must_use]
pub fn query(params: &AfterParams) -> RequestPlan {
    params.plan(&QUERY)
}

/// Vulnerabilities by id, at most [`MAX_IDS`].
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ENTITIES.by_query("ids", ids)
}

/// Remediations by id, at most [`MAX_IDS`].
#[must_use]
pub fn remediations<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    REMEDIATIONS.by_query("ids", ids)
}

/// A page of whole evaluation logic.
#[must_use]
pub fn combined_logic(params: &AfterParams) -> RequestPlan {
    params.plan(&COMBINED_LOGIC)
}

/// A page of ids of evaluation logic.
#[must_use]
pub fn query_logic(params: &AfterParams) -> RequestPlan {
    params.plan(&QUERY_LOGIC)
}

/// Evaluation logic by id, at most [`MAX_IDS`].
#[must_use]
pub fn logic<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    LOGIC.by_query("ids", ids)
}

wire! {
    /// A vulnerability of a machine, `domain.APIVulnerabilityV2`.
    pub struct Vulnerability {
        aid: Option<String>,
        apps: Vec<VulnerableApp>,
        cid: Option<String>,
        closed_timestamp: Option<Timestamp>,
        confidence: Option<String>,
        created_timestamp: Option<Timestamp>,
        cve: Option<Cve>,
        data_providers: Vec<DataProvider>,
        host_info: Option<VulnerableHost>,
        id: Option<String>,
        remediation: Option<Remediations>,
        services: Vec<VulnerableService>,
        status: Option<VulnerabilityStatus>,
        suppression_info: Option<Suppression>,
        updated_timestamp: Option<Timestamp>,
        vulnerability_id: Option<String>,
        vulnerability_metadata_id: Option<String>,
    }
}

wire! {
    /// A program that has a vulnerability.
    pub struct VulnerableApp {
        evaluation_logic: Option<EvaluationLogic>,
        patch_publication_date: Option<Timestamp>,
        product_name_normalized: Option<String>,
        product_name_version: Option<String>,
        remediation: Option<RemediationIds>,
        remediation_info: Option<RemediationInfo>,
        sub_status: Option<VulnerabilityStatus>,
        vendor_normalized: Option<String>,
    }
}

wire! {
    /// Ids of remediations.
    pub struct RemediationIds { ids: Vec<String>, }
}

wire! {
    /// Which remediation is the least, and which the best.
    pub struct RemediationInfo {
        minimum_id: Option<String>,
        patch_publication_date: Option<Timestamp>,
        recommended_id: Option<String>,
    }
}

wire! {
    /// What is published of a vulnerability. Without its facet there is the id alone.
    pub struct Cve {
        actors: Vec<String>,
        base_score: Option<f64>,
        cisa_info: Option<CisaInfo>,
        cwes: Vec<String>,
        description: Option<String>,
        exploit_status: Option<i64>,
        exploitability_score: Option<f64>,
        exprt_rating: Option<Rating>,
        id: Option<String>,
        impact_score: Option<f64>,
        name: Option<String>,
        published_date: Option<Timestamp>,
        references: Vec<String>,
        remediation_level: Option<String>,
        severity: Option<Rating>,
        spotlight_published_date: Option<Timestamp>,
        types: Vec<String>,
        vector: Option<String>,
        vendor_advisory: Vec<String>,
    }
}

wire! {
    /// Whether CISA knows it to be exploited.
    pub struct CisaInfo {
        due_date: Option<Timestamp>,
        is_cisa_kev: Option<bool>,
    }
}

wire! {
    /// Who found it.
    pub struct DataProvider {
        ports: Vec<String>,
        provider: Option<String>,
        rating: Option<String>,
        scan_id: Option<String>,
        scan_time: Option<Timestamp>,
        scanner_id: Option<String>,
    }
}

wire! {
    /// The machine with a vulnerability.
    pub struct VulnerableHost {
        asset_criticality: Option<String>,
        asset_roles: Vec<String>,
        groups: Vec<HostGroupName>,
        has_run_container: Option<bool>,
        host_last_seen_timestamp: Option<Timestamp>,
        hostname: Option<String>,
        instance_id: Option<String>,
        instance_state: Option<String>,
        internet_exposure: Option<String>,
        local_ip: Option<String>,
        machine_domain: Option<String>,
        managed_by: Option<String>,
        os_build: Option<String>,
        os_version: Option<String>,
        ou: Option<String>,
        platform: Option<String>,
        product_type_desc: Option<String>,
        service_provider: Option<String>,
        service_provider_account_id: Option<String>,
        site_name: Option<String>,
        system_manufacturer: Option<String>,
        tags: Vec<String>,
        third_party_asset_ids: Vec<String>,
    }
}

wire! {
    /// A group of the machine.
    pub struct HostGroupName {
        id: Option<String>,
        name: Option<String>,
    }
}

wire! {
    /// What mends a vulnerability: the ids, and with the facet the remediations themselves.
    pub struct Remediations {
        entities: Vec<Remediation>,
        ids: Vec<String>,
    }
}

wire! {
    /// What mends vulnerabilities, `domain.APIRemediationV2`.
    pub struct Remediation {
        action: Option<String>,
        created_timestamp: Option<Timestamp>,
        id: Option<String>,
        link: Option<String>,
        patch_publication_date: Option<Timestamp>,
        provider: Option<String>,
        recommendation_type: Option<String>,
        reference: Option<String>,
        title: Option<String>,
        kind("type"): Option<String>,
        updated_timestamp: Option<Timestamp>,
        vendor_url: Option<String>,
    }
}

wire! {
    /// A service of the network that has it.
    pub struct VulnerableService {
        port: Option<i64>,
        protocol: Option<String>,
        transport: Option<String>,
    }
}

wire! {
    /// Whether people have decided to live with it.
    pub struct Suppression {
        is_suppressed: Option<bool>,
        reason: Option<String>,
    }
}

wire! {
    /// How the sensor found something, `domain.APIEvaluationLogicV1`. Without its facet there is the id alone.
    pub struct EvaluationLogic {
        aid: Option<String>,
        cid: Option<String>,
        complex_check_operator: Option<String>,
        created_timestamp: Option<Timestamp>,
        id: Option<String>,
        logic: Vec<Check>,
        logic_expression: Option<String>,
        updated_timestamp: Option<Timestamp>,
    }
}

wire! {
    /// One check. Its id is a number that is too great for 64 bits with a sign, so it is kept as text.
    pub struct Check {
        comparison_check: Option<String>,
        comparisons: Option<Comparisons>,
        details: Option<String>,
        determined_by_comparison: Option<bool>,
        existence_check: Option<String>,
        id: Option<String>,
        label: Option<String>,
        negate: Option<bool>,
        status: Option<String>,
        title: Option<String>,
        kind("type"): Option<String>,
    }
}

wire! {
    /// What a check compares.
    pub struct Comparisons {
        state_comparisons: Vec<StateComparison>,
        state_operator: Option<String>,
    }
}

wire! {
    /// Comparisons that belong together.
    pub struct StateComparison {
        entity_comparisons: Vec<EntityComparison>,
        entity_operator: Option<String>,
    }
}

wire! {
    /// One comparison.
    pub struct EntityComparison {
        actual_value_field: Option<String>,
        expected_value: Option<String>,
        operation: Option<String>,
        value_datatype: Option<String>,
    }
}
