//! Every guard, and somebody who tries to get round it. Whatever happens, the simulator's log stays empty.

use crate::bench::{Bench, ONLINE, Ran, given, tenant};

const TAGGED: &str =
    "platform = \"linux\"\nform = \"server\"\nonline = true\ncontainment = \"normal\"\ntags = [\"vault\"]";
const CONTROLLER: &str =
    "platform = \"windows\"\nform = \"domain_controller\"\nonline = true\ncontainment = \"normal\"";

/// A few ordinary hosts, protected ones, and one name in both tenants.
async fn bench() -> Bench {
    let mut falcon: Vec<_> = (0..30).map(|i| given(format!("web-{i}"), ONLINE)).collect();
    falcon.extend([given("dc-1", CONTROLLER), given("jewel", TAGGED), given("same", ONLINE)]);
    let mut cortex = vec![given("vpn-1", ONLINE), given("same", ONLINE), given("db-1", ONLINE)];
    cortex[1].serial = "S-other".to_owned();
    let bench = Bench::new(&(tenant("falcon", &falcon) + &tenant("cortex", &cortex))).await;
    bench.safety(RULES);
    bench
}

const RULES: &str = "protected = { hostnames = [\"vpn-*\"], tags = [\"vault\"] }";

async fn contain(bench: &Bench, words: &[&str]) -> Ran {
    bench.run(&[&["hosts", "contain"], words].concat()).await
}

/// Agreed in advance, for as many hosts as anybody may want.
const YES: [&str; 3] = ["--yes", "--max-hosts", "500"];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_selected_and_swapped_arguments_are_mistakes() {
    let bench = bench().await;
    let (empty, comments) = (bench.write("empty", ""), bench.write("comments", "# web-1\n\n"));
    for (words, says) in [
        (vec!["-t", "falcon-1"], "nothing is selected"),
        (vec!["--all-tenants"], "nothing is selected"),
        (vec!["-t", "falcon-1", "--host", ""], "selects nothing"),
        (vec!["-t", "falcon-1", "--host", "web-1,,web-2"], "selects nothing"),
        (vec!["-t", "falcon-1", "--from", &empty], "names no host"),
        (vec!["-t", "falcon-1", "--from", &comments], "names no host"),
        (vec!["-t", "falcon-1", "--from", "/nonexistent"], "cannot be read"),
        (vec!["-t", "falcon-1", "--all"], "never select"),
        (vec!["-t", "falcon-1", "--limit", "5"], "never select"),
        (vec!["-t", "falcon-1", "--host", "web-1", "--limit", "5"], "never select"),
        (vec!["--host", "web-1"], "names its tenants"),
        (vec!["--vendor", "falcon", "--host", "web-1"], "names its tenants"),
        (vec!["--host", "falcon-1", "-t", "web-1"], "web-1"),
        (vec!["falcon-1", "-t", "falcon-1"], "unexpected argument"),
        (vec!["-t", "falcon-1", "--host", "web-1", "--filter", "os.type = windows"], "both at once"),
        (vec!["-t", "falcon-1", "--host", "web-1", "--plan-out", "x"], "--dry-run"),
    ] {
        contain(&bench, &[&words, YES.as_slice()].concat()).await.is_usage(says);
    }
    // The tenant's own name is no host of it.
    let swapped =
        contain(&bench, &[&["-t", "falcon-1", "--host", "falcon-1"], YES.as_slice()].concat()).await;
    assert_eq!(swapped.code, Some(5), "{swapped:?}");
    assert!(bench.contained().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_is_no_host() {
    let bench = bench().await;
    let list = bench.write("list", "hostname\nweb-*\n");
    for words in [["--host", "*"], ["--host", "web-?"], ["--from", &list]] {
        contain(&bench, &[&["-t", "falcon-1"], &words[..], &YES].concat()).await.is_refused("wildcard");
    }
    // `%` and an empty regular expression mean nothing either.
    for name in ["%", ".", ".*x"] {
        let ran = contain(&bench, &[&["-t", "falcon-1", "--host", name], &YES[..]].concat()).await;
        assert!(matches!(ran.code, Some(5 | 6)), "{name}: {ran:?}");
    }
    assert!(bench.contained().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nobody_agrees_by_accident() {
    let bench = bench().await;
    let one = ["-t", "falcon-1", "--host", "web-1"];
    contain(&bench, &one).await.is_refused("consent");
    contain(&bench, &[&one[..], &["--max-hosts", "5"]].concat()).await.is_refused("consent");
    contain(&bench, &[&one[..], &["--confirm", "1"]].concat()).await.is_refused("consent");
    contain(&bench, &[&one[..], &["--yes"]].concat()).await.is_refused("yes_needs_max_hosts");
    contain(&bench, &[&one[..], &["--yes", "--max-hosts", "0"]].concat()).await.is_refused("max_hosts");
    contain(&bench, &[&one[..], &YES, &["--confirm", "2"]].concat()).await.is_refused("confirm");
    let many = ["-t", "falcon-1", "--filter", "hostname ~ web*"];
    contain(&bench, &[&many[..], &["--yes", "--max-hosts", "25"]].concat()).await.is_refused("max_hosts");
    bench.safety(&format!("{RULES}\nmax_hosts = 29"));
    contain(&bench, &[&many[..], &YES].concat()).await.is_refused("ceiling");
    bench.safety(&format!("{RULES}\nread_only = true"));
    contain(&bench, &[&one[..], &YES].concat()).await.is_refused("read_only");
    assert_eq!(contain(&bench, &[&one[..], &["-n"]].concat()).await.code, Some(0), "looking is allowed");
    assert!(bench.contained().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_holds_over_many_small_runs() {
    let bench = bench().await;
    bench.safety(&format!("{RULES}\nper_hour = 4\nper_tenant = 3"));
    let run = |from: usize, to: usize| {
        let names: Vec<String> = (from..to).map(|i| format!("web-{i}")).collect();
        let names = names.join(",");
        let bench = &bench;
        async move { contain(bench, &[&["-t", "falcon-1", "--host", &names], &YES[..]].concat()).await }
    };
    assert_eq!(run(0, 1).await.code, Some(0));
    assert_eq!(run(1, 3).await.code, Some(0));
    run(3, 4).await.is_refused("per_tenant");
    let other = ["-t", "cortex-1", "--host", "db-1"];
    assert_eq!(contain(&bench, &[&other[..], &YES].concat()).await.code, Some(0));
    let other = ["-t", "cortex-1", "--host", "same"];
    contain(&bench, &[&other[..], &YES].concat()).await.is_refused("per_hour");
    assert_eq!(bench.contained().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_host_is_protected_by_any_name() {
    let bench = bench().await;
    // By name, id, address and serial number, and whatever the case.
    for (tenant, names, rule) in [
        (
            "falcon-1",
            ["dc-1", "DC-1", "000000000000000000000000000f425e", "10.1.0.31", "S-dc-1"],
            "roles domain_controller",
        ),
        (
            "falcon-1",
            ["jewel", "JEWEL", "000000000000000000000000000F425F", "10.1.0.32", "S-jewel"],
            "tags vault",
        ),
        (
            "cortex-1",
            ["vpn-1", "VPN-1", "000000000000000000000000001e8480", "10.2.0.1", "Vpn-1"],
            "hostnames vpn-*",
        ),
    ] {
        for name in names {
            let ran =
                contain(&bench, &[&["-t", tenant, "--host", name, "-o", "json"], &YES[..]].concat()).await;
            let record = &ran.records()[0];
            assert_eq!(record["decision"], "protected", "{tenant} {name}: {record}");
            assert_eq!(record["reason"], rule, "{record}");
            assert_eq!(ran.code, Some(3), "{}", ran.err);
            let strict = ["-t", tenant, "--host", name, "--strict"];
            contain(&bench, &[&strict[..], &YES].concat()).await.is_refused("strict");
        }
    }
    // A filter and a list go the same way.
    let list = bench.write("list.csv", "serial\nS-dc-1\n");
    for words in [["--filter", "hostname = dc-1"], ["--from", &list]] {
        let ran = contain(&bench, &[&["-t", "falcon-1", "-o", "json"], &words[..], &YES].concat()).await;
        assert_eq!(ran.records()[0]["decision"], "protected", "{ran:?}");
    }
    assert!(bench.contained().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_name_in_two_tenants_is_nobody_until_the_tenant_is_named() {
    let bench = bench().await;
    let both =
        contain(&bench, &[&["--all-tenants", "--host", "same", "-o", "json"], &YES[..]].concat()).await;
    assert_eq!(both.code, Some(3), "{}", both.err);
    let record = &both.records()[0];
    assert_eq!(
        (record["decision"].as_str(), record["candidates"].as_array().map(Vec::len)),
        (Some("ambiguous"), Some(2))
    );
    assert!(bench.contained().is_empty());
    let strict = ["--all-tenants", "--host", "same", "--strict"];
    contain(&bench, &[&strict[..], &YES].concat()).await.is_refused("strict");

    let one = contain(&bench, &[&["-t", "cortex-1", "--host", "same"], &YES[..]].concat()).await;
    assert_eq!(one.code, Some(0), "{}", one.err);
    let list = bench.write("list.csv", "tenant,hostname\nfalcon-1,same\n");
    let other = contain(&bench, &[&["--all-tenants", "--from", &list], &YES[..]].concat()).await;
    assert_eq!(other.code, Some(0), "{}", other.err);
    let tenants: Vec<String> = bench.contained().into_keys().map(|(tenant, _)| tenant).collect();
    assert_eq!(tenants, ["cortex-1", "falcon-1"]);
}
