//! With the system's allocator.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    edr_peers::main().await
}
