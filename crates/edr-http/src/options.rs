//! Settings of the real client.

use std::fmt;
use std::time::Duration;

use secrecy::{SecretSlice, SecretString};

/// Settings of the real client.
#[derive(Clone)]
#[non_exhaustive]
pub struct TransportOptions {
    /// Time for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Certificate authorities to trust besides the system's, each a PEM bundle.
    pub extra_ca_pem: Vec<Vec<u8>>,
    /// The client's own certificates and their private key, in one PEM, for servers that ask for them.
    pub identity_pem: Option<SecretSlice<u8>>,
    /// Which way requests leave. Addresses of this machine are always reached directly.
    pub proxy: ProxyChoice,
}

/// Which way requests leave this machine.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum ProxyChoice {
    /// Directly, whatever the environment says.
    None,
    /// As `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, or else the system's settings, say.
    #[default]
    System,
    /// Through this proxy. The address may hold user and password.
    Url(SecretString),
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            extra_ca_pem: Vec::new(),
            identity_pem: None,
            proxy: ProxyChoice::System,
        }
    }
}

impl fmt::Debug for TransportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("extra_ca_pem", &format_args!("{} bundles", self.extra_ca_pem.len()))
            .field("identity_pem", &self.identity_pem.as_ref().map(|_| "[redacted]"))
            .field("proxy", &self.proxy)
            .finish()
    }
}

impl fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::System => "System",
            Self::Url(_) => "Url([redacted])",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReqwestTransport;

    fn identity(pem: &str) -> TransportOptions {
        let pem = SecretSlice::from(pem.as_bytes().to_vec());
        TransportOptions { identity_pem: Some(pem), ..TransportOptions::default() }
    }

    fn proxy(url: &str) -> TransportOptions {
        TransportOptions { proxy: ProxyChoice::Url(url.into()), ..TransportOptions::default() }
    }

    #[test]
    fn debug_shows_no_secret() {
        for options in [identity("canary"), proxy("http://u:canary@proxy.example")] {
            assert!(!format!("{options:?}").contains("canary"), "{options:?}");
        }
        let made = ReqwestTransport::new(&proxy("http://u:canary@proxy.example:3128")).unwrap();
        assert!(!format!("{made:?}").contains("canary"), "{made:?}");
    }

    #[test]
    fn what_cannot_be_used_is_told_without_repeating_it() {
        for (options, says) in [
            (identity("canary"), "not a PEM certificate"),
            (proxy("canary"), "proxy's address"),
            (proxy("ftp://u:canary@proxy.example"), "proxy's address"),
            (proxy("http://u:canary@:3128"), "proxy's address"),
        ] {
            let error = ReqwestTransport::new(&options).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        }
    }
}
