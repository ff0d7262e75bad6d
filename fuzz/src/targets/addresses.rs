//! The addresses that people paste, and those that a vendor answers with.
//!
//! The first byte chooses: `b` a base URL; `l` the `Location` of a region answer; anything else is an FQDN
//! of Cortex XDR and a name of a cloud.

use cortex_xdr::Fqdn;
use edr_core::{EdrProviderExt as _, HostQuery};
use falcon::Cloud;
use url::Url;

use super::choice;
use crate::listing::hold;
use crate::wire::{Visited, block_on, falcon_builder};

/// Runs the target.
pub fn run(data: &[u8]) {
    let (way, text) = choice(data);
    match (way, str::from_utf8(text)) {
        (b'b', Ok(text)) => base(text),
        (b'l', _) => location(text),
        (_, Ok(text)) => names(text),
        _ => {}
    }
}

fn names(text: &str) {
    if let Ok(cloud) = text.parse::<Cloud>() {
        assert_eq!(cloud.as_str().parse::<Cloud>().ok(), Some(cloud));
    }
    let Ok(fqdn) = text.parse::<Fqdn>() else { return };
    let base = fqdn.base_url().expect("a name that was read makes a URL");
    assert_eq!((base.scheme(), base.host_str()), ("https", Some(fqdn.api_host().as_str())));
    assert!(!fqdn.as_str().starts_with("api-") && base.port().is_none() && base.path() == "/");
    for again in [fqdn.as_str(), &fqdn.api_host(), base.as_str()] {
        assert_eq!(again.parse::<Fqdn>().as_ref(), Ok(&fqdn), "{again} is read in another way");
    }
}

/// Whatever a redirect names, requests go to CrowdStrike.
fn location(text: &[u8]) {
    let script = [b"308\nlocation: ", text, b"\n\n{}\n--\n200\n\n{\"resources\":[]}"].concat();
    for grants in [true, false] {
        let (builder, visited) = falcon_builder(&script, grants);
        let falcon = builder.build().expect("the settings are good");
        block_on(hold(falcon.walk_hosts(&HostQuery::new())));
        each(&visited, |url| {
            let home = url.host_str().and_then(Cloud::of_api_host).is_some();
            home && url.scheme() == "https" && url.port().is_none() && url.username().is_empty()
        });
    }
}

/// Credentials go to the address that was given, over https, or to this machine.
fn base(text: &str) {
    let Ok(url) = Url::parse(text) else { return };
    let (builder, visited) = falcon_builder(b"200\n\n{\"resources\":[]}", true);
    let Ok(falcon) = builder.base_url(url.clone()).build() else { return };
    block_on(hold(falcon.walk_hosts(&HostQuery::new())));
    each(&visited, |to| {
        let safe = to.scheme() == "https" || edr_http::is_loopback(to);
        safe && to.host() == url.host() && to.port() == url.port()
    });
}

fn each(visited: &Visited, fits: impl Fn(&Url) -> bool) {
    for url in visited.urls() {
        assert!(fits(&url), "a request went to {url}");
    }
}
