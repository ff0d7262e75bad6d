//! The address of a tenant, in whatever form it was copied.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::Url;

/// The fully qualified domain name of a tenant: `acme.xdr.eu.paloaltonetworks.com`.
///
/// People paste what is at hand: the console's address, the "API URL" of the key dialogue (which
/// begins with `api-` already), a whole endpoint URL, any case, spaces around it. All of them are
/// read, and the API's host always has exactly one `api-`. The region is an opaque label, that of the
/// government cloud included. A host outside `paloaltonetworks.com` is refused, for the key would go to
/// whoever owns it, and so are plain http, addresses in numbers, user names and other ports: gateways and
/// simulators are for [`crate::CortexXdrBuilder::base_url`].
///
/// ```
/// let fqdn: cortex_xdr::Fqdn = " https://API-Acme.xdr.eu.paloaltonetworks.com/public_api/v1/ ".parse()?;
/// assert_eq!(fqdn.as_str(), "acme.xdr.eu.paloaltonetworks.com");
/// assert_eq!(fqdn.api_host(), "api-acme.xdr.eu.paloaltonetworks.com");
/// # Ok::<(), cortex_xdr::FqdnError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fqdn(String);

/// Why a text is no address of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write it as TENANT.xdr.REGION.paloaltonetworks.com")]
pub struct FqdnError(String);

/// Every tenant lives below it, in every region.
const DOMAIN: &str = ".paloaltonetworks.com";

impl Fqdn {
    /// The tenant's name in full, as the console has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host of the API: the same with `api-`.
    #[must_use]
    pub fn api_host(&self) -> String {
        format!("api-{}", self.0)
    }

    /// The base URL of the API.
    ///
    /// # Errors
    /// Never for a name that was read; the URL parser has the last word.
    pub fn base_url(&self) -> Result<Url, FqdnError> {
        Url::parse(&format!("https://{}", self.api_host()))
            .map_err(|e| wrong(format!("no URL can be formed: {e}")))
    }
}

impl fmt::Display for Fqdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Fqdn {
    type Err = FqdnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_ascii_lowercase();
        let rest = without_scheme(&lower)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            // The text may hold a password: it is not repeated.
            return Err(wrong("the tenant's address holds a user name or a mail address"));
        }
        let host = without_port(authority)?.trim_end_matches('.');
        let mut name = host;
        while let Some(shorter) = name.strip_prefix("api-") {
            name = shorter;
        }
        check(name)?;
        Ok(Self(name.to_owned()))
    }
}

fn without_scheme(text: &str) -> Result<&str, FqdnError> {
    match text.split_once("://") {
        None => Ok(text.trim_start_matches('/')),
        Some(("https", rest)) => Ok(rest),
        Some(("http", _)) => Err(wrong("Cortex XDR is reached over https, not over plain http")),
        Some(_) => Err(wrong("the tenant's address has a scheme other than https")),
    }
}

fn without_port(authority: &str) -> Result<&str, FqdnError> {
    if authority.starts_with('[') {
        return Err(wrong("the tenant's address is an IP address, not a name"));
    }
    match authority.split_once(':') {
        None | Some((_, "443" | "")) => Ok(authority.split(':').next().unwrap_or_default()),
        Some((_, port)) if port.contains(':') => {
            Err(wrong("the tenant's address is an IP address, not a name"))
        }
        Some(_) => Err(wrong("the tenant's address has a port other than 443; use base_url for a gateway")),
    }
}

fn check(name: &str) -> Result<(), FqdnError> {
    if name.is_empty() {
        return Err(wrong("the tenant's address is empty"));
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err(wrong("the tenant's address is an IP address, not a name"));
    }
    let labels: Vec<&str> = name.split('.').collect();
    if labels.len() < 3 {
        // A lone word may be a key that was pasted into the wrong field: it is not repeated.
        return Err(wrong("the tenant's address is not a full name of at least three parts"));
    }
    let country = labels.last().is_some_and(|tld| tld.bytes().all(|b| b.is_ascii_alphabetic()));
    if name.len() > 249 || !country || !labels.iter().all(|label| is_label(label)) {
        return Err(wrong("the tenant's address is not a host name"));
    }
    if !name.ends_with(DOMAIN) {
        return Err(wrong(
            "the tenant's address is not below paloaltonetworks.com; use base_url for a gateway",
        ));
    }
    Ok(())
}

fn is_label(label: &str) -> bool {
    let clean = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    clean && !label.is_empty() && label.len() <= 59 && !label.starts_with('-') && !label.ends_with('-')
}

fn wrong(message: impl Into<String>) -> FqdnError {
    FqdnError(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_people_paste_is_read() {
        for text in [
            "acme.xdr.eu.paloaltonetworks.com",
            "api-acme.xdr.eu.paloaltonetworks.com",
            "api-api-acme.xdr.eu.paloaltonetworks.com",
            "https://acme.xdr.eu.paloaltonetworks.com",
            "https://api-acme.xdr.eu.paloaltonetworks.com",
            "https://api-api-acme.xdr.eu.paloaltonetworks.com/",
            "https://acme.xdr.eu.paloaltonetworks.com/",
            "https://api-acme.xdr.eu.paloaltonetworks.com/public_api/v1/endpoints/get_endpoint/",
            "https://api-acme.xdr.eu.paloaltonetworks.com:443/public_api/v1",
            "HTTPS://API-ACME.XDR.EU.PALOALTONETWORKS.COM",
            "Acme.xdr.eu.PaloAltoNetworks.com",
            "  acme.xdr.eu.paloaltonetworks.com\n",
            "acme.xdr.eu.paloaltonetworks.com/",
            "acme.xdr.eu.paloaltonetworks.com:443",
            "acme.xdr.eu.paloaltonetworks.com.",
            "https://acme.xdr.eu.paloaltonetworks.com/incident-view?caseId=7",
            "https://acme.xdr.eu.paloaltonetworks.com#/alerts",
            "//api-acme.xdr.eu.paloaltonetworks.com",
        ] {
            let fqdn: Fqdn = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(fqdn.api_host(), "api-acme.xdr.eu.paloaltonetworks.com", "{text}");
            assert_eq!(fqdn.base_url().unwrap().as_str(), "https://api-acme.xdr.eu.paloaltonetworks.com/");
        }
        for other in ["acme.xdr.gv.paloaltonetworks.com", "acme.crtx.us.paloaltonetworks.com"] {
            assert_eq!(other.parse::<Fqdn>().unwrap().as_str(), other);
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("   ", "empty"),
            ("https://", "empty"),
            ("api-", "empty"),
            ("acme", "three parts"),
            ("localhost", "three parts"),
            ("http://acme.xdr.eu.paloaltonetworks.com", "https"),
            ("ftp://acme.xdr.eu.paloaltonetworks.com", "scheme"),
            ("10.1.2.3", "IP address"),
            ("https://10.1.2.3/x", "IP address"),
            ("https://[::1]/", "IP address"),
            ("fe80::1", "IP address"),
            ("https://user:pass@acme.xdr.eu.paloaltonetworks.com", "user name"),
            ("ann@paloaltonetworks.com", "user name"),
            ("acme.xdr.eu.paloaltonetworks.com:8443", "port"),
            ("acme xdr.eu.paloaltonetworks.com", "not a host name"),
            ("acme..eu.paloaltonetworks.com", "not a host name"),
            ("-acme.xdr.eu.paloaltonetworks.com", "not a host name"),
            ("acme.xdr.eu.paloaltonetworks.c0m", "not a host name"),
            ("acme.xdr.eu.paloaltonetworks.com.evil.example", "base_url for a gateway"),
            ("acme.xdr.eu.evilpaloaltonetworks.com", "below paloaltonetworks.com"),
            ("https://gateway.acme.example/xdr", "base_url for a gateway"),
            ("acme_1.xdr.eu.paloaltonetworks.com", "not a host name"),
            ("https://evil.example\\@acme.xdr.eu.paloaltonetworks.com", "user name"),
        ] {
            let error = text.parse::<Fqdn>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("pass@"), "{error}");
        }
    }

    #[test]
    fn a_key_in_the_wrong_field_is_not_repeated() {
        let key = "canaryKEY0".repeat(12);
        assert!(!key.parse::<Fqdn>().unwrap_err().to_string().to_lowercase().contains("canary"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            if let Ok(fqdn) = text.parse::<Fqdn>() {
                let url = fqdn.base_url().unwrap();
                let host = fqdn.api_host();
                proptest::prop_assert_eq!(url.host_str(), Some(host.as_str()));
                proptest::prop_assert_eq!(fqdn.api_host().parse::<Fqdn>().unwrap(), fqdn);
            }
        }
    }
}
