//! Files that hosts were asked for: saved, and written down with their hashes.

use std::path::{Path, PathBuf};

use edr_core::{ResponseAction, SavedFile, Target};
use futures_util::stream::{self, StreamExt as _};

use super::error::{Error, Result};
use super::host::HostRef;
use super::operation::{HostOutcome, Outcome};
use super::record::Event;
use super::responder::Responder;
use super::state::make_private;

/// So many files are saved at the same time.
const AT_ONCE: usize = 4;

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
    /// Saves what an operation has fetched, of each host of which the vendor says that it is done, in a folder of the
    /// operation's own. What is saved is written to the journal. Saving again is harmless.
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
        let done: Vec<&HostOutcome> = operation.hosts.iter().filter(|h| h.outcome == Outcome::Done).collect();
        if done.is_empty() {
            return Ok(Vec::new());
        }
        make_private(&folder)?;
        let saves = done.into_iter().map(|host| self.save_file(host, folder.join(name_of(&host.host))));
        let files: Vec<Fetched> = stream::iter(saves).buffered(AT_ONCE).collect().await;
        for Fetched { host, saved } in &files {
            if let Ok(file) = saved {
                let (tenant, uid) = (host.tenant.clone(), host.uid.clone());
                self.journal().append(Event::Saved {
                    plan: id.to_owned(),
                    tenant,
                    uid,
                    file: file.clone(),
                })?;
            }
        }
        Ok(files)
    }

    async fn save_file(&self, host: &HostOutcome, to: PathBuf) -> Fetched {
        let target = Target { uid: host.host.uid.clone(), handle: host.handle.clone() };
        let saved = match self.provider(&host.host.tenant) {
            Ok(provider) => provider.save_file(&target, &to).await,
            Err(error) => Err(error),
        };
        Fetched { host: host.host.clone(), saved }
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
