//! The newest installer for a platform, downloaded and proven.
//!
//! ```console
//! cargo run -p edr-examples --bin falcon-download-sensor            # into a folder of its own
//! cargo run -p edr-examples --bin falcon-download-sensor DIR 512    # one of 512 MiB into DIR
//! ```
//!
//! Run it again after Ctrl-C: it goes on where it was.

use std::path::PathBuf;

use edr_examples::falcon::simulated;
use edr_sim::Sim;
use falcon::Download;
use falcon::api::ListParams;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map_or_else(|| std::env::temp_dir().join("edr-sensors"), PathBuf::from);
    let mib: u64 = arguments.next().and_then(|n| n.to_str()?.parse().ok()).unwrap_or(8);
    std::fs::create_dir_all(&folder)?;
    let (_sim, acme) = simulated(Sim::builder().seed(7).falcon_hosts(1).download_bytes(mib << 20)).await?;
    let client = acme.client();
    let mut params = ListParams::filtered("platform:'linux'");
    (params.limit, params.sort) = (Some(1), Some("release_date|desc".to_owned()));
    let installer = client.installers(&params).await?.resources.remove(0);
    let (name, id) = (installer.name.unwrap_or_default(), installer.sha256.unwrap_or_default());
    // A vendor's text is no path.
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).collect();
    let to = Download::to(folder.join(name)).watch(|there, of| {
        if there % (1 << 20) == 0 || Some(there) == of {
            eprintln!("{there} of {}", of.unwrap_or(there));
        }
    });
    let done = client.download_installer(&id, to).await?;
    println!("{}\t{} bytes\t{}", done.path.display(), done.bytes, done.sha256);
    Ok(())
}
