//! Work on cases and indicators, through the contract and against both vendors: what is written is read back.

#![expect(clippy::expect_used, reason = "a test that cannot go on should say where")]

use edr_core::{
    Answer, Assignee, CaseChange, CaseQuery, CaseStatus, EdrProvider, EdrProviderExt as _, Expiration, Fit,
    HostGroupQuery, HostQuery, Ioc, IocAction, IocQuery, IocType, Receipt, Severity, User, Verdict,
};
use edr_testkit::World as _;
use edr_tests::sim::{SimWorld, small};

fn words(receipts: &[Receipt]) -> Vec<&'static str> {
    let word = |receipt: &Receipt| match &receipt.answer {
        Answer::Accepted => "accepted",
        Answer::Already => "already",
        Answer::Refused(_) => "refused",
        _ => "unknown",
    };
    receipts.iter().map(word).collect()
}

fn detect(kind: IocType, value: &str) -> Ioc {
    let mut ioc = Ioc::of(kind, value, IocAction::Detect);
    ioc.severity = Severity::High;
    ioc.desc = Some("of a test".to_owned());
    ioc
}

async fn listed(provider: &dyn EdrProvider) -> Vec<Ioc> {
    let all = provider.collect(&IocQuery::new()).await.expect("the listing is read");
    assert!(all.outcome.is_complete());
    all.items
}

#[tokio::test]
async fn falcon_keeps_what_is_pushed_and_changes_what_is_there() {
    let world = SimWorld::start(small(), "falcon-1").await;
    let falcon = world.provider();
    let digest = "Ab".repeat(32);
    let mut file = Ioc::of(IocType::Sha256, digest.clone(), IocAction::Block);
    file.severity = Severity::Critical;
    file.tags = vec!["feed".to_owned()];
    file.expiration = Expiration::At(world.now() + chrono::TimeDelta::days(30));
    let url = detect(IocType::Url, "https://evil.example/x");
    let bad = detect(IocType::Ipv4, "not an address");
    let all = [file.clone(), url.clone(), detect(IocType::Domain, "Evil.Example."), bad];
    assert!(falcon.ioc_fit(&url).unwrap_err().is_unsupported());
    assert_eq!(falcon.ioc_fit(&all[2]).unwrap(), Fit::Exact);

    let receipts = falcon.push_iocs(&all).await.unwrap();
    assert_eq!(words(&receipts), ["accepted", "refused", "accepted", "refused"], "{receipts:?}");
    assert_eq!(receipts[0].uid, format!("sha256:{}", digest.to_lowercase()));
    let there = listed(falcon).await;
    assert_eq!(there.len(), 2);
    let uid = receipts[0].handle.clone().unwrap();
    let read = falcon.ioc(&uid).await.unwrap();
    assert_eq!((&read.action, &read.severity, &read.tags), (&file.action, &file.severity, &file.tags));
    assert_eq!(
        read.expiration.time().map(chrono::DateTime::timestamp),
        file.expiration.time().map(chrono::DateTime::timestamp)
    );

    file.action = IocAction::Allow;
    (file.severity, file.expiration) = (Severity::Unknown, Expiration::Never);
    file.tags.clear();
    let again = falcon.push_iocs(std::slice::from_ref(&file)).await.unwrap();
    assert_eq!((words(&again), again[0].handle.as_ref()), (vec!["accepted"], Some(&uid)), "{again:?}");
    let read = falcon.ioc(&uid).await.unwrap();
    assert_eq!((read.action, read.expiration, read.tags.len()), (IocAction::Allow, Expiration::Never, 0));

    let uids = [uid, "0".repeat(64)];
    assert_eq!(words(&falcon.delete_iocs(&uids).await.unwrap()), ["accepted", "already"]);
    assert_eq!(listed(falcon).await.len(), 1);
    assert!(falcon.delete_iocs(&[]).await.is_err(), "nothing is never everything");
}

#[tokio::test]
async fn cortex_detects_by_rules_and_blocks_by_lists() {
    let world = SimWorld::start(small().cortex_generation(5), "cortex-1").await;
    let cortex = world.provider();
    let digest = "cd".repeat(32);
    let block = Ioc::of(IocType::Sha256, digest.clone(), IocAction::Block);
    let domain = Ioc::of(IocType::Domain, "evil.example", IocAction::Block);
    let odd = detect(IocType::Domain, "no domain at all");
    let all =
        [detect(IocType::Domain, "evil.example"), block.clone(), odd, detect(IocType::FileName, "a.exe")];
    assert!(cortex.ioc_fit(&domain).unwrap_err().is_unsupported());
    let receipts = cortex.push_iocs(&all).await.unwrap();
    assert_eq!(words(&receipts), ["accepted", "accepted", "refused", "accepted"], "{receipts:?}");
    let Answer::Refused(error) = &receipts[2].answer else { panic!("{receipts:?}") };
    assert!(error.message().contains("mismatch") && error.tenant().is_some(), "{error}");
    let place = format!("blocklist:{digest}");
    assert_eq!(receipts[1].handle.as_ref(), Some(&place));

    let there = listed(cortex).await;
    let values: Vec<&str> = there.iter().map(|ioc| ioc.value.as_str()).collect();
    assert_eq!(values, ["evil.example", "a.exe"]);
    assert_eq!((&there[0].action, &there[0].severity), (&IocAction::Detect, &Severity::High));
    // The vendor does not say on which of its lists a file stands already.
    assert_eq!(words(&cortex.push_iocs(&[block]).await.unwrap()), ["unknown"]);

    let uids = [there[0].uid.clone(), place, "no id".to_owned()];
    assert_eq!(words(&cortex.delete_iocs(&uids).await.unwrap()), ["accepted", "accepted", "refused"]);
    assert_eq!(listed(cortex).await.len(), 1);
}

#[tokio::test]
async fn the_older_generation_pushes_and_cannot_list() {
    let world = SimWorld::start(small(), "cortex-1").await;
    let cortex = world.provider();
    let receipts = cortex.push_iocs(&[detect(IocType::Ipv4, "10.0.0.5")]).await.unwrap();
    assert_eq!(words(&receipts), ["accepted"]);
    assert!(cortex.iocs(&IocQuery::new(), None).await.unwrap_err().is_unsupported());
    let refused = cortex.delete_iocs(&["7".to_owned()]).await.unwrap();
    assert!(matches!(&refused[0].answer, Answer::Refused(e) if e.is_unsupported()), "{refused:?}");
}

#[tokio::test]
async fn cases_are_changed_one_by_one_on_every_back_end() {
    for (tenant, generation) in [("falcon-1", 3), ("cortex-1", 3), ("cortex-1", 5)] {
        let world = SimWorld::start(small().cortex_generation(generation), tenant).await;
        let provider = world.provider();
        let cases = provider.collect(&CaseQuery::new()).await.unwrap().items;
        let uid = cases[0].uid.clone();
        let absent = if tenant == "falcon-1" { "0".repeat(32) } else { "999999".to_owned() };
        let change = CaseChange::new().status(CaseStatus::InProgress);
        assert_eq!(provider.case_fit(&change).unwrap(), Fit::Exact);
        let receipts = provider.update_cases(&change, &[uid.clone(), absent]).await.unwrap();
        assert_eq!(words(&receipts), ["accepted", "refused"], "{tenant} {generation}: {receipts:?}");
        assert_eq!(provider.case(&uid).await.unwrap().status, CaseStatus::InProgress);
        assert!(provider.update_cases(&CaseChange::new(), &[uid]).await.is_err());
        assert!(provider.update_cases(&change, &[]).await.is_err(), "nothing is never everything");
    }
}

#[tokio::test]
async fn an_incident_takes_everything_at_once_and_a_case_what_it_can() {
    let world = SimWorld::start(small(), "cortex-1").await;
    let cortex = world.provider();
    let before = cortex.collect(&CaseQuery::new()).await.unwrap().items;
    let mail = before.iter().find_map(|c| c.assignee.as_ref()?.email.clone()).expect("somebody has one");
    let change = CaseChange::new()
        .status(CaseStatus::Resolved)
        .verdict(Verdict::Test)
        .severity(Severity::Low)
        .assignee(Assignee::User(User { email: Some(mail.clone()), ..User::default() }))
        .comment("of a test");
    let receipts = cortex.update_cases(&change, &["2".to_owned()]).await.unwrap();
    assert_eq!(words(&receipts), ["accepted"], "{receipts:?}");
    let after = cortex.case("2").await.unwrap();
    assert_eq!((&after.status, &after.verdict), (&CaseStatus::Resolved, &Verdict::Test));
    assert_eq!(after.severity, Severity::Low);
    assert_eq!(after.assignee.and_then(|u| u.email), Some(mail));

    let world = SimWorld::start(small().cortex_generation(5), "cortex-1").await;
    let five = world.provider();
    five.check().await.unwrap();
    assert!(five.update_cases(&change, &["2".to_owned()]).await.unwrap_err().is_unsupported());
    let done =
        CaseChange::new().status(CaseStatus::Resolved).verdict(Verdict::FalsePositive).comment("nothing");
    assert_eq!(words(&five.update_cases(&done, &["2".to_owned()]).await.unwrap()), ["accepted"]);
    let after = five.case("2").await.unwrap();
    assert_eq!((after.status, after.verdict), (CaseStatus::Resolved, Verdict::FalsePositive));
}

#[tokio::test]
async fn a_host_of_falcon_has_a_past_and_a_score() {
    let world = SimWorld::start(small(), "falcon-1").await;
    let falcon = world.provider();
    let (mut scored, mut logged_in) = (0, 0);
    for uid in &world.host_uids()[..12] {
        let past = falcon.host_history(uid).await.unwrap();
        assert!(past.logins.windows(2).all(|pair| pair[0].time >= pair[1].time), "{past:?}");
        assert!(past.addresses.iter().all(|a| a.ip.is_some() && a.time.is_some()), "{past:?}");
        logged_in += usize::from(!past.logins.is_empty());
        let risk = falcon.host_risk(uid).await.unwrap();
        assert!(risk.as_ref().is_none_or(|r| !r.higher_is_worse && (1.0..=100.0).contains(&r.score)));
        scored += usize::from(risk.is_some());
    }
    assert!(scored > 0 && logged_in > 0, "{scored} {logged_in}");
    let absent = "0".repeat(32);
    assert!(falcon.host_history(&absent).await.unwrap_err().is_not_found());
    assert_eq!(falcon.host_risk(&absent).await.unwrap(), None);
    assert!(falcon.host_risk("../x").await.is_err());
}

#[tokio::test]
async fn a_group_that_is_read_counts_its_hosts() {
    let world = SimWorld::start(small(), "falcon-1").await;
    let falcon = world.provider();
    let groups = falcon.collect(&HostGroupQuery::new()).await.unwrap().items;
    let mut counted = 0;
    for group in &groups {
        counted += falcon.group(&group.uid).await.unwrap().host_count.expect("a count");
    }
    let hosts = falcon.collect(&HostQuery::new()).await.unwrap().items;
    let memberships: usize = hosts.iter().map(|host| host.groups.len()).sum();
    assert_eq!(usize::try_from(counted).unwrap(), memberships);
}
