//! Falcon's alerts: the combined endpoint, the query with entities.
//!
//! The first byte chooses: `a` oldest first; `g` one alert; `n` the native calls; anything else is a
//! plain walk. The rest is a [`crate::script::Script`].

use edr_core::{AlertQuery, EdrProvider as _, EdrProviderExt as _, Noun, Sort};
use falcon::api::alerts::AlertsParams;

use super::choice;
use crate::listing::{hold, single};
use crate::wire::{block_on, falcon, gives_away};

const ID: &str = "cccccccccccccccccccccccccccccccc:ind:00000000000000000000000000000001:1-1-1";

/// Runs the target.
pub fn run(data: &[u8]) {
    if gives_away(data) {
        return;
    }
    let (way, script) = choice(data);
    let falcon = falcon(script);
    block_on(async {
        let small = AlertQuery::new().page_size(2);
        match way {
            b'a' => {
                let field = Noun::Alert.field("created_time").expect("a field of alerts");
                hold(falcon.walk_alerts(&small.sort_by(Sort { field, descending: false }))).await;
            }
            b'g' => single(&falcon.alert(ID).await),
            b'n' => native(&falcon).await,
            _ => hold(falcon.walk_alerts(&small)).await,
        }
    });
}

async fn native(falcon: &falcon::Falcon) {
    let client = falcon.client();
    let params = AlertsParams::default();
    single(&client.alerts(&params).await);
    single(&client.alert_ids(&params).await);
    single(&client.alerts_by_id(&[ID]).await);
}
