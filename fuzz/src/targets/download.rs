//! Downloads, whatever the server answers: parts, ranges, tags, pages, connections that break.
//!
//! The first byte chooses: `h` a download whose hash is known, anything else one without. An `o` before it leaves
//! the bytes of an earlier run there.

use std::path::Path;

use cortex_xdr::{CortexClient, Download, Generation};

use super::choice;
use crate::listing::{quiet, single};
use crate::wire::{block_on, cortex, gives_away};

const LINK: &str = "https://api-fuzzed.xdr.eu.paloaltonetworks.com/public_api/v1/download/token";

/// The SHA-256 of `0123456789`.
const HASH: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

/// Runs the target.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let (way, rest) = choice(data);
    let (is_older, (way, script)) = if way == b'o' { (true, choice(rest)) } else { (false, (way, rest)) };
    if gives_away(script) {
        return;
    }
    let tenant = cortex(script).generation(Generation::Xdr3).build().expect("the settings are good");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    if is_older {
        std::fs::write(folder.path().join("file.part"), "01234").expect("a part");
    }
    block_on(hold(tenant.client(), &path, way == b'h'));
}

async fn hold(client: &CortexClient, path: &Path, is_known: bool) {
    let mut to = Download::to(path);
    if is_known {
        to = to.sha256(HASH).expect("a hash");
    }
    let done = client.download(LINK, &to).await;
    single(&done);
    quiet(&to);
    let there = std::fs::read(path).ok();
    assert_eq!(
        there.is_some(),
        done.is_ok(),
        "what failed has no name, and what has one did not fail: {done:?}"
    );
    if let (Some(there), Ok(done)) = (there, done) {
        assert_eq!(there.len() as u64, done.bytes);
        assert!(!is_known || there == b"0123456789", "other bytes than the hash says: {there:?}");
        assert!(!path.with_extension("part").exists(), "a part is left behind");
    }
}
