use super::*;

const ACME: &str = "
    [tenants.acme]
    vendor = 'falcon'
    client_id = 'i'
    client_secret = 'canary'
    children = true
    tags = ['gold']
    rate_share = 0.5
    [tenants.'acme/Bank']
    parent = 'acme'
    member_cid = 'BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB-1F'
    tags = ['silver']
    [tenants.globex]
    vendor = 'cortex'
    base_url = 'http://localhost:1'
    api_key_id = 1
    api_key = 'canary'
";

fn config() -> Config {
    Config::from_toml(ACME).unwrap()
}

fn cid(digit: char) -> String {
    digit.to_string().repeat(32)
}

fn called(rows: &[(&str, Option<&str>)]) -> Vec<String> {
    let rows = rows.iter().map(|(cid, name)| ((*cid).to_owned(), name.map(str::to_owned))).collect();
    config().called("acme", rows).iter().map(|c| c.tenant.to_string()).collect()
}

/// The tenants of the configuration that a selection takes, and the parents that are to be asked.
fn chosen(selection: &Selection) -> (Vec<String>, Vec<String>) {
    let config = config();
    let chosen = config.choose(selection).unwrap();
    let parents = chosen.parents.iter().map(|w| match &w.names {
        None => w.parent.name.to_string(),
        Some(names) => names.join(","),
    });
    (chosen.tenants.iter().map(|t| t.name.to_string()).collect(), parents.collect())
}

fn children_of(parent: &str) -> Selection {
    Selection { children_of: vec![parent.into()], ..Selection::default() }
}

#[test]
fn a_selection_is_exact_about_parents_and_children() {
    let all = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    for (selection, tenants, parents) in [
        (Selection::all(), &["acme", "acme/Bank", "globex"][..], &["acme"][..]),
        (Selection::names(["acme"]), &["acme"], &[]),
        (Selection::names(["acme/Bank"]), &["acme/Bank"], &[]),
        (Selection::names(["acme/Shop"]), &[], &["acme/Shop"]),
        (Selection::names(["acme", "acme/Shop"]), &["acme"], &["acme/Shop"]),
        (children_of("acme"), &["acme/Bank"], &["acme"]),
        (
            Selection { names: vec!["globex".into()], ..children_of("acme") },
            &["acme/Bank", "globex"],
            &["acme"],
        ),
        (Selection { vendor: Some("cortex".into()), ..Selection::default() }, &["globex"], &[]),
        (Selection { tags: vec!["gold".into()], ..Selection::default() }, &["acme"], &["acme"]),
        (Selection { tags: vec!["silver".into()], ..children_of("acme") }, &["acme/Bank"], &[]),
    ] {
        assert_eq!(chosen(&selection), (all(tenants), all(parents)), "{selection:?}");
    }
    let known = |names: &[&str]| Selection { known_only: true, ..Selection::names(names.iter().copied()) };
    assert_eq!(chosen(&known(&["acme", "gone", "globex/x"])), (all(&["acme"]), all(&[])));
    assert_eq!(chosen(&known(&["gone", "acme/Shop"])), (all(&[]), all(&["acme/Shop"])));
    assert_eq!(chosen(&known(&["gone"])), (all(&[]), all(&[])));
    let none = Config::default().choose(&known(&["gone"])).err().unwrap().to_string();
    assert!(none.contains("no tenant is configured"), "{none}");
    for (selection, says) in [
        (Selection::names(["acme/"]), "no tenant is called 'acme/'"),
        (Selection::names(["globex/x"]), "no tenant is called 'globex/x'"),
        (children_of("acm"), "no tenant is called 'acm'"),
        (children_of("globex"), "has no children of 'globex'"),
        (children_of("acme/Bank"), "has no children of 'acme/Bank'"),
    ] {
        let error = config().choose(&selection).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn names_are_unique_stable_and_escaped() {
    let (a, b, c) = (cid('a'), cid('b'), cid('c'));
    assert_eq!(
        called(&[(&a, Some(" Retail ")), (&c, None)]),
        ["acme/Retail".to_owned(), format!("acme/{c}")]
    );
    assert_eq!(called(&[(&a, Some("R")), (&c, Some("R"))]), ["acme/R-aaaaaaaa", "acme/R-cccccccc"]);
    let taken = called(&[(&a, Some("Bank")), (&b, Some("Old name"))]);
    assert_eq!(taken, ["acme/Bank-aaaaaaaa", "acme/Old name"], "a table of another customer keeps its name");
    assert_eq!(called(&[(&b, Some("Bank"))]), ["acme/Bank"]);
    assert_eq!(called(&[(&a, Some("A/B 100%*\n"))]), ["acme/A%2FB 100%25%2A"]);
    assert_eq!(called(&[(&a, Some("x\ny"))]), ["acme/x%0Ay"]);
    let mut ends = (format!("{}12345678", "a".repeat(24)), format!("{}12345678", "c".repeat(24)));
    let same = called(&[(&ends.0, Some("R")), (&ends.1, Some("R"))]);
    assert_eq!(
        same,
        ["acme/R-12345678".to_owned(), format!("acme/{}", ends.1)],
        "the whole id as a last resort"
    );
    std::mem::swap(&mut ends.0, &mut ends.1);
    let odd = called(&[(&ends.0, Some("R")), (&ends.1, Some("R"))]);
    assert_eq!(odd, same, "the order of the list does not matter");
}

#[test]
fn a_child_is_its_parent_with_a_customer_of_its_own() {
    let config = config();
    let parent = config.named("acme").unwrap();
    let all = Wanted { parent, names: None };
    let child = |name: &str, cid: String| Child { tenant: name.into(), cid, named: true };
    let listed = [child("acme/Renamed", cid('b')), child("acme/Shop", cid('a'))];
    let tenants = all.tenants(&config, &listed).unwrap();
    let seen: Vec<_> = tenants
        .iter()
        .map(|t| (t.name.as_str(), t.vendor.customer().unwrap(), t.tags.join(","), t.rate_share))
        .collect();
    assert_eq!(
        seen,
        [
            ("acme/Bank", cid('b'), "silver".to_owned(), Some(0.5)),
            ("acme/Shop", cid('a'), "gold".to_owned(), Some(0.5))
        ],
        "a table of the configuration stands for its child, whatever the child is called now"
    );
    assert!(tenants.iter().all(|t| !t.vendor.has_children()));
    let one = Wanted { parent, names: Some(vec!["acme/Nobody".into()]) };
    assert!(one.known(&config, &listed).is_empty());
    let error = one.tenants(&config, &listed).unwrap_err().to_string();
    assert!(error.contains("no tenant is called 'acme/Nobody'") && error.contains("acme/Shop"), "{error}");
}

#[test]
fn children_without_a_name_are_told_unless_a_table_has_one() {
    let config = config();
    let parent = config.named("acme").unwrap();
    let rows = |bank: Option<&str>, shop: Option<&str>| {
        let rows = [(cid('b'), bank), (cid('a'), shop), (cid('c'), Some("Named"))];
        config.called("acme", rows.map(|(cid, name)| (cid, name.map(str::to_owned))).into())
    };
    let all = Wanted { parent, names: None };
    assert_eq!(all.warning(&config, &rows(None, Some("Shop"))), None, "a table has its name");
    let told = all.warning(&config, &rows(None, Some(" "))).unwrap();
    assert_eq!(told.tenant, parent.name);
    assert!(told.message.contains("of 1 of") && told.message.contains(&cid('a')), "{told:?}");
    let other = Wanted { parent, names: Some(vec!["acme/Named".into()]) };
    assert_eq!(other.warning(&config, &rows(None, None)), None, "nobody asked for it");
}

/// What a parent tells of its two children, where this is the answer about their details.
#[cfg(feature = "falcon")]
async fn told(details: &'static str) -> Result<BTreeMap<String, Option<String>>> {
    use std::sync::Arc;

    use edr_http::MemoryTransport;

    let transport = MemoryTransport::new(move |request| async move {
        let ids = format!(
            r#"{{"meta":{{"pagination":{{"total":2}}}},"resources":["{}","{}"]}}"#,
            cid('a'),
            cid('b')
        );
        match request.uri().path() {
            "/oauth2/token" => MemoryTransport::json(201, r#"{"access_token":"canary","expires_in":1799}"#),
            "/mssp/queries/children/v1" => MemoryTransport::json(200, &ids),
            _ => MemoryTransport::json(200, details),
        }
    });
    let builder = falcon::Falcon::builder("acme", "i", "canary".into()).cloud(falcon::Cloud::Us1);
    let falcon = builder.transport(Arc::new(transport)).build().unwrap();
    let estate = Estate::of([Arc::new(falcon.clone()) as _]);
    rows(&Member { native: registry::Native::Falcon(falcon), ..estate.members()[0].clone() }).await
}

#[cfg(feature = "falcon")]
#[tokio::test]
async fn names_that_come_in_part_are_an_error_and_no_other_names() {
    const SHOP: &str = r#"{"child_cid":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","name":"Shop"}"#;
    let with = |more: &str, errors: &str| -> &'static str {
        format!(r#"{{"meta":{{}},"resources":[{SHOP}{more}],"errors":[{errors}]}}"#).leak()
    };
    let names = told(with("", "")).await.unwrap();
    assert_eq!(
        names,
        [(cid('a'), Some("Shop".to_owned())), (cid('b'), None)].into(),
        "a child without details is a child, and letters are the same in either case"
    );
    let absent = with("", r#"{"code":404,"message":"no such child","id":"x"}"#);
    assert_eq!(told(absent).await.unwrap(), names);
    for (details, says) in [
        (with("", r#"{"code":500,"message":"a part failed"}"#), "did not all come: a part failed"),
        (with(",17", ""), "details cannot be read"),
    ] {
        let error = told(details).await.unwrap_err();
        assert!(error.message().contains(says), "{error}");
        assert_eq!((error.operation(), error.tenant().unwrap().as_str()), (Some("getChildrenV2"), "acme"));
    }
}

#[test]
fn children_that_are_not_known_are_told() {
    let config = config();
    let parent = config.named("acme").unwrap();
    let error = Error::new(ErrorKind::Permission, "no");
    let names = |wanted: Wanted<'_>| {
        wanted.lost(&error).iter().map(|m| (m.tenant.to_string(), m.provider.is_err())).collect::<Vec<_>>()
    };
    assert_eq!(names(Wanted { parent, names: None }), [("acme/*".to_owned(), true)]);
    assert_eq!(names(Wanted { parent, names: Some(vec!["acme/x".into()]) }), [("acme/x".to_owned(), true)]);
    let estate = crate::Estate::connect(&config, &Selection::all(), &Options::default()).unwrap();
    let told: Vec<_> = estate.members().iter().map(|m| (m.tenant.as_str(), m.provider.is_err())).collect();
    assert_eq!(told, [("acme", false), ("acme/*", true), ("acme/Bank", false), ("globex", false)]);
}

#[test]
fn a_table_takes_from_its_parent_what_it_does_not_say() {
    let config = config();
    let bank = config.named("acme/Bank").unwrap();
    assert_eq!((bank.rate_share, bank.tags.join(",")), (Some(0.5), "silver".to_owned()));
    assert_eq!(config.warnings.len(), 2, "a secret is warned of where it stands: {:?}", config.warnings);
    for (text, says) in [
        ("parent = 'nobody'\nmember_cid = 'x'", "there is no such tenant"),
        ("parent = 'acme'", "member_cid is missing"),
        ("parent = 7", "must be the name"),
        ("parent = 'acme/Bank'\nmember_cid = 'x'", "which is a child itself"),
        ("parent = 'acme'\nmember_cid = 'x'\nchildren = true", "exclude each other"),
        ("parent = 'acme'\nmember_cid = 'x'\ncolour = 'red'", "unknown key 'colour'"),
    ] {
        let error = Config::from_toml(&format!("{ACME}\n[tenants.x]\n{text}")).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("[tenants.x]"), "{text}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
}
