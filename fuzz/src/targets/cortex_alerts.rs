//! Cortex XDR's alerts in all their shapes, and its issues.
//!
//! The first byte chooses: `3` and `5` a walk of that generation; `a` oldest first; `g` one alert; `i` one
//! issue; `n` the native calls; anything else is a walk whose generation is probed. The rest is a
//! [`crate::script::Script`].

use cortex_xdr::{AlertsPath, CortexXdr, Generation, PageRequest};
use edr_core::{AlertQuery, EdrProvider as _, EdrProviderExt as _, Noun, Sort};

use super::choice;
use crate::listing::{hold, single};
use crate::wire::{block_on, cortex, gives_away};

/// Runs the target.
pub fn run(data: &[u8]) {
    if gives_away(data) {
        return;
    }
    let (way, script) = choice(data);
    let builder = match way {
        b'3' | b'a' | b'g' | b'n' => cortex(script).generation(Generation::Xdr3),
        b'5' | b'i' => cortex(script).generation(Generation::Xdr5),
        _ => cortex(script),
    };
    let cortex = builder.build().expect("the settings are good");
    block_on(async {
        let small = AlertQuery::new().page_size(2);
        match way {
            b'a' => {
                let field = Noun::Alert.field("created_time").expect("a field of alerts");
                hold(cortex.walk_alerts(&small.sort_by(Sort { field, descending: false }))).await;
            }
            b'g' | b'i' => single(&cortex.alert("17").await),
            b'n' => native(&cortex).await,
            _ => hold(cortex.walk_alerts(&small)).await,
        }
    });
}

async fn native(cortex: &CortexXdr) {
    let (client, page) = (cortex.client(), PageRequest::window(0, 2));
    for path in AlertsPath::ALL {
        single(&client.alerts(path, &page).await);
    }
    single(&client.issues(&page).await);
}
