//! A certificate authority that lives as long as the simulator, and what the listeners show.
//!
//! The private keys are never written anywhere; only the authority's own certificate leaves the process, for
//! clients that must trust it. Both keys are drawn anew at each start: they do not come from the seed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, Days, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::files::{file_error, refuse_foreign, write_whole};
use crate::sim::SimError;

/// For how many days certificates are good; some trust stores refuse more than 825.
const DAYS: u64 = 397;

/// The name of the authority, by which a certificate is known again.
const AUTHORITY: &str = "edr-sim authority";

/// An authority and the acceptor that shows its certificate.
pub(crate) struct Authority {
    pub(crate) ca_pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

fn wrong(error: impl std::fmt::Display) -> SimError {
    SimError::Invalid(format!("no certificate can be made: {error}"))
}

impl Authority {
    /// An authority whose one certificate is good for `names` (host names, wildcards, addresses).
    pub(crate) fn new(names: Vec<String>, now: DateTime<Utc>) -> Result<Self, SimError> {
        let (ca_key, ca_params) = (KeyPair::generate().map_err(wrong)?, authority(now));
        let ca = ca_params.self_signed(&ca_key).map_err(wrong)?;
        let issuer = Issuer::new(ca_params, ca_key);
        let key = KeyPair::generate().map_err(wrong)?;
        let leaf = leaf(names, now)?.signed_by(&key, &issuer).map_err(wrong)?;
        let chain = vec![leaf.der().clone(), ca.der().clone()];
        Ok(Self { ca_pem: ca.pem(), acceptor: acceptor(chain, &key)? })
    }
}

fn valid(mut params: CertificateParams, now: DateTime<Utc>, common_name: &str) -> CertificateParams {
    let day = |at: DateTime<Utc>| date_time_ymd(at.year(), at.month() as u8, at.day() as u8);
    // A client whose clock is a little behind still accepts it.
    params.not_before = day(now.checked_sub_days(Days::new(2)).unwrap_or(now));
    params.not_after = day(now.checked_add_days(Days::new(DAYS)).unwrap_or(now));
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.distinguished_name.push(DnType::OrganizationName, "edr-sim");
    params
}

fn authority(now: DateTime<Utc>) -> CertificateParams {
    let mut params = valid(CertificateParams::default(), now, AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf(names: Vec<String>, now: DateTime<Utc>) -> Result<CertificateParams, SimError> {
    let mut params = valid(CertificateParams::new(names).map_err(wrong)?, now, "localhost");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Result<TlsAcceptor, SimError> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The names that the certificate is good for. Each tenant's own stand beside the wildcard, which some clients do not
/// take directly under a top-level name.
pub(crate) fn names<'a>(tenants: impl Iterator<Item = &'a str>) -> Vec<String> {
    let fixed = ["localhost", "*.localhost", "127.0.0.1", "::1"].map(str::to_owned);
    fixed.into_iter().chain(tenants.map(|name| format!("api-{name}.localhost"))).collect()
}

/// A file that is taken away with the simulator, folder and all, when the simulator chose its place.
#[derive(Debug)]
pub(crate) struct CaFile {
    pub(crate) path: PathBuf,
    ours: bool,
}

impl CaFile {
    /// Writes the certificate to `path`, or to a new folder among the temporary ones.
    pub(crate) fn write(pem: &str, path: Option<&Path>) -> Result<Self, SimError> {
        let (path, ours) = match path {
            Some(path) => (path.to_owned(), false),
            None => (fresh_folder()?.join("ca.pem"), true),
        };
        let path = std::path::absolute(&path).unwrap_or(path);
        refuse_foreign(&path, is_ours)?;
        write_whole(&path, pem, 0o644).map_err(|e| file_error(&path, e))?;
        Ok(Self { path, ours })
    }
}

/// Whether a file is one certificate, that of an authority made here, and nothing else.
fn is_ours(text: &[u8]) -> bool {
    let Some(body) = std::str::from_utf8(text).ok().and_then(|text| {
        text.trim().strip_prefix("-----BEGIN CERTIFICATE-----")?.strip_suffix("-----END CERTIFICATE-----")
    }) else {
        return false;
    };
    let letters: String = body.split_whitespace().collect();
    let der = STANDARD.decode(letters).unwrap_or_default();
    der.windows(AUTHORITY.len()).any(|part| part == AUTHORITY.as_bytes())
}

impl Drop for CaFile {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(&self.path);
            let _ = self.path.parent().map(std::fs::remove_dir);
        }
    }
}

/// A folder that nobody had before and only the owner can write to.
fn fresh_folder() -> Result<PathBuf, SimError> {
    use std::os::unix::fs::DirBuilderExt;
    let mut tried = 0_u32;
    loop {
        let folder = std::env::temp_dir().join(format!("edr-sim-{}-{tried}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists || tried > 10_000 => {
                return Err(SimError::File { path: folder.display().to_string(), source });
            }
            Err(_) => tried += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_ours_goes_and_one_of_the_users_stays() {
        let ours = CaFile::write("pem", None).unwrap();
        let (path, other) = (ours.path.clone(), CaFile::write("pem", None).unwrap());
        assert!(path.is_file() && path != other.path);
        drop(ours);
        assert!(!path.exists() && !path.parent().unwrap().exists() && other.path.is_file());
        let mine = other.path.with_file_name("mine.pem");
        drop(CaFile::write("pem", Some(&mine)).unwrap());
        assert_eq!(std::fs::read_to_string(&mine).unwrap(), "pem");
        std::fs::remove_file(&mine).unwrap();
    }

    #[test]
    fn only_a_certificate_of_ours_is_overwritten() {
        let folder = fresh_folder().unwrap();
        let path = folder.join("ca.pem");
        let pem = || Authority::new(names(std::iter::empty()), DateTime::UNIX_EPOCH).unwrap().ca_pem;
        for _ in 0..2 {
            let mine = pem();
            CaFile::write(&mine, Some(&path)).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), mine);
        }
        let foreign = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        for text in [foreign, format!("{0}{0}", pem()), "notes about the edr-sim authority".to_owned()] {
            std::fs::write(&path, &text).unwrap();
            let why = CaFile::write(&pem(), Some(&path)).unwrap_err().to_string();
            assert!(why.contains("was not written by the simulator"), "{why}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn each_tenant_has_its_own_name() {
        let names = names(["cortex-1", "cortex-2"].into_iter());
        assert!(names.contains(&"api-cortex-2.localhost".to_owned()) && names.contains(&"::1".to_owned()));
    }
}
