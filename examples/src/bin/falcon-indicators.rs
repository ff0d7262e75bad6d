//! Indicators of compromise: make some, read them back page by page, and take them away.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-indicators
//! ```

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::api::AfterParams;
use falcon::api::iocs::{
    self, Ioc, IocAction, IocBody, IocOptions, IocPlatform, IocSeverity, IocType, NewIoc,
};
use futures_util::TryStreamExt as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, acme) = simulated(Sim::builder()).await?;
    let client = acme.client();

    let body = IocBody::everywhere(&[IocPlatform::Windows, IocPlatform::Linux], IocAction::Detect);
    let body = IocBody { source: Some("example".to_owned()), ..body.severity(IocSeverity::Medium) };
    let bad = |n: u8| NewIoc { kind: IocType::Ipv4, value: format!("203.0.113.{n}"), body: body.clone() };
    let new: Vec<NewIoc> = (1..=25).map(bad).collect();
    let made = client.create_iocs(&new, &IocOptions::default()).await?;
    println!("made {}", made.resources.len());

    // The same again is refused as a whole: one that is there fails the call.
    if let Err(error) = client.create_iocs(&new[..1], &IocOptions::default()).await {
        println!("again: {error}");
    }

    let params = AfterParams { limit: Some(10), ..AfterParams::filtered("source:'example'") };
    let mut pages = client.pages::<Ioc>(iocs::combined(&params), None);
    while let Some(page) = pages.try_next().await? {
        for ioc in page.resources {
            println!(
                "{}\t{}",
                ioc.value.unwrap_or_default(),
                ioc.action.map(|a| a.to_string()).unwrap_or_default()
            );
        }
    }
    let gone = client.delete_iocs_where("source:'example'", Some("end of the example")).await?;
    println!("deleted {}", gone.resources.len());
    Ok(())
}
