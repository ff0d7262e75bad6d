//! A prevention policy as code: make it, give it a group, enable it, and put it first.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-policies
//! ```

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::ListParams;
use falcon::api::policies::{
    NewPolicy, NewValue, PolicyAction, PolicyPlatform, Prevention, SettingChange, SliderLevel,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, acme) = simulated(Sim::builder().falcon_hosts(40)).await?;
    let client = acme.client();
    let strict = SettingChange {
        id: "CloudAntiMalware".to_owned(),
        value: NewValue::Slider { detection: SliderLevel::Aggressive, prevention: SliderLevel::Moderate },
    };
    let new = NewPolicy::new("Strict servers", PolicyPlatform::Windows).settings(vec![strict]);
    let made = client.create_policies::<Prevention>(&[new]).await?;
    let id = made.resources.first().and_then(|p| p.id.clone()).unwrap_or_default();

    let servers = client.host_group_ids(&ListParams::filtered("name:'Servers'")).await?;
    for group in servers.resources {
        client.change_policies::<Prevention>(&PolicyAction::AddHostGroup(group), &[&id]).await?;
    }
    client.change_policies::<Prevention>(&PolicyAction::Enable, &[&id]).await?;
    client.order_policies::<Prevention>(&PolicyPlatform::Windows, &[&id]).await?;

    // A policy that is enabled is not deleted: the result says so of the policy, and is no error.
    let held = client.delete_policies::<Prevention>(&[&id]).await?;
    for refusal in held.refused {
        println!("{}: {}", refusal.id, refusal.error.message.unwrap_or_default());
    }
    for policy in client.policies::<Prevention>(&ListParams::default()).await?.resources {
        let platform = policy.platform_name.map(|p| p.to_string()).unwrap_or_default();
        println!("{platform}\t{}\t{} groups", policy.name.unwrap_or_default(), policy.groups.len());
    }
    Ok(())
}
