//! Tokens that processes share, paces that tenants share, and tokens that are given back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use edr_core::{EdrProvider as _, EdrProviderExt as _, Error, ErrorKind, HostQuery, Result};
use edr_http::{Pacer, StoredToken, TokenKey, TokenLock, TokenStore};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, advance};
use url::Url;

use crate::testing::{Answer, Sent, TOKEN, builder, device, granted, json, page, twins, with_header};
use crate::{Cloud, Falcon};

const HOSTS: &str = "/devices/combined/devices/v1";
const REVOKE: &str = "/oauth2/revoke";

/// A store in memory that two clients share like two processes a folder.
#[derive(Clone, Debug, Default)]
struct Shelf(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kept: Mutex<Option<(TokenKey, StoredToken)>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    saves: AtomicUsize,
    broken: bool,
}

impl Shelf {
    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 1, 10, 12, 0, 0).unwrap()
    }

    fn arc(&self) -> Arc<dyn TokenStore> {
        Arc::new(self.clone())
    }

    fn secret(&self) -> Option<String> {
        self.0.kept.lock().unwrap().as_ref().map(|(_, t)| t.secret.expose_secret().to_owned())
    }

    /// Keeps a token under whatever key is there, or under that of us-1.
    fn put(&self, secret: &str, minutes: i64, base: &str) {
        let us1 = Url::parse("https://api.crowdstrike.com").unwrap();
        let key = TokenKey::new(&us1, "client-id", &"canary-secret".into(), None);
        let (expires_at, base) = (Self::now() + TimeDelta::minutes(minutes), Url::parse(base).unwrap());
        let token = StoredToken { secret: secret.to_owned().into(), expires_at, base };
        *self.0.kept.lock().unwrap() = Some((key, token));
    }
}

#[async_trait]
impl TokenStore for Shelf {
    async fn load(&self, key: &TokenKey) -> Option<StoredToken> {
        let kept = self.0.kept.lock().unwrap().clone();
        kept.filter(|(k, _)| k == key).map(|(_, token)| token)
    }

    async fn save(&self, key: &TokenKey, token: &StoredToken) -> Result<()> {
        self.0.saves.fetch_add(1, Ordering::SeqCst);
        if self.0.broken {
            return Err(Error::new(ErrorKind::Configuration, "the disk is full"));
        }
        *self.0.kept.lock().unwrap() = Some((key.clone(), token.clone()));
        Ok(())
    }

    async fn forget(&self, _: &TokenKey, token: &SecretString) -> Result<()> {
        let mut kept = self.0.kept.lock().unwrap();
        kept.take_if(|(_, t)| t.secret.expose_secret() == token.expose_secret());
        Ok(())
    }

    async fn lock(&self, _: &TokenKey, limit: Duration) -> Option<TokenLock> {
        let turn = self.0.turn.clone().lock_owned();
        tokio::time::timeout(limit, turn).await.ok().map(TokenLock::holding)
    }
}

fn one_host() -> Answer {
    page(&[device(1)], r#"{"total":1,"next":""}"#)
}

fn answers(sent: &Sent, mints: usize) -> Answer {
    if sent.path == TOKEN { granted(mints) } else { one_host() }
}

async fn read(falcon: &Falcon) -> usize {
    falcon.collect_hosts(&HostQuery::new()).await.unwrap().items.len()
}

#[tokio::test(start_paused = true)]
async fn two_processes_mint_once() {
    let (one, two, log) = twins(answers);
    let shelf = Shelf::default();
    let one = one.token_store(shelf.arc()).build().unwrap();
    let two = two.token_store(shelf.arc()).build().unwrap();
    // At the same time, so that one waits for the other's turn.
    let (a, b) = tokio::join!(read(&one), read(&two));
    assert_eq!((a, b, log.to(TOKEN).len()), (1, 1, 1));
    assert_eq!(shelf.secret().as_deref(), Some("canary-token-1"));
    let used: Vec<_> = log.to(HOSTS).into_iter().filter_map(|s| s.authorization).collect();
    assert_eq!(used, ["Bearer canary-token-1", "Bearer canary-token-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_is_shared_too() {
    let (one, two, log) = twins(answers);
    let shelf = Shelf::default();
    let one = one.token_store(shelf.arc()).build().unwrap();
    let two = two.token_store(shelf.arc()).build().unwrap();
    read(&one).await;
    read(&two).await;
    advance(Duration::from_secs(1600)).await;
    read(&one).await;
    assert_eq!((log.to(TOKEN).len(), shelf.secret().as_deref()), (2, Some("canary-token-2")));
    read(&two).await;
    assert_eq!(log.to(TOKEN).len(), 2, "the other one's new token is taken");
    assert_eq!(log.to(HOSTS).last().unwrap().authorization.as_deref(), Some("Bearer canary-token-2"));
}

#[tokio::test(start_paused = true)]
async fn a_shared_token_that_is_refused_is_forgotten_and_replaced() {
    let refuse = |sent: &Sent, mints: usize| match (sent.path.as_str(), sent.authorization.as_deref()) {
        (TOKEN, _) => granted(mints),
        (_, Some("Bearer stale")) => json(401, "{}"),
        _ => one_host(),
    };
    let (one, two, log) = twins(refuse);
    let shelf = Shelf::default();
    shelf.put("stale", 20, "https://api.crowdstrike.com");
    let one = one.token_store(shelf.arc()).build().unwrap();
    let two = two.token_store(shelf.arc()).build().unwrap();
    assert_eq!((read(&one).await, log.to(TOKEN).len()), (1, 1), "refused once, minted once");
    assert_eq!(shelf.secret().as_deref(), Some("canary-token-1"));
    assert_eq!((read(&two).await, log.to(TOKEN).len()), (1, 1));
    assert_eq!(log.to(HOSTS).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_newer_token_of_another_process_survives_a_refusal() {
    let shelf = Shelf::default();
    let other = shelf.clone();
    let (builder, log) =
        builder(move |sent, mints| match (sent.path.as_str(), sent.authorization.as_deref()) {
            (TOKEN, _) => granted(mints),
            (_, Some("Bearer stale")) => {
                // In the meantime, elsewhere.
                other.put("newer", 25, "https://api.crowdstrike.com");
                json(401, "{}")
            }
            _ => one_host(),
        });
    shelf.put("stale", 20, "https://api.crowdstrike.com");
    let falcon = builder.token_store(shelf.arc()).build().unwrap();
    assert_eq!((read(&falcon).await, log.to(TOKEN).len()), (1, 0));
    assert_eq!(shelf.secret().as_deref(), Some("newer"));
}

#[tokio::test(start_paused = true)]
async fn what_is_old_or_from_elsewhere_or_no_header_is_not_taken() {
    for (secret, minutes, base) in [
        ("x", 0, "https://api.crowdstrike.com"),
        ("x", 20, "https://api.us-2.crowdstrike.com"),
        ("x", 20, "https://api.evil.example"),
        ("x\ny", 20, "https://api.crowdstrike.com"),
        ("", 20, "https://api.crowdstrike.com"),
    ] {
        let (builder, log) = builder(answers);
        let shelf = Shelf::default();
        shelf.put(secret, minutes, base);
        let falcon = builder.token_store(shelf.arc()).build().unwrap();
        assert_eq!((read(&falcon).await, log.to(TOKEN).len()), (1, 1), "{secret:?} {minutes} {base}");
        assert_eq!(shelf.secret().as_deref(), Some("canary-token-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_token_tells_the_region_and_nothing_but_a_region() {
    for (base, host, mints) in [
        ("https://api.us-2.crowdstrike.com", "api.us-2.crowdstrike.com", 0),
        ("https://api.evil.example", "api.crowdstrike.com", 1),
        ("https://api.us-2.crowdstrike.com:8443", "api.crowdstrike.com", 1),
        ("http://api.us-2.crowdstrike.com", "api.crowdstrike.com", 1),
    ] {
        let (builder, log) = builder(answers);
        let shelf = Shelf::default();
        shelf.put("shared", 20, base);
        let falcon = builder.cloud(Cloud::Autodiscover).token_store(shelf.arc()).build().unwrap();
        assert_eq!(read(&falcon).await, 1);
        assert_eq!((log.to(HOSTS)[0].host.as_str(), log.to(TOKEN).len()), (host, mints), "{base}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_was_found_is_found_by_the_next_process() {
    let elsewhere = |sent: &Sent, mints: usize| {
        if sent.host != "api.us-2.crowdstrike.com" {
            return with_header(json(308, ""), "location", "https://api.us-2.crowdstrike.com/oauth2/token");
        }
        answers(sent, mints)
    };
    let (one, two, log) = twins(elsewhere);
    let shelf = Shelf::default();
    let build =
        |b: crate::FalconBuilder| b.cloud(Cloud::Autodiscover).token_store(shelf.arc()).build().unwrap();
    read(&build(one)).await;
    let before = log.all().len();
    let two = build(two);
    assert_eq!((read(&two).await, log.all().len()), (1, before + 1), "no token, no detour");
    assert_eq!(two.cloud(), Some(Cloud::Us2));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_a_lock_that_hangs_stops_nobody() {
    let (builder, log) = builder(answers);
    let shelf = Shelf(Arc::new(Inner { broken: true, ..Inner::default() }));
    let held = shelf.0.turn.clone().lock_owned().await;
    let falcon = builder.token_store(shelf.arc()).build().unwrap();
    let start = Instant::now();
    let found = falcon.collect_hosts(&HostQuery::new()).await.unwrap();
    assert!(start.elapsed() <= Duration::from_secs(6), "{:?}", start.elapsed());
    assert_eq!((found.items.len(), log.to(TOKEN).len()), (1, 1));
    let told: Vec<_> = found.warnings.iter().filter(|w| w.message.contains("the disk is full")).collect();
    assert_eq!(told.len(), 1, "{:?}", found.warnings);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_revokes_gives_its_token_back_and_shares_none() {
    let revoked = |sent: &Sent, mints: usize| match sent.path.as_str() {
        REVOKE => json(200, r#"{"meta":{"trace_id":"t"}}"#),
        _ => answers(sent, mints),
    };
    let (builder, log) = builder(revoked);
    let shelf = Shelf::default();
    let falcon = builder.token_store(shelf.arc()).revoke(true).build().unwrap();
    falcon.close().await.unwrap();
    assert_eq!(log.all().len(), 0, "nothing was minted, so nothing is revoked");
    read(&falcon).await;
    falcon.close().await.unwrap();
    falcon.close().await.unwrap();
    assert_eq!((log.to(REVOKE).len(), shelf.0.saves.load(Ordering::SeqCst)), (1, 0));
    let sent = &log.to(REVOKE)[0];
    assert_eq!(sent.body, "token=canary-token-1");
    assert_eq!(sent.authorization.as_deref(), Some("Basic Y2xpZW50LWlkOmNhbmFyeS1zZWNyZXQ="));
    assert_eq!((read(&falcon).await, log.to(TOKEN).len()), (1, 2), "it stays usable");
}

#[tokio::test(start_paused = true)]
async fn closing_without_revoke_sends_nothing_and_a_refused_revocation_says_so() {
    let (plain, log) = builder(answers);
    let falcon = plain.build().unwrap();
    read(&falcon).await;
    falcon.close().await.unwrap();
    assert!(log.to(REVOKE).is_empty());
    let (builder, _) = builder(|sent, mints| match sent.path.as_str() {
        REVOKE => json(403, r#"{"errors":[{"code":403,"message":"Failed to revoke access token"}]}"#),
        _ => answers(sent, mints),
    });
    let falcon = builder.revoke(true).build().unwrap();
    read(&falcon).await;
    let error = falcon.close().await.unwrap_err();
    assert!(
        error.to_string().contains("was not revoked") && !format!("{error:?}").contains("canary"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn mints_of_all_tenants_share_one_pace_and_one_cooldown() {
    let pacer = Falcon::mint_pacer();
    let limited = Arc::new(AtomicUsize::new(0));
    let first = limited.clone();
    let (one, two, log) = twins(move |sent: &Sent, mints: usize| match sent.path.as_str() {
        TOKEN if first.fetch_add(1, Ordering::SeqCst) == 0 => {
            with_header(json(429, "{}"), "retry-after", "20")
        }
        _ => answers(sent, mints),
    });
    let one = one.mint_pacer(pacer.clone()).build().unwrap();
    let two = two.mint_pacer(pacer.clone()).build().unwrap();
    let start = Instant::now();
    let (slow, other) = tokio::join!(read(&one), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        read(&two).await
    });
    assert_eq!((slow, other, log.to(TOKEN).len()), (1, 1, 3));
    assert!(start.elapsed() >= Duration::from_secs(20), "{:?}", start.elapsed());
    let start = Instant::now();
    for _ in 0..600 {
        pacer.turn().await;
    }
    let rate = 600.0 / start.elapsed().as_secs_f64() * 60.0;
    assert!(rate <= 300.0, "{rate} a minute");
}

#[tokio::test(start_paused = true)]
async fn tenants_of_one_account_share_its_budget_by_turns() {
    let pacer = Arc::new(Pacer::new(None));
    let (one, two, log) = twins(answers);
    let one = one.pacer(pacer.clone()).requests_per_minute(600).build().unwrap();
    let two = two.pacer(pacer.clone()).requests_per_minute(600).rate_share(0.5).build().unwrap();
    for _ in 0..1000 {
        let one = one.clone();
        tokio::spawn(async move { one.client().host_ids(&crate::api::hosts::HostsParams::default()).await });
    }
    tokio::time::sleep(Duration::from_secs(65)).await;
    assert!((250..=330).contains(&log.all().len()), "half of 600 a minute: {}", log.all().len());
    let start = Instant::now();
    assert_eq!(read(&two).await, 1);
    assert!(start.elapsed() <= Duration::from_millis(410), "two turns of 0.2 s: {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_token_is_asked_for_again() {
    for bad in ["", "<html>Bad gateway</html>", "{}", r#"{"access_token":"canary"#, r#"{"errors":[]}"#] {
        let (builder, log) = builder(move |sent, mints| match (sent.path.as_str(), mints) {
            (TOKEN, 1) => json(201, bad),
            _ => answers(sent, mints),
        });
        let falcon = builder.build().unwrap();
        assert_eq!((read(&falcon).await, log.to(TOKEN).len()), (1, 2), "{bad}");
    }
    let (builder, log) = builder(|_, _| json(201, r#"<b>canary"#));
    let error = builder.build().unwrap().check().await.unwrap_err();
    assert_eq!((error.kind(), log.all().len()), (ErrorKind::Decode, 5));
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    let (again, log) = self::builder(|_, _| json(501, "{}"));
    assert!(again.build().unwrap().check().await.is_err());
    assert_eq!(log.all().len(), 1, "501 is not asked again");
}

#[tokio::test(start_paused = true)]
async fn an_error_beside_items_that_may_pass_is_waited_for() {
    let (falcon, log) = crate::testing::falcon(|sent| match sent.get("offset") {
        None => with_header(
            json(
                200,
                &format!(
                    r#"{{"meta":{{"pagination":{{"total":2,"next":"k"}}}},"errors":[{{"code":429,"message":"slow"}}],"resources":[{}]}}"#,
                    device(1)
                ),
            ),
            "retry-after",
            "7",
        ),
        _ => page(&[device(2)], r#"{"total":2,"next":""}"#),
    });
    let start = Instant::now();
    let _ = falcon.collect_hosts(&HostQuery::new()).await;
    assert!(log.to(HOSTS).len() > 1 && start.elapsed() >= Duration::from_secs(7), "{:?}", start.elapsed());
}

/// A token of an earlier run says nothing about the credentials of today.
#[tokio::test(start_paused = true)]
async fn a_diagnosis_asks_for_a_token_although_one_is_shared() {
    let shelf = Shelf::default();
    shelf.put("earlier", 20, "https://api.crowdstrike.com");
    let refused = |sent: &Sent, _| if sent.path == TOKEN { json(401, "{}") } else { one_host() };
    let (revoked, _) = builder(refused);
    let found = revoked.token_store(shelf.arc()).build().unwrap().diagnose().await;
    assert!(found.probe("token").unwrap().is_failed(), "{found:?}");
    let (good, log) = builder(answers);
    let falcon = good.token_store(shelf.arc()).build().unwrap();
    let found = falcon.diagnose().await;
    assert!(found.probe("token").unwrap().value.as_deref().unwrap().starts_with("issued"), "{found:?}");
    assert_eq!(log.to(TOKEN).len(), 1);
    assert_ne!(shelf.secret().as_deref(), Some("earlier"), "the new one is shared");
    let (other, log) = builder(answers);
    other.token_store(shelf.arc()).build().unwrap().check().await.unwrap();
    assert!(log.to(TOKEN).is_empty(), "it is taken as before");
}
