//! Approval by people: ed25519 signatures over a plan, kept in a file beside it.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::error::{Error, Refusal, Result};
use super::guard::Rule;
use super::plan::Plan;
use super::state;

/// What stands before an ed25519 public key in its DER form (RFC 8410).
const SPKI: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key whose signatures count, and whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct ApprovalKey {
    name: String,
    key: [u8; 32],
}

impl ApprovalKey {
    /// A key in base64: 32 bytes, or the DER form that `openssl pkey -pubout` prints between its lines; or as PEM.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let bytes = unwrap_pem(text).ok_or("is not base64")?;
        let bare = bytes.strip_prefix(SPKI).unwrap_or(&bytes);
        let key = <[u8; 32]>::try_from(bare).map_err(|_| "is not an ed25519 public key")?;
        Ok(Self { name: name.to_owned(), key })
    }

    /// Whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As 32 bytes in base64.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(self.key)
    }

    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl fmt::Debug for ApprovalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApprovalKey({}: {})", self.name, self.to_base64())
    }
}

fn unwrap_pem(text: &str) -> Option<Vec<u8>> {
    let body: String =
        text.lines().filter(|l| !l.starts_with("-----")).flat_map(str::split_whitespace).collect();
    BASE64.decode(body).ok()
}

/// A private key that approves. It is never printed.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A key in PKCS #8, as `openssl genpkey -algorithm ed25519` prints it.
    ///
    /// # Errors
    /// When it is no such key.
    pub fn from_pem(pem: &SecretString) -> Result<Self> {
        let no_key = || Error::Plan("this is no ed25519 private key in PKCS #8".to_owned());
        let der = unwrap_pem(pem.expose_secret()).ok_or_else(no_key)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| no_key())?;
        Ok(Self { pair })
    }

    /// A key of 32 random bytes.
    ///
    /// # Errors
    /// When the library cannot use them.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        Ok(Self { pair: pair.map_err(|_| Error::Plan("this seed makes no key".to_owned()))? })
    }

    /// The public key in base64, as the configuration takes it.
    #[must_use]
    pub fn public_key(&self) -> String {
        BASE64.encode(self.pair.public_key().as_ref())
    }

    /// Signs a plan.
    #[must_use]
    pub fn sign(&self, plan: &Plan) -> Signature {
        let signature = BASE64.encode(self.pair.sign(&message(plan)).as_ref());
        Signature { plan: plan.id.clone(), digest: plan.digest.clone(), key: self.public_key(), signature }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public_key", &self.public_key()).finish_non_exhaustive()
    }
}

/// What is signed. It begins with its purpose, so that it can be taken for nothing else.
fn message(plan: &Plan) -> Vec<u8> {
    format!("edr plan approval v1\n{}\n{}\n", plan.id, plan.digest).into_bytes()
}

/// One approval of one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Signature {
    /// The plan.
    pub plan: String,
    /// Its digest.
    pub digest: String,
    /// The public key in base64.
    pub key: String,
    /// The signature in base64.
    pub signature: String,
}

impl Signature {
    /// The key of the configuration that made it, once it is proven.
    pub(super) fn signer<'k>(
        &self,
        plan: &Plan,
        keys: &'k [ApprovalKey],
    ) -> Result<&'k ApprovalKey, Refusal> {
        let refuse =
            |why: &str| Err(Refusal::new(Rule::Signature, format!("the signature of {} {why}", self.key)));
        let Some(key) =
            ApprovalKey::parse("", &self.key).ok().and_then(|k| keys.iter().find(|c| c.is_same_key(&k)))
        else {
            return refuse("is by no key of the configuration");
        };
        if self.plan != plan.id || self.digest != plan.digest {
            return refuse("is for another plan");
        }
        let bytes = BASE64.decode(&self.signature).unwrap_or_default();
        match UnparsedPublicKey::new(&ED25519, key.key).verify(&message(plan), &bytes) {
            Ok(()) => Ok(key),
            Err(_) => refuse("is not good"),
        }
    }
}

/// Where the signatures of a plan are kept: beside it, with `.sig` at the end.
#[must_use]
pub fn signature_path(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// What is locked while a signature is added. The file of signatures is replaced each time, and cannot be locked itself.
fn lock_path(plan: &Path) -> PathBuf {
    let mut name = signature_path(plan).into_os_string();
    name.push(".lock");
    name.into()
}

/// The signatures beside a plan, one a line; none when there is no such file.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub fn read_signatures(plan: &Path) -> Result<Vec<Signature>> {
    let path = signature_path(plan);
    let text = match crate::file::text(&path, crate::file::LARGE) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|e| Error::file(&path, e))?,
    };
    let read = |line| serde_json::from_str(line).map_err(|e| Error::Plan(format!("{}: {e}", path.display())));
    text.lines().filter(|l| !l.trim().is_empty()).map(read).collect()
}

/// Signs a plan and keeps the signature beside it. Who signs meanwhile waits, so that no signature is lost.
///
/// # Errors
/// When the file cannot be written, or this key has signed already.
pub fn add_signature(path: &Path, plan: &Plan, key: &SigningKey) -> Result<Signature> {
    let lock = state::open_private(&lock_path(path))?;
    let _held = state::exclusive(&lock).map_err(|e| Error::file(&lock_path(path), e))?;
    let mut all = read_signatures(path)?;
    let signature = key.sign(plan);
    if all.iter().any(|s| s.key == signature.key) {
        return Err(Error::refused(Rule::Approvals, "this key has signed the plan already"));
    }
    all.push(signature.clone());
    let lines = all.iter().map(|s| serde_json::to_string(s).map(|line| line + "\n"));
    let text = lines.collect::<serde_json::Result<String>>().map_err(Error::inner)?;
    state::replace(&signature_path(path), text.as_bytes())?;
    Ok(signature)
}
