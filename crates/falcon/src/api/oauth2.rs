//! OAuth2: the token endpoint.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use edr_core::{Error, ErrorKind, Result};
use edr_http::RequestPlan;
use http::{HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Endpoint, Verb};

/// `POST /oauth2/token`. It changes nothing on the vendor's side, so it may be repeated.
pub static TOKEN: Endpoint = Endpoint::read("oauth2AccessToken", Verb::Post, "/oauth2/token", "");

/// Asks for a token; for that of a child tenant with `member_cid`.
#[must_use]
pub fn token(id: &str, secret: &SecretString, member_cid: Option<&str>) -> RequestPlan {
    let mut fields = vec![("client_id", id), ("client_secret", secret.expose_secret().trim())];
    fields.extend(member_cid.map(|cid| ("member_cid", cid)));
    RequestPlan::post_form(&TOKEN.operation, TOKEN.path, &fields)
}

/// `POST /oauth2/revoke`. A token that is revoked twice is revoked.
pub static REVOKE: Endpoint = Endpoint::read("oauth2RevokeToken", Verb::Post, "/oauth2/revoke", "");

/// Makes a token invalid before its time.
///
/// # Errors
/// [`ErrorKind::Configuration`] when the credentials cannot be put into a header.
pub fn revoke(id: &str, secret: &SecretString, token: &SecretString) -> Result<RequestPlan> {
    let pair = BASE64_STANDARD.encode(format!("{id}:{}", secret.expose_secret().trim()));
    let mut value = HeaderValue::from_str(&format!("Basic {pair}"))
        .map_err(|_| Error::new(ErrorKind::Configuration, "the credentials cannot be put into a header"))?;
    value.set_sensitive(true);
    let mut plan =
        RequestPlan::post_form(&REVOKE.operation, REVOKE.path, &[("token", token.expose_secret())]);
    plan.headers.insert(header::AUTHORIZATION, value);
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use edr_http::Body;

    use super::*;

    #[test]
    fn the_secret_is_in_the_form_alone() {
        let plan = token("id", &SecretString::from("a+b&c\n"), Some("cid"));
        let Body::Bytes(kind, body) = &plan.body else { panic!("no body") };
        assert_eq!(*kind, "application/x-www-form-urlencoded");
        assert_eq!(body, "client_id=id&client_secret=a%2Bb%26c&member_cid=cid");
        assert!(plan.query.is_empty());
    }

    #[test]
    fn a_revocation_names_the_client_in_the_header_and_hides_it() {
        let plan = revoke("id", &SecretString::from("canary"), &SecretString::from("canary-token")).unwrap();
        assert_eq!(plan.headers["authorization"], "Basic aWQ6Y2FuYXJ5");
        let Body::Bytes(_, body) = &plan.body else { panic!("no body") };
        assert_eq!(body, "token=canary-token");
        let shown = format!("{plan:?}");
        assert!(!shown.contains("canary") && !shown.contains("aWQ6"), "{shown}");
    }
}
