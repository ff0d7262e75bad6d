//! Assets of XDR 5, and the vulnerabilities that were found on them. Their conditions are of the second style, which
//! [`Filters`] are turned into; the names of the columns are as the vendor has them (`xdm.asset.name`, `CVE_ID`).

use edr_core::Result;
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::page::request_data;
use super::system::VIEWER;
use super::{ApiCall, Sheet};
use crate::filter::{Filters, filters};
use crate::record::{record, words};
use crate::wire::Stamp;

/// Assets in windows.
pub static ASSETS: Operation = Operation::read("assets", VIEWER);
/// One asset.
pub static ASSET: Operation = Operation::read("assets/{id}", VIEWER);
/// Findings of vulnerabilities, page by page.
pub static FINDINGS: Operation = Operation::read("vulnerability-finding/search", VIEWER);
/// One finding.
pub static FINDING: Operation = Operation::read("vulnerability-finding", VIEWER);

/// The most findings of a page.
pub const MAX_FINDINGS: u32 = 10_000;

const FINDING_PATH: &str = "/vulnerability-management/v1/vulnerability-finding";

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::five(&ASSETS).paged("xdm.asset.id"),
        ApiCall::five(&ASSET).get(),
        ApiCall::five(&FINDINGS)
            .at("/vulnerability-management/v1/vulnerability-finding/search")
            .limit("10,000 findings; 1,000 calls in 24 hours"),
        ApiCall::five(&FINDING).at("/vulnerability-management/v1/vulnerability-finding/{platform_id}"),
    ]
}

/// True for listings whose conditions and order are of the second style.
pub(crate) fn has_columns(operation: &Operation) -> bool {
    operation.name == ASSETS.name
}

record! {
    /// An asset: an endpoint, something in a cloud, an identity, a piece of software.
    pub struct Asset {
        /// Its id.
        pub id: Option<String> = "xdm.asset.id",
        /// Its id where it comes from.
        pub strong_id: Option<String> = "xdm.asset.strong_id",
        /// Its name.
        pub name: Option<String> = "xdm.asset.name",
        /// `Compute`, `Identity`, …
        pub class: Option<String> = "xdm.asset.type.class",
        /// What it is within its class.
        pub category: Option<String> = "xdm.asset.type.category",
        /// What it is, nearest.
        pub kind: Option<String> = "xdm.asset.type.name",
        /// The number of what it is.
        pub type_id: Option<String> = "xdm.asset.type.id",
        /// `AWS`, `ON_PREM`, …
        pub provider: Option<String> = "xdm.asset.provider",
        /// The account or subscription.
        pub realm: Option<String> = "xdm.asset.realm",
        /// Its id at the provider.
        pub provider_id: Option<String> = "xdm.asset.external_provider_id",
        /// The region of a cloud.
        pub region: Option<String> = "xdm.asset.cloud.region" | "xdm.cloud.region",
        /// Groups, by number.
        pub group_ids: Vec<String> = "xdm.asset.group_ids",
        /// The first time that it was seen.
        pub first_observed: Stamp = "xdm.asset.first_observed",
        /// The last time.
        pub last_observed: Stamp = "xdm.asset.last_observed",
        /// The full name of a host.
        pub fqdn: Option<String> = "xdm.host.fqdn",
        /// IPv4 addresses of a host.
        pub ipv4: Vec<String> = "xdm.host.ipv4_addresses",
        /// Hardware addresses of a host.
        pub macs: Vec<String> = "xdm.host.mac_addresses",
        /// Critical issues of it.
        pub critical_issues: Option<u64> = "xdm.asset.related_issues.critical_issues",
        /// Critical cases of it.
        pub critical_cases: Option<u64> = "xdm.asset.related_cases.critical_cases",
    }
}

filters! {
    /// Conditions of assets, all of which must hold. Other columns by [`Filters`].
    pub struct AssetFilters {
        /// The id is one of these.
        ids: in "xdm.asset.id" of String,
        /// The name is one of these.
        names: in "xdm.asset.name" of String,
        /// The name has this in it.
        name_contains: contains "xdm.asset.name" of String,
        /// The class is one of these.
        classes: in "xdm.asset.type.class" of String,
        /// The category is one of these.
        categories: in "xdm.asset.type.category" of String,
        /// The provider is one of these.
        providers: in "xdm.asset.provider" of String,
    }
}

pub(crate) static ASSET_SHEET: Sheet<Asset> = Sheet {
    operation: &ASSETS,
    paths: &[&["reply", "data"], &["reply", "DATA"]],
    lists: &["data", "DATA"],
    counts: &["filter_count", "FILTER_COUNT", "total_count", "TOTAL_COUNT"],
    cap: None,
    capitals: false,
    more: &[],
    id: |asset| asset.id.as_deref(),
    time: None,
};

/// One asset.
///
/// # Errors
/// For an id that is none.
pub fn asset(id: &str) -> Result<RequestPlan> {
    Ok(RequestPlan::get(&ASSET, format!("/public_api/v1/assets/{}", super::segment(&ASSET, id)?)))
}

words! {
    /// How bad a vulnerability is. Replies have the plain word, filters the one with a number: `SEV_060_HIGH`. The
    /// numbers are others than those of alerts.
    pub enum FindingSeverity {
        /// The worst.
        Critical = "CRITICAL" | "SEV_070_CRITICAL",
        /// Bad.
        High = "HIGH" | "SEV_060_HIGH",
        /// Not so bad.
        Medium = "MEDIUM" | "SEV_050_MEDIUM",
        /// The least that is bad.
        Low = "LOW" | "SEV_040_LOW",
        /// Good to know.
        Informational = "INFO" | "SEV_030_INFO" | "INFORMATIONAL",
        /// None.
        Harmless = "NONE",
    }
}

impl FindingSeverity {
    /// The word of filters.
    #[must_use]
    pub fn filter_word(&self) -> &str {
        match self {
            Self::Critical => "SEV_070_CRITICAL",
            Self::High => "SEV_060_HIGH",
            Self::Medium => "SEV_050_MEDIUM",
            Self::Low => "SEV_040_LOW",
            Self::Informational => "SEV_030_INFO",
            other => other.as_str(),
        }
    }
}

words! {
    /// What is there to use a vulnerability with.
    pub enum ExploitLevel {
        /// It is used.
        Weaponized = "WEAPONIZED",
        /// Somebody has shown that it can be.
        ProofOfConcept = "POC",
        /// Nothing.
        Nothing = "NONE",
    }
}

record! {
    /// A vulnerability on an asset.
    pub struct Finding {
        /// Its id.
        pub id: Option<String> = "platform_id",
        /// The vulnerability: a CVE, mostly.
        pub cve_id: Option<String> = "cve_id",
        /// What it is.
        pub description: Option<String> = "cve_description",
        /// The asset.
        pub asset_id: Option<String> = "asset_id",
        /// Its name.
        pub asset_name: Option<String> = "asset_name",
        /// What it is.
        pub asset_type: Option<String> = "asset_type",
        /// What it is within its class.
        pub asset_category: Option<String> = "asset_category",
        /// Its class.
        pub asset_class: Option<String> = "asset_type_class",
        /// Its groups, by number.
        pub asset_group_ids: Vec<String> = "asset_group_ids",
        /// IPv4 addresses of the asset.
        pub ipv4: Vec<String> = "ipv4_addresses",
        /// IPv6 addresses.
        pub ipv6: Vec<String> = "ipv6_addresses",
        /// Its operating system.
        pub operating_system: Option<String> = "operating_system",
        /// The family of it.
        pub os_family: Option<String> = "os_family",
        /// `AWS`, `ON_PREM`, …
        pub provider: Option<String> = "provider",
        /// The asset can be reached from the internet.
        pub internet_exposed: Option<bool> = "internet_exposed",
        /// The score of CVSS.
        pub cvss_score: Option<f64> = "cvss_score",
        /// The word for it.
        pub cvss_severity: Option<FindingSeverity> = "cvss_severity",
        /// The likelihood of EPSS, from 0 to 1.
        pub epss_score: Option<f64> = "epss_score",
        /// The vendor's own score.
        pub risk_score: Option<f64> = "cortex_vulnerability_risk_score",
        /// What makes it worse, in words.
        pub risk_factors: Vec<String> = "cve_risk_factors",
        /// It stands in CISA's list of those that are used.
        pub has_kev: Option<bool> = "has_kev",
        /// It can be used here.
        pub exploitable: Option<bool> = "exploitable",
        /// What is there to use it with.
        pub exploit_level: Option<ExploitLevel> = "exploit_level",
        /// When it was published.
        pub published: Stamp = "cve_publish_date" | "published_date",
        /// There is a fix.
        pub fix_available: Option<bool> = "fix_available",
        /// The versions that have it.
        pub fix_versions: Vec<String> = "fix_versions",
        /// When it came.
        pub fix_date: Stamp = "fix_date",
        /// What to do.
        pub remediation: Option<String> = "remediation",
        /// The software that is affected.
        pub affected_software: Vec<String> = "affected_software",
        /// The version of the package.
        pub package_version: Option<String> = "package_version",
        /// The kind of package.
        pub package_type: Option<String> = "package_type",
        /// The package as a URL of its own kind.
        pub package_purl: Option<String> = "package_purl",
        /// The package is in use.
        pub package_in_use: Option<bool> = "package_in_use",
        /// Where it lies.
        pub file_path: Option<String> = "file_path",
        /// The image of a container.
        pub image: Option<String> = "image",
        /// Who found it.
        pub sources: Vec<String> = "finding_sources",
        /// The first time that it was seen.
        pub first_observed: Stamp = "first_observed",
        /// The last time.
        pub last_observed: Stamp = "last_observed",
        /// There is an issue of it.
        pub has_issue: Option<bool> = "has_issue",
        /// The issue.
        pub issue_id: Option<String> = "issue_id",
    }
}

filters! {
    /// Conditions of findings, all of which must hold. Other columns by [`Filters`].
    pub struct FindingFilters {
        /// The asset's name is one of these.
        asset_names: in "ASSET_NAME" of String,
        /// The vulnerability is one of these.
        cves: in "CVE_ID" of String,
        /// Whether there is a fix.
        fix_available: eq "FIX_AVAILABLE" of bool,
        /// Whether it stands in CISA's list.
        has_kev: eq "HAS_KEV" of bool,
        /// Whether the asset can be reached from the internet.
        internet_exposed: eq "INTERNET_EXPOSED" of bool,
        /// First seen at this time or later.
        first_observed_from: gte "FIRST_OBSERVED" of chrono::DateTime<chrono::Utc>,
        /// Last seen at this time or later.
        last_observed_from: gte "LAST_OBSERVED" of chrono::DateTime<chrono::Utc>,
    }
}

impl FindingFilters {
    /// The severity is one of these.
    ///
    /// # Errors
    /// For no values: an empty selection could be taken for everything.
    pub fn severities<'a>(self, values: impl IntoIterator<Item = &'a FindingSeverity>) -> Result<Self> {
        let words = values.into_iter().map(FindingSeverity::filter_word);
        Ok(Self(self.0.one_of("CVSS_SEVERITY", words)?))
    }
}

/// A page of findings, of at most `size` and 10,000; `token` is that of the page before.
#[must_use]
pub fn findings(filters: &Filters, size: u32, token: Option<&str>) -> RequestPlan {
    let mut data = Map::new();
    data.insert("page_size".to_owned(), json!(size.clamp(1, MAX_FINDINGS)));
    // This service says NIN where assets say NOT_IN.
    data.extend(filters.columns("NIN").map(|filter| ("filter".to_owned(), filter)));
    data.extend(token.map(|token| ("next_page_token".to_owned(), json!(token))));
    let path = format!("{FINDING_PATH}/search");
    RequestPlan::post_json(&FINDINGS, path, request_data(&Value::Object(data)))
}

/// One finding.
///
/// # Errors
/// For an id that is none.
pub fn finding(id: &str) -> Result<RequestPlan> {
    let path = format!("{FINDING_PATH}/{}", super::segment(&FINDING, id)?);
    Ok(RequestPlan::post_json(&FINDING, path, "{}"))
}

/// Reads a finding.
pub(crate) fn read_finding(bytes: &[u8]) -> Result<Finding, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| format!("not JSON: {e}"))?;
    let finding: Finding = crate::record::read(&value).ok_or("not an object")?;
    if finding.id.is_none() { Err("its id is absent".to_owned()) } else { Ok(finding) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(plan: &RequestPlan) -> Value {
        let base = "https://acme.example".parse().unwrap();
        let request = plan.build(&base, &http::HeaderValue::from_static("test")).unwrap();
        serde_json::from_slice::<Value>(request.body()).unwrap()["request_data"].clone()
    }

    #[test]
    fn conditions_are_columns() {
        let filters = AssetFilters::new().names(["a", "b"]).unwrap().name_contains("x");
        let page = super::super::PageRequest::window(0, 5)
            .filters(filters.into())
            .order(super::super::Order::descending("xdm.asset.name"));
        let data = body(&ASSET_SHEET.plan(&page));
        assert_eq!(
            data["filters"],
            json!({"AND": [
                {"SEARCH_FIELD": "xdm.asset.name", "SEARCH_TYPE": "IN", "SEARCH_VALUE": ["a", "b"]},
                {"SEARCH_FIELD": "xdm.asset.name", "SEARCH_TYPE": "CONTAINS", "SEARCH_VALUE": "x"},
            ]})
        );
        assert_eq!(data["sort"], json!([{"FIELD": "xdm.asset.name", "ORDER": "DESC"}]));
        assert_eq!((data["search_from"].as_u64(), data["search_to"].as_u64()), (Some(0), Some(5)));
        let all = body(&ASSET_SHEET.plan(&super::super::PageRequest::window(0, 5)));
        assert!(all.get("filters").is_none() && all.get("sort").is_none());
    }

    #[test]
    fn pages_of_findings() {
        let filters = FindingFilters::new().severities([&FindingSeverity::High]).unwrap().has_kev(true);
        let data = body(&findings(&filters.into(), 50_000, Some("t")));
        assert_eq!((data["page_size"].as_u64(), data["next_page_token"].as_str()), (Some(10_000), Some("t")));
        assert_eq!(data["filter"]["AND"][0]["SEARCH_VALUE"], json!(["SEV_060_HIGH"]));
        let none = Filters::new().none_of("CVE_ID", ["a"]).unwrap();
        assert_eq!(body(&findings(&none, 1, None))["filter"]["AND"][0]["SEARCH_TYPE"], "NIN");
        assert!(body(&findings(&Filters::new(), 1, None)).get("filter").is_none());
        assert!(FindingFilters::new().severities([]).is_err());
        assert!(finding("../x").is_err() && asset("").is_err() && asset("a/b").is_err());
    }
}
