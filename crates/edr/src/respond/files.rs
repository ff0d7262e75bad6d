//! Files that hosts were asked for: saved, and written down with their hashes.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use edr_core::{ResponseAction, SavedFile, Target};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::canon::hex;
use super::error::{Error, Result};
use super::host::HostRef;
use super::operation::{HostOutcome, Outcome};
use super::record::Event;
use super::responder::Responder;
use super::state::make_private;

/// So many files are saved at the same time.
const AT_ONCE: usize = 4;

/// So much of a file is in memory at once.
const STEP: usize = 256 << 10;

/// One host's file.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// The host.
    pub host: HostRef,
    /// Where it is saved, or why it is not.
    pub saved: edr_core::Result<SavedFile>,
}

impl Responder {
    /// Saves what an operation has fetched, of each host of a chosen tenant of which the vendor says that it is done, in a
    /// folder of the operation's own. Each file is written to the journal as soon as it is whole. Saving again is
    /// harmless: the vendor is not asked for what lies there whole.
    ///
    /// # Errors
    /// When the operation fetched no files, or the folder or the journal cannot be used. What single hosts met is in the
    /// list.
    pub async fn save_files(&self, id: &str, folder: &Path) -> Result<Vec<Fetched>> {
        let operation = self.operation(id)?;
        if !matches!(operation.action, ResponseAction::FetchFile { .. }) {
            return Err(Error::Plan(format!("the operation {id} fetched no files")));
        }
        let folder = folder.join(&operation.id);
        let chosen = |h: &&HostOutcome| self.estate().members().iter().any(|m| m.tenant == h.host.tenant);
        let done = operation.hosts.iter().filter(|h| h.outcome == Outcome::Done);
        let done: Vec<&HostOutcome> = done.filter(chosen).collect();
        if done.is_empty() {
            return Ok(Vec::new());
        }
        make_private(&folder)?;
        let saves = done.into_iter().map(|host| self.save_file(id, host, &folder));
        stream::iter(saves).buffered(AT_ONCE).try_collect().await
    }

    async fn save_file(&self, id: &str, outcome: &HostOutcome, folder: &Path) -> Result<Fetched> {
        let host = outcome.host.clone();
        let to = folder.join(name_of(&host));
        if let Some(file) = there_already(outcome.saved.clone(), &to).await {
            return Ok(Fetched { host, saved: Ok(file) });
        }
        let target = Target { uid: host.uid.clone(), handle: outcome.handle.clone() };
        let saved = match self.provider(&host.tenant) {
            Ok(provider) => provider.save_file(&target, &to).await,
            Err(error) => Err(error),
        };
        if let Ok(file) = &saved {
            let (plan, tenant, uid) = (id.to_owned(), host.tenant.clone(), host.uid.clone());
            self.journal().append(Event::Saved { plan, tenant, uid, file: file.clone() })?;
        }
        Ok(Fetched { host, saved })
    }
}

/// What was saved before, when it lies where it would be saved now, and is as it was. The vendor may not have it any more.
async fn there_already(saved: Option<SavedFile>, to: &Path) -> Option<SavedFile> {
    let (file, to) = (saved?, to.to_owned());
    spawn_blocking(move || is_there(&file, &to).unwrap_or(false).then_some(file)).await.ok()?
}

fn is_there(file: &SavedFile, to: &Path) -> io::Result<bool> {
    let folder = |path: &Path| fs::canonicalize(path.parent().unwrap_or(path));
    if file.path.file_stem() != to.file_name() || folder(&file.path)? != folder(to)? {
        return Ok(false);
    }
    let found = fs::symlink_metadata(&file.path)?;
    Ok(found.is_file() && found.len() == file.bytes && digest(&file.path)? == file.sha256.to_lowercase())
}

/// The SHA-256 of a file of any size.
fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; STEP]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

/// The name of a host's file. A host may call itself anything, and must not choose where it is written.
fn name_of(host: &HostRef) -> String {
    let plain = |text: &str| -> String {
        let sign = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
        text.chars().take(60).map(sign).collect()
    };
    [host.tenant.as_str(), &host.hostname, &host.uid].map(plain).join(".")
}

#[cfg(test)]
mod tests {
    use edr_core::Host;

    use super::*;

    #[test]
    fn a_host_does_not_choose_where_its_file_goes() {
        let mut host = Host::new("v", "acme/child", "0f3a", "{}");
        for (name, file) in [
            ("web-1.corp", "acme_child.web-1_corp.0f3a"),
            ("../../etc/passwd", "acme_child.______etc_passwd.0f3a"),
            ("a\0b\n", "acme_child.a_b_.0f3a"),
        ] {
            host.hostname = name.to_owned();
            assert_eq!(name_of(&HostRef::from(&host)), file);
        }
    }
}
