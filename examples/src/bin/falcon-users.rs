//! Who may use the console, and what each may do there.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-users
//! ```

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::ListParams;
use falcon::api::users::{GrantAction, GrantChange};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (sim, acme) = simulated(Sim::builder()).await?;
    let client = acme.client();
    let ids = client.user_ids(&ListParams::default()).await?.resources;
    let roles = client.role_ids(Some(&GrantAction::Grant), None, None).await?.resources;
    if let (Some(user), Some(role)) = (ids.first(), roles.first()) {
        let change = GrantChange {
            action: GrantAction::Grant,
            cid: None,
            expires_at: None,
            role_ids: vec![role.clone()],
            uuid: user.clone(),
        };
        client.change_user_roles(&change).await?;
    }
    // Reads show a grant more than half a minute later.
    sim.advance(std::time::Duration::from_secs(40));
    for user in client.users_by_id(&ids).await?.found {
        let uuid = user.uuid.unwrap_or_default();
        let grants = client.user_grants(&uuid, None, false, &ListParams::default()).await?;
        let names: Vec<String> = grants.resources.into_iter().filter_map(|g| g.role_name).collect();
        println!("{}\t{}", user.uid.unwrap_or_default(), names.join(", "));
    }
    Ok(())
}
