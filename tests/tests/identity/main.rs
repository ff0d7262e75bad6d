//! The identity of machines, measured against fleets of which the truth is known.

mod traps;

use std::collections::HashMap;

use edr::identity::{Identity, IdentityConfig, Machines};
use edr_tests::fleet::{self, Agent};
use proptest::prelude::*;

fn config() -> IdentityConfig {
    IdentityConfig::new().one_customer("acme", ["acme", "acme-xdr"])
}

fn resolve<'a>(agents: impl IntoIterator<Item = &'a Agent>) -> Machines {
    let mut identity = Identity::new(config());
    identity.upsert(agents.into_iter().map(|a| &a.host));
    identity.resolve()
}

fn pairs(n: usize) -> usize {
    n * n.saturating_sub(1) / 2
}

/// Pairs found that are right, pairs found, and pairs that there are.
fn pair_counts(agents: &[Agent], machines: &Machines) -> (usize, usize, usize) {
    let truth: HashMap<String, u32> = agents.iter().map(|a| (a.host.urn(), a.machine)).collect();
    let mut sizes: HashMap<u32, usize> = HashMap::new();
    truth.values().for_each(|m| *sizes.entry(*m).or_default() += 1);
    let (mut right, mut found) = (0, 0);
    for machine in machines.iter() {
        let mut parts: HashMap<u32, usize> = HashMap::new();
        machine.members.iter().for_each(|m| *parts.entry(truth[&m.urn]).or_default() += 1);
        right += parts.values().map(|n| pairs(*n)).sum::<usize>();
        found += pairs(machine.members.len());
    }
    (right, found, sizes.values().map(|n| pairs(*n)).sum())
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[test]
fn precision_and_recall_over_ten_seeds() {
    for seed in 1..=10 {
        let agents = fleet::agents(seed, 2_000);
        let machines = resolve(&agents);
        let (right, found, there) = pair_counts(&agents, &machines);
        let (precision, recall) = (share(right, found), share(right, there));
        println!(
            "seed {seed}: {} hosts, {} machines, precision {precision:.4}, recall {recall:.4}",
            agents.len(),
            machines.len()
        );
        assert!(precision >= 0.999, "seed {seed}: precision {precision}");
        assert!(recall >= 0.985, "seed {seed}: recall {recall}");
    }
}

#[test]
fn no_machine_has_two_living_agents_of_one_vendor() {
    for seed in 11..=14 {
        let agents = fleet::agents(seed, 1_000);
        let live: HashMap<String, bool> = agents.iter().map(|a| (a.host.urn(), a.live)).collect();
        for machine in resolve(&agents).iter() {
            for vendor in ["falcon", "cortex"] {
                let alive =
                    machine.members.iter().filter(|m| m.vendor.as_str() == vendor && live[&m.urn]).count();
                assert!(alive <= 1, "{machine:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn order_and_batches_change_nothing(seed in 0u64..1000, swaps in prop::collection::vec((0usize..400, 0usize..400), 0..300), cut in 1usize..200) {
        let agents = fleet::agents(seed, 150);
        let whole = resolve(&agents);
        let mut order: Vec<&Agent> = agents.iter().collect();
        let n = order.len();
        swaps.iter().for_each(|(a, b)| order.swap(a % n, b % n));
        let mut identity = Identity::new(config());
        for batch in order.chunks(cut) {
            identity.upsert(batch.iter().map(|a| &a.host));
            let _ = identity.resolve();
        }
        prop_assert_eq!(identity.resolve(), whole);
    }
}
