//! Where a listing can be taken up again.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, ErrorKind, Noun, TenantId};

/// An opaque place in a listing: it can be kept, printed, sent to another process and resumed.
///
/// A cursor names the tenant, the noun and the query that made it; a provider refuses one that
/// belongs elsewhere, so a cursor can never read another tenant. Vendors let their own cursors
/// expire (Falcon: two minutes); [`Error::is_cursor_expired`] tells.
///
/// Cursors hold no secret, only the vendor's page key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    t: String,
    n: Noun,
    q: u64,
    s: String,
}

const PREFIX: &str = "edr1.";

impl Cursor {
    /// Seals a provider's own page state for `tenant`, `noun` and the query with this fingerprint
    /// ([`crate::Query::fingerprint`]).
    ///
    /// # Errors
    /// When the state cannot be written as JSON.
    pub fn seal<S: Serialize>(
        tenant: &TenantId,
        noun: Noun,
        fingerprint: u64,
        state: &S,
    ) -> Result<Self, Error> {
        let bad = |e: serde_json::Error| {
            Error::new(ErrorKind::InvalidRequest, "the page state cannot be written").with_source(e)
        };
        let s = serde_json::to_string(state).map_err(bad)?;
        let envelope = Envelope { t: tenant.to_string(), n: noun, q: fingerprint, s };
        let json = serde_json::to_vec(&envelope).map_err(bad)?;
        Ok(Self { text: format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json)) })
    }

    /// Opens a cursor for the listing that is being asked for.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] when the text is not a cursor, or belongs to another tenant,
    /// noun or query.
    pub fn open<S: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        noun: Noun,
        fingerprint: u64,
    ) -> Result<S, Error> {
        let envelope = self.envelope().ok_or_else(|| invalid("this is not a cursor of edr"))?;
        if envelope.t != tenant.as_str() {
            return Err(invalid("the cursor belongs to another tenant"));
        }
        if envelope.n != noun || envelope.q != fingerprint {
            return Err(invalid("the cursor belongs to another query"));
        }
        serde_json::from_str(&envelope.s).map_err(|e| invalid("the cursor's state is damaged").with_source(e))
    }

    /// The cursor as text: letters, digits, `-`, `_` and one dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn envelope(&self) -> Option<Envelope> {
        let body = self.text.strip_prefix(PREFIX)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
    }
}

fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message).with_hint("start the listing again without a cursor")
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<String> for Cursor {
    fn from(text: String) -> Self {
        Self { text }
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_text_and_json() {
        let tenant = TenantId::new("acme/child");
        let cursor = Cursor::seal(&tenant, Noun::Host, 7, &("next", 5)).unwrap();
        let json = serde_json::to_string(&cursor).unwrap();
        let back: Cursor = serde_json::from_str(&json).unwrap();
        let state: (String, u32) = back.open(&tenant, Noun::Host, 7).unwrap();
        assert_eq!(state, ("next".into(), 5));
    }

    #[test]
    fn a_cursor_opens_only_where_it_was_made() {
        let tenant = TenantId::new("acme");
        let cursor = Cursor::seal(&tenant, Noun::Host, 7, &1).unwrap();
        for (tenant, noun, print, says) in [
            (TenantId::new("globex"), Noun::Host, 7, "another tenant"),
            (tenant.clone(), Noun::Alert, 7, "another query"),
            (tenant.clone(), Noun::Host, 8, "another query"),
        ] {
            let error = cursor.open::<u32>(&tenant, noun, print).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        let error = Cursor::from("rubbish".to_owned()).open::<u32>(&tenant, Noun::Host, 7).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
}
