//! Which addresses in a vendor's replies may be asked: our credentials go with every request.

use std::fmt;

use edr_core::{Error, ErrorKind};
use url::Url;

use crate::is_loopback;

/// The hosts that a tenant's requests may go to: the one of its base URL, and those that the vendor crate names.
///
/// ```
/// use edr_http::HostRule;
/// let rule = HostRule::own().and(&["files.example.com", "stream.*.example.com"]);
/// let base = "https://api.example.com".parse().unwrap();
/// assert!(rule.check(&base, "https://stream.eu.example.com/1?x=y").is_ok());
/// assert!(rule.check(&base, "https://stream.example.com.evil.example/1").is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct HostRule {
    patterns: &'static [&'static str],
    any_port: bool,
}

impl HostRule {
    /// The tenant's own host alone: scheme, name and port as the base URL has them.
    #[must_use]
    pub fn own() -> Self {
        Self::default()
    }

    /// These hosts too, over https at its own port. A `*` stands for one or more labels in the middle of a name. They
    /// do not count for a tenant on this machine: what is tested here stays here.
    #[must_use]
    pub fn and(self, patterns: &'static [&'static str]) -> Self {
        Self { patterns, ..self }
    }

    /// For a tenant on this machine: any port of this machine.
    #[must_use]
    pub fn and_loopback(self) -> Self {
        Self { any_port: true, ..self }
    }

    /// Checks a link out of a reply.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when the link is no address, or points elsewhere.
    pub fn check(&self, base: &Url, link: &str) -> Result<CheckedUrl, Error> {
        let url = Url::parse(link).map_err(|_| refused("the link of the reply is no address".to_owned()))?;
        self.admit(base, CheckedUrl(url))
    }

    /// Looks at a URL that was checked before, perhaps by another tenant's rule.
    pub(crate) fn admit(&self, base: &Url, url: CheckedUrl) -> Result<CheckedUrl, Error> {
        if self.admits(base, &url.0) {
            return Ok(url);
        }
        let host = url.0.host_str().unwrap_or_default();
        Err(refused(format!(
            "the link of the reply points to another host than the tenant's ({}://{host}), and is not followed",
            url.0.scheme()
        )))
    }

    fn admits(&self, base: &Url, url: &Url) -> bool {
        let bare = url.username().is_empty() && url.password().is_none();
        let port = url.port_or_known_default();
        let own = url.scheme() == base.scheme()
            && url.host() == base.host()
            && port == base.port_or_known_default();
        let near = self.any_port && matches!(url.scheme(), "http" | "https") && is_loopback(url);
        let allowed = match is_loopback(base) {
            true => near,
            false => url.scheme() == "https" && port == Some(443) && self.names(url),
        };
        bare && (own || allowed)
    }

    fn names(&self, url: &Url) -> bool {
        let Some(host) = url.domain() else { return false };
        self.patterns.iter().any(|pattern| match pattern.split_once('*') {
            Some((first, last)) => host
                .strip_prefix(first)
                .and_then(|rest| rest.strip_suffix(last))
                .is_some_and(|middle| middle.split('.').all(|label| !label.is_empty())),
            None => host == *pattern,
        })
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_hint(
        "the request would carry the tenant's credentials: look at what stands between here and the vendor",
    )
}

/// An absolute URL that passed a tenant's [`HostRule`]. Its path and query may hold a token, so neither `Debug` nor
/// `Display` shows long segments of the path or anything of the query.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckedUrl(Url);

impl CheckedUrl {
    /// The URL, whole.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for CheckedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A longer segment is a token.
        const WORD: usize = 20;
        f.write_str(&self.0.origin().ascii_serialization())?;
        for segment in self.0.path_segments().into_iter().flatten() {
            write!(f, "/{}", if segment.len() > WORD { "[redacted]" } else { segment })?;
        }
        f.write_str(if self.0.query().is_some() { "?[redacted]" } else { "" })
    }
}

impl fmt::Debug for CheckedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckedUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATTERNS: &[&str] = &["firehose.example.com", "firehose.*.example.com"];

    fn check(base: &str, link: &str) -> Result<CheckedUrl, Error> {
        HostRule::own().and(PATTERNS).and_loopback().check(&Url::parse(base).unwrap(), link)
    }

    #[test]
    fn only_the_tenants_hosts_are_asked() {
        let base = "https://api.eu.example.com";
        for (link, good) in [
            ("https://api.eu.example.com/download/x", true),
            ("https://API.eu.example.com:443/x", true),
            ("https://firehose.example.com/x?appId=y", true),
            ("https://firehose.laggar.gcw.example.com/x", true),
            ("https://firehose..example.com/x", false),
            ("https://firehose.eu.example.com:8443/x", false),
            ("http://firehose.eu.example.com/x", false),
            ("http://api.eu.example.com/x", false),
            ("https://api.eu.example.com:444/x", false),
            ("https://api.example.com/x", false),
            ("https://evilfirehose.example.com/x", false),
            ("https://firehose.example.com.evil.example/x", false),
            ("https://api.eu.example.com@evil.example/x", false),
            ("https://me:pw@api.eu.example.com/x", false),
            ("https://127.0.0.1/x", false),
            ("file:///etc/passwd", false),
            ("//api.eu.example.com/x", false),
            ("", false),
        ] {
            assert_eq!(check(base, link).is_ok(), good, "{link}");
        }
    }

    #[test]
    fn a_tenant_on_this_machine_stays_there() {
        let base = "http://127.0.0.1:8080";
        assert!(check(base, "http://127.0.0.1:9/x").is_ok() && check(base, "http://localhost:9/x").is_ok());
        assert!(check(base, "https://firehose.example.com/x").is_err());
        let own = HostRule::own().check(&Url::parse(base).unwrap(), "http://127.0.0.1:9/x");
        assert!(own.unwrap_err().to_string().contains("another host than the tenant's"));
    }

    #[test]
    fn a_token_in_an_address_is_not_shown() {
        let token = "canary0123456789canary";
        let url = check("https://api.example.com", &format!("https://api.example.com/v1/{token}?t={token}"))
            .unwrap();
        assert_eq!(url.to_string(), "https://api.example.com/v1/[redacted]?[redacted]");
        assert!(!format!("{url:?}").contains("canary"));
    }
}
