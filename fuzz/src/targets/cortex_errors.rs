//! Cortex XDR's refusals, clocks, generations and health.
//!
//! The first byte chooses: `h` the health check; `p` the probe of the generation; `s` a standard key; `t` the
//! check of the tenant; anything else is a walk over both nouns. The rest is a [`crate::script::Script`].

use cortex_xdr::KeyType;
use edr_core::{AlertQuery, EdrProvider as _, EdrProviderExt as _, HostQuery};

use super::choice;
use crate::listing::{hold, single};
use crate::wire::{block_on, cortex, gives_away};

/// Runs the target.
pub fn run(data: &[u8]) {
    if gives_away(data) {
        return;
    }
    let (way, script) = choice(data);
    let builder = cortex(script);
    let builder = if way == b's' { builder.key_type(KeyType::Standard) } else { builder };
    let cortex = builder.build().expect("the settings are good");
    block_on(async {
        match way {
            b'h' => single(&cortex.client().healthcheck().await),
            b'p' => single(&cortex.client().generation().await),
            b't' => single(&cortex.check().await),
            _ => {
                hold(cortex.walk_hosts(&HostQuery::new())).await;
                hold(cortex.walk_alerts(&AlertQuery::new())).await;
            }
        }
    });
}
