//! Scenes of what a tenant lets pass: exclusions, and the tokens that sensors are installed with.

use std::time::Duration;

use chrono::TimeDelta;
use edr_core::ErrorKind;
use falcon::Identified as _;
use falcon::api::ListParams;
use falcon::api::exclusions::{
    self, ALL_HOSTS, ExcludedFrom, ExclusionKind, Ioa, IoaBody, Ml, MlBody, SensorVisibility,
    SensorVisibilityBody,
};
use falcon::api::install_tokens::{self, NewToken, TokenChange, TokenSettingsChange, TokenStatus};
use secrecy::ExposeSecret as _;

use super::{Wire, World, all, kind};

fn all_hosts() -> Option<Vec<String>> {
    Some(vec![ALL_HOSTS.to_owned()])
}

/// An exclusion is made, read and changed; the other half of its life is [`gone`].
async fn made<K: ExclusionKind>(world: &World, new: &K::Body, change: &K::Body) -> K::Exclusion {
    let c = world.client();
    let id = c.create_exclusion::<K>(new).await.unwrap().resources[0].uid().unwrap().to_owned();
    assert_eq!(
        all::<String>(c.pages(exclusions::query::<K>(&ListParams::default()), None)).await,
        [id.clone()]
    );
    let found = c.exclusions_by_id::<K, _>(&[id.clone(), "0".repeat(32)]).await.unwrap();
    assert_eq!((found.found.len(), found.missing.len()), (1, 1));
    let changed = c.update_exclusion::<K>(&id, change).await.unwrap().resources.remove(0);
    assert_eq!(kind(c.update_exclusion::<K>("nobody", change).await), ErrorKind::InvalidRequest);
    changed
}

async fn gone<K: ExclusionKind>(world: &World, id: &str) {
    let c = world.client();
    let done = c.delete_exclusions::<K, _>(&[id, "nobody"], Some("over")).await.unwrap();
    assert_eq!((done.done.len(), done.refused.len()), (1, 1), "{done:?}");
    assert!(c.exclusion_ids::<K>(&ListParams::default()).await.unwrap().resources.is_empty());
}

pub(crate) async fn exclusions_live_their_whole_life(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let group = c.host_group_ids(&ListParams::default()).await.unwrap().resources.remove(0);
    let new = MlBody {
        excluded_from: Some(vec![ExcludedFrom::Blocking]),
        groups: Some(vec![group.clone()]),
        value: Some("C:\\Tools\\**".to_owned()),
        ..MlBody::default()
    };
    let wider = MlBody { groups: all_hosts(), ..MlBody::default() };
    let ml = made::<Ml>(&world, &new, &wider).await;
    assert_eq!(
        (ml.applied_globally, ml.excluded_from.as_slice()),
        (Some(true), [ExcludedFrom::Blocking].as_slice())
    );
    assert_eq!(kind(c.create_exclusion::<Ml>(&new).await), ErrorKind::InvalidRequest, "it is there already");
    let piped = ListParams { sort: Some("value|asc".to_owned()), ..ListParams::default() };
    assert_eq!(kind(c.exclusion_ids::<Ml>(&piped).await), ErrorKind::InvalidRequest, "a dot, and no pipe");
    gone::<Ml>(&world, ml.id.as_ref().unwrap()).await;

    let new = SensorVisibilityBody {
        groups: all_hosts(),
        value: Some("/opt/db/**".to_owned()),
        ..Default::default()
    };
    let narrow = SensorVisibilityBody {
        groups: Some(vec![group.clone()]),
        is_descendant_process: Some(true),
        ..Default::default()
    };
    let sv = made::<SensorVisibility>(&world, &new, &narrow).await;
    assert_eq!((sv.applied_globally, sv.is_descendant_process), (Some(false), Some(true)));
    assert_eq!(sv.groups.0, std::slice::from_ref(&group), "groups are ids, whatever the service shows");
    gone::<SensorVisibility>(&world, sv.id.as_ref().unwrap()).await;

    let new = IoaBody {
        cl_regex: Some(".*backup.*".to_owned()),
        description: Some("backup".to_owned()),
        groups: Some(vec![group.clone()]),
        ifn_regex: Some(".*\\\\backup\\.exe".to_owned()),
        name: Some("backup".to_owned()),
        pattern_id: Some("10197".to_owned()),
        pattern_name: Some("Backup".to_owned()),
        ..IoaBody::default()
    };
    let renamed = IoaBody { name: Some("nightly".to_owned()), ..new.clone() };
    let ioa = made::<Ioa>(&world, &new, &renamed).await;
    assert_eq!((ioa.name.as_deref(), ioa.groups.0.len()), (Some("nightly"), 1));
    gone::<Ioa>(&world, ioa.id.as_ref().unwrap()).await;
    let log = world.log();
    for operation in ["createMLExclusionsV1", "updateSensorVisibilityExclusionsV1", "deleteIOAExclusionsV1"] {
        assert!(log.contains(&operation.to_owned()), "{operation}");
    }
}

pub(crate) async fn installation_tokens_live_their_whole_life(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let new = |label: &str, hours: i64| NewToken {
        expires_timestamp: Some(world.sim.now() + TimeDelta::hours(hours)),
        label: label.to_owned(),
    };
    let token = c.create_install_token(&new("first", 1)).await.unwrap().resources.remove(0);
    let (id, value) = (token.id.clone().unwrap(), token.value.clone().unwrap());
    assert_eq!((token.status.clone(), value.0.expose_secret().len()), (Some(TokenStatus::Valid), 8));
    assert!(!format!("{token:?}").contains(value.0.expose_secret()));
    assert_eq!(kind(c.create_install_token(&new("late", -1)).await), ErrorKind::InvalidRequest);
    let every = ListParams::default();
    assert_eq!(c.install_token_ids(&every).await.unwrap().resources, std::slice::from_ref(&id));
    world.sim.advance(Duration::from_secs(2 * 3_600));
    let expired = c.install_tokens_by_id(&[id.clone(), "nobody".to_owned()]).await.unwrap();
    assert_eq!((expired.found[0].status.clone(), expired.missing.len()), (Some(TokenStatus::Expired), 1));

    let second = c.create_install_token(&new("second", 9)).await.unwrap().resources.remove(0).id.unwrap();
    let revoke = TokenChange { revoked: Some(true), ..TokenChange::default() };
    let revoked = c.update_install_token(&second, &revoke).await.unwrap().resources.remove(0);
    assert_eq!(revoked.status, Some(TokenStatus::Revoked));
    assert!(revoked.revoked_timestamp.unwrap().utc().is_some());
    let gone = c.delete_install_tokens(&[id, "nobody".to_owned(), second]).await.unwrap();
    assert_eq!((gone.done.len(), gone.refused.len()), (2, 1), "{gone:?}");

    let events = all::<String>(c.pages(install_tokens::query_events(&every), None)).await;
    let events = c.install_token_events_by_id(&events).await.unwrap().found;
    let actions: Vec<_> = events.iter().filter_map(|e| e.action.as_deref()).collect();
    assert_eq!(actions, ["token_create", "token_create", "token_revoke", "token_delete", "token_delete"]);
    assert_eq!(c.install_token_event_ids(&every).await.unwrap().resources.len(), 5);

    let none = TokenSettingsChange { max_active_tokens: Some(1), tokens_required: Some(true) };
    let settings = c.update_install_token_settings(&none).await.unwrap().resources.remove(0);
    assert_eq!((settings.max_active_tokens, settings.tokens_required), (Some(1), Some(true)));
    assert_eq!(c.install_token_settings().await.unwrap().resources, [settings]);
    c.create_install_token(&new("third", 9)).await.unwrap();
    assert_eq!(kind(c.create_install_token(&new("fourth", 9)).await), ErrorKind::Conflict);
}
