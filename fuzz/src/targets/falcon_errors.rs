//! Falcon's tokens, refusals, regions and delays: every answer, the token endpoint's included, comes
//! from the script.
//!
//! The first byte chooses: `c` a fixed cloud; `d` discovery with granted tokens; `t` the check of the tenant;
//! anything else is a walk on discovery. The rest is a [`crate::script::Script`].

use edr_core::{AlertQuery, EdrProvider as _, EdrProviderExt as _, HostQuery};
use falcon::Cloud;

use super::choice;
use crate::listing::{hold, single};
use crate::wire::{Visited, block_on, falcon_builder, gives_away};

/// Runs the target.
pub fn run(data: &[u8]) {
    if gives_away(data) {
        return;
    }
    let (way, script) = choice(data);
    let (builder, visited) = falcon_builder(script, way == b'd');
    let builder = if way == b'c' { builder.cloud(Cloud::UsGov1) } else { builder };
    let falcon = builder.build().expect("the settings are good");
    block_on(async {
        match way {
            b't' => single(&falcon.check().await),
            _ => {
                hold(falcon.walk_hosts(&HostQuery::new())).await;
                hold(falcon.walk_alerts(&AlertQuery::new())).await;
            }
        }
    });
    at_home(&visited, way == b'c');
}

/// Every request went to an API host of CrowdStrike, and to no other cloud than a fixed one.
fn at_home(visited: &Visited, fixed: bool) {
    for url in visited.urls() {
        let host = url.host_str().unwrap_or_default();
        let fits = if fixed { host == Cloud::UsGov1.api_host() } else { Cloud::of_api_host(host).is_some() };
        assert!(fits && url.scheme() == "https" && url.port().is_none(), "a request went to {url}");
    }
}
