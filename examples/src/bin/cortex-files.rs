//! Fetches a file from an endpoint. Only the tenant's own host is asked for it.
//!
//! ```console
//! cargo run -p edr-examples --bin cortex-files
//! ```

use cortex_xdr::api::files::FilePaths;
use cortex_xdr::{Download, Endpoints, Generation, Patience};
use edr_examples::cortex::{connected, simulated};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (_sim, client) = simulated(Generation::Xdr3).await?;
    let one = Endpoints::ids([connected(&client).await?])?;
    let paths = FilePaths::new().windows("C:\\Windows\\System32\\drivers\\etc\\hosts").linux("/etc/hosts");
    let started = client.retrieve_files(&one, &paths, None).await?;
    let action = started.action_id.ok_or_else(|| anyhow::anyhow!("the order has no number"))?;
    for (endpoint, link) in client.wait_for_files(&action, &Patience::default()).await? {
        match link {
            Some(link) => {
                let to = Download::to(std::env::temp_dir().join(format!("{endpoint}.zip")));
                let done = client.download(&link, &to).await?;
                println!("{endpoint}: {} of {} bytes", done.path.display(), done.bytes);
            }
            None => println!("{endpoint}: not there yet"),
        }
    }
    Ok(())
}
