//! OAuth2: the token endpoint.

use edr_http::RequestPlan;
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
}
