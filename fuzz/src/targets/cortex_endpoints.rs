//! Cortex XDR's endpoints, and the calls around them.
//!
//! The first byte chooses: `g` one host; `n` the native calls, the light list included; `s` another order;
//! `t` the check of the tenant; anything else is a plain walk. The rest is a [`crate::script::Script`].

use cortex_xdr::{CortexXdr, Generation, PageRequest};
use edr_core::{EdrProvider as _, EdrProviderExt as _, HostQuery, Noun, Sort};

use super::choice;
use crate::listing::{hold, single};
use crate::wire::{block_on, cortex, gives_away};

/// Runs the target.
pub fn run(data: &[u8]) {
    if gives_away(data) {
        return;
    }
    let (way, script) = choice(data);
    let cortex = cortex(script).generation(Generation::Xdr3).build().expect("the settings are good");
    block_on(async {
        let small = HostQuery::new().page_size(2);
        match way {
            b'g' => single(&cortex.host("0f3a").await),
            b'n' => native(&cortex).await,
            b's' => {
                let field = Noun::Host.field("last_seen").expect("a field of hosts");
                hold(cortex.walk_hosts(&small.sort_by(Sort { field, descending: true }))).await;
            }
            b't' => single(&cortex.check().await),
            _ => hold(cortex.walk_hosts(&small)).await,
        }
    });
}

async fn native(cortex: &CortexXdr) {
    let client = cortex.client();
    single(&client.endpoint_list().await);
    single(&client.endpoints(&PageRequest::window(0, 2)).await);
}
