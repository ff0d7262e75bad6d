//! Falcon's hosts: the combined endpoint, the scroll with entities, the online state.
//!
//! The first byte chooses: `c` connection states, too; `g` one host; `n` the native calls; `s` another
//! order; anything else is a plain walk. The rest is a [`crate::script::Script`].

use edr_core::{EdrProvider as _, EdrProviderExt as _, HostQuery, Noun, Sort};
use falcon::api::hosts::HostsParams;

use super::choice;
use crate::listing::{hold, single};
use crate::wire::{block_on, falcon, gives_away};

const ID: &str = "00000000000000000000000000000001";

/// Runs the target.
pub fn run(data: &[u8]) {
    if gives_away(data) {
        return;
    }
    let (way, script) = choice(data);
    let falcon = falcon(script);
    block_on(async {
        let small = HostQuery::new().page_size(2);
        match way {
            b'c' => hold(falcon.walk_hosts(&small.with_connection())).await,
            b'g' => single(&falcon.host(ID).await),
            b'n' => native(&falcon).await,
            b's' => {
                let field = Noun::Host.field("last_seen").expect("a field of hosts");
                hold(falcon.walk_hosts(&small.sort_by(Sort { field, descending: true }))).await;
            }
            _ => hold(falcon.walk_hosts(&small)).await,
        }
    });
}

async fn native(falcon: &falcon::Falcon) {
    let client = falcon.client();
    let params = HostsParams::default();
    single(&client.hosts(&params).await);
    single(&client.host_ids(&params).await);
    single(&client.hosts_by_id(&[ID]).await);
    single(&client.online_state(&[ID]).await);
}
