//! How tenants are reached: certificates, proxies, and the transports that are made of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edr_core::{Error, ErrorKind, Result};
use edr_http::{HttpTransport, ProxyChoice, ReqwestTransport, TransportOptions};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use tokio::time::Instant;
use url::Url;

use crate::estate::Options;
use crate::file;
use crate::secret::SecretSource;

/// The table `[network]`, or that of one tenant. A key that is absent is not decided here.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct NetworkConfig {
    /// Certificate authorities to trust besides the system's, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, as PEM, for servers that ask for one. It may hold the key as well.
    pub client_certificate: Option<PathBuf>,
    /// The private key of that certificate, as PEM.
    pub client_key: Option<PathBuf>,
    /// Which way requests leave.
    pub proxy: Option<ProxySource>,
    /// The password for the proxy, where it does not stand in its address.
    pub proxy_password: Option<SecretSource>,
    /// Time for a connection, TLS included.
    pub connect_timeout: Option<Duration>,
}

/// Which way requests leave, as the configuration says it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ProxySource {
    /// Directly.
    None,
    /// As the environment and the system say.
    System,
    /// Through the proxy at this address.
    Url(SecretSource),
}

impl NetworkConfig {
    /// This table over another: what it does not decide, the other does. A certificate and its key go
    /// together, and so do a proxy and its password.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        let identity = if self.client_certificate.is_some() { self } else { below };
        let proxy = if self.proxy.is_some() { self } else { below };
        Self {
            ca_file: self.ca_file.clone().or_else(|| below.ca_file.clone()),
            client_certificate: identity.client_certificate.clone(),
            client_key: self.client_key.clone().or_else(|| identity.client_key.clone()),
            proxy: proxy.proxy.clone(),
            proxy_password: self.proxy_password.clone().or_else(|| proxy.proxy_password.clone()),
            connect_timeout: self.connect_timeout.or(below.connect_timeout),
        }
    }

    /// What the user should know: a private key that others can read, a password in the file.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let key = self.client_key.as_deref().or(self.client_certificate.as_deref());
        let open = key.and_then(|path| open_to_others(path).filter(|_| holds_key(path)));
        let plain = self.proxy_password.as_ref().is_some_and(SecretSource::is_plain)
            || matches!(&self.proxy, Some(ProxySource::Url(SecretSource::Plain(url))) if has_password(url));
        let advice = "better { env = … }, { file = … } or { command = … }";
        let plain = plain.then(|| format!("the proxy's password stands in the file; {advice}"));
        open.into_iter().chain(plain).collect()
    }

    fn options(&self, base: &Options, until: Option<Instant>) -> Result<TransportOptions> {
        let mut options = base.transport.clone();
        let named = (base.env)("EDR_CA_FILE").filter(|v| !v.is_empty()).map(PathBuf::from);
        for (path, key) in [(&self.ca_file, "ca_file"), (&named, "EDR_CA_FILE")] {
            if let Some(path) = path {
                options.extra_ca_pem.push(certificates(path, key)?);
            }
        }
        if let Some(pem) = self.identity()? {
            options.identity_pem = Some(pem);
        }
        if let Some(timeout) = self.connect_timeout {
            options.connect_timeout = timeout;
        }
        if let Some(proxy) = self.proxy(base, until)? {
            options.proxy = proxy;
        }
        Ok(options)
    }

    fn identity(&self) -> Result<Option<SecretSlice<u8>>> {
        let Some(path) = &self.client_certificate else {
            let lonely = self.client_key.as_ref().map(|_| wrong("client_key needs client_certificate"));
            return lonely.map_or(Ok(None), Err);
        };
        let mut pem = certificates(path, "client_certificate")?;
        let (key_path, key_name) = match &self.client_key {
            Some(key) => (key, "client_key"),
            None => (path, "client_certificate"),
        };
        if self.client_key.is_some() {
            pem.push(b'\n');
            pem.extend(read(key_path, key_name)?);
        }
        if !has_section(&pem, "PRIVATE KEY") {
            let hint = if has_section(&pem, "ENCRYPTED PRIVATE KEY") {
                "write it without a passphrase, readable by you alone: openssl pkey -in KEY -out PLAIN"
            } else {
                "name the file with the private key as client_key"
            };
            let message = format!("{key_name} {} holds no private key that can be used", key_path.display());
            return Err(wrong(message).with_hint(hint));
        }
        Ok(Some(SecretSlice::from(pem)))
    }

    fn proxy(&self, base: &Options, until: Option<Instant>) -> Result<Option<ProxyChoice>> {
        let source = match &self.proxy {
            None => return Ok(None),
            Some(ProxySource::None) => return Ok(Some(ProxyChoice::None)),
            Some(ProxySource::System) => return Ok(Some(ProxyChoice::System)),
            Some(ProxySource::Url(source)) => source,
        };
        let url = source.read_until("proxy", base.env.as_ref(), until)?;
        let Some(password) = &self.proxy_password else { return Ok(Some(ProxyChoice::Url(url))) };
        let password = password.read_until("proxy_password", base.env.as_ref(), until)?;
        with_password(&url, &password).map(|url| Some(ProxyChoice::Url(url)))
    }
}

/// The files that an error of the transport may be about.
fn files(network: &NetworkConfig) -> String {
    let named = [("client_certificate", &network.client_certificate), ("client_key", &network.client_key)];
    let files = named.iter().filter_map(|(key, path)| Some(format!("{key} {}", path.as_ref()?.display())));
    files.collect::<Vec<_>>().join(", ")
}

/// The transports of an estate: one for each way of reaching tenants, shared by those that have it in
/// common.
pub(crate) struct Transports<'a> {
    options: &'a Options,
    until: Option<Instant>,
    made: Vec<(NetworkConfig, Result<Arc<dyn HttpTransport>>)>,
}

impl<'a> Transports<'a> {
    /// None yet.
    pub(crate) fn new(options: &'a Options, until: Option<Instant>) -> Self {
        Self { options, until, made: Vec::new() }
    }

    /// The transport for these settings.
    pub(crate) fn of(&mut self, network: &NetworkConfig) -> Result<Arc<dyn HttpTransport>> {
        if let Some((_, made)) = self.made.iter().find(|(known, _)| known == network) {
            return made.clone();
        }
        let made = self.make(network);
        self.made.push((network.clone(), made.clone()));
        made
    }

    fn make(&self, network: &NetworkConfig) -> Result<Arc<dyn HttpTransport>> {
        let options = network.options(self.options, self.until)?;
        let transport = ReqwestTransport::new(&options).map_err(|error| {
            let files = files(network);
            if files.is_empty() || !error.message().contains("client") {
                return error;
            }
            wrong(format!("{files}: {}", error.message()))
                .with_hint("name the certificate and the private key that were made together")
        })?;
        Ok(Arc::new(transport))
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message.into())
}

fn read(path: &Path, key: &str) -> Result<Vec<u8>> {
    file::bytes(path, file::LARGE).map_err(|e| {
        wrong(format!("{key} {} cannot be read: {e}", path.display()))
            .with_source(e)
            .with_hint("give the path of a PEM file that this user can read")
    })
}

fn certificates(path: &Path, key: &str) -> Result<Vec<u8>> {
    let pem = read(path, key)?;
    if !has_section(&pem, "CERTIFICATE") {
        let message = format!("{key} {} holds no certificate", path.display());
        return Err(wrong(message).with_hint(
            "it must be PEM: openssl x509 -inform der -in FILE -out FILE.pem converts a DER file",
        ));
    }
    Ok(pem)
}

/// Whether the PEM has a section whose label ends so, such as `RSA PRIVATE KEY`.
fn has_section(pem: &[u8], label: &str) -> bool {
    let end = format!("{label}-----");
    let sealed = "-----BEGIN ENCRYPTED ";
    let lines = pem.split(|b| *b == b'\n').filter_map(|l| std::str::from_utf8(l).ok()).map(str::trim);
    let wants_sealed = label.starts_with("ENCRYPTED");
    lines
        .filter(|l| wants_sealed || !l.starts_with(sealed))
        .any(|l| l.starts_with("-----BEGIN ") && l.ends_with(&end))
}

fn holds_key(path: &Path) -> bool {
    file::bytes(path, file::LARGE).is_ok_and(|pem| has_section(&pem, "PRIVATE KEY"))
}

fn has_password(url: &SecretString) -> bool {
    Url::parse(url.expose_secret()).is_ok_and(|url| url.password().is_some())
}

/// The address with the password; the error does not repeat it, for it may hold another one.
fn with_password(url: &SecretString, password: &SecretString) -> Result<SecretString> {
    let unfit = || wrong("proxy_password needs a proxy of the form http://user@host:port");
    let mut url = Url::parse(url.expose_secret()).map_err(|_| unfit())?;
    if url.username().is_empty() {
        return Err(unfit());
    }
    url.set_password(Some(password.expose_secret())).map_err(|()| unfit())?;
    Ok(SecretString::from(String::from(url)))
}

/// The warning about a file that others can read.
#[cfg(unix)]
pub(crate) fn open_to_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0)
        .then(|| format!("{} can be read by others (mode {mode:o}); chmod 600 it", path.display()))
}

#[cfg(not(unix))]
pub(crate) fn open_to_others(_: &Path) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> NetworkConfig {
        let config = crate::Config::from_toml(&format!("[network]\n{text}")).unwrap();
        config.network
    }

    fn made(network: &NetworkConfig) -> Result<Arc<dyn HttpTransport>> {
        let options = Options { env: Arc::new(|_| None), ..Options::default() };
        Transports::new(&options, None).of(network)
    }

    #[test]
    fn a_tenant_wins_key_by_key_and_pairs_stay_together() {
        let below = table(
            "ca_file='a'\nclient_certificate='c'\nclient_key='k'\nproxy='http://u@p:1'\nproxy_password='w'",
        );
        let over = table("ca_file='b'\nconnect_timeout='3s'").over(&below);
        assert_eq!(over.ca_file.as_deref(), Some(Path::new("b")));
        assert_eq!((&over.client_key, &over.proxy), (&below.client_key, &below.proxy));
        assert_eq!(over.connect_timeout, Some(Duration::from_secs(3)));
        let own = table("client_certificate='both'\nproxy='none'").over(&below);
        assert_eq!((own.client_key, own.proxy_password), (None, None));
    }

    #[test]
    fn the_same_settings_share_one_transport() {
        let options = Options { env: Arc::new(|_| None), ..Options::default() };
        let mut all = Transports::new(&options, None);
        let first = all.of(&table("proxy='none'")).unwrap();
        assert!(Arc::ptr_eq(&first, &all.of(&table("proxy='none'")).unwrap()));
        assert!(!Arc::ptr_eq(&first, &all.of(&table("proxy='system'")).unwrap()));
    }

    #[test]
    fn mistakes_name_the_file_and_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let empty = file("empty.pem", "canary");
        let cert = file("cert.pem", "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n");
        let sealed = file("sealed.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAo=\n");
        for (text, says) in [
            ("ca_file='/nonexistent/ca.pem'".to_owned(), "ca_file /nonexistent/ca.pem cannot be read"),
            (format!("ca_file='{empty}'"), "empty.pem holds no certificate"),
            (format!("client_certificate='{cert}'"), "name the file with the private key as client_key"),
            (format!("client_certificate='{cert}'\nclient_key='{sealed}'"), "without a passphrase"),
            (
                format!("client_certificate='{cert}'\nclient_key='/nonexistent/k'"),
                "client_key /nonexistent/k",
            ),
            ("client_key='k'".to_owned(), "client_key needs client_certificate"),
            ("proxy={env='UNSET'}".to_owned(), "the variable UNSET is not set"),
            ("proxy='http://canary'\nproxy_password='canary'".to_owned(), "http://user@host:port"),
        ] {
            let error = made(&table(&text)).unwrap_err();
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_password_is_put_into_the_address() {
        let url = with_password(&"http://ann@proxy.example:3128".into(), &"p@ss".into()).unwrap();
        assert_eq!(url.expose_secret(), "http://ann:p%40ss@proxy.example:3128/");
    }

    #[cfg(unix)]
    #[test]
    fn an_open_key_and_a_plain_password_warn() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let text = format!("client_certificate='c'\nclient_key='{}'", path.display());
        assert!(table(&text).warnings()[0].contains("can be read by others (mode 644)"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(table(&text).warnings().is_empty());
        let warnings = table("proxy='http://u:canary@p:1'").warnings();
        assert!(warnings[0].contains("proxy's password") && !warnings[0].contains("canary"));
    }
}
