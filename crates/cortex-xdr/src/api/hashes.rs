//! Exceptions by hash: files that are blocked or allowed everywhere.

use edr_core::Result;
use edr_http::{Operation, RequestPlan};
use serde_json::json;

use super::system::RESPONDER;
use super::{ApiCall, refused, reply};
use crate::record::{read, record};

/// Blocks files.
pub static BLOCK: Operation = Operation::write("hash_exceptions/blocklist", RESPONDER);
/// Allows files.
pub static ALLOW: Operation = Operation::write("hash_exceptions/allowlist", RESPONDER);
/// Takes files from the list of blocked ones.
pub static UNBLOCK: Operation = Operation::write("hash_exceptions/blocklist/remove", RESPONDER);
/// Takes files from the list of allowed ones.
pub static UNALLOW: Operation = Operation::write("hash_exceptions/allowlist/remove", RESPONDER);

/// The most hashes of one call; the vendor names no limit, and clients use this one.
pub const MAX_HASHES: usize = 100;

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&BLOCK).limit("100 hashes (ours)"),
        ApiCall::both(&ALLOW).limit("100 hashes (ours)"),
        ApiCall::both(&UNBLOCK).limit("100 hashes (ours)").seen_in_clients(),
        ApiCall::both(&UNALLOW).limit("100 hashes (ours)").seen_in_clients(),
    ]
}

/// Which list, and whether on it or off it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashList {
    /// Onto the list of allowed files.
    Allow,
    /// Onto the list of blocked files.
    Block,
    /// Off the list of allowed files.
    Unallow,
    /// Off the list of blocked files.
    Unblock,
}

impl HashList {
    /// The operation.
    #[must_use]
    pub fn operation(self) -> &'static Operation {
        match self {
            Self::Allow => &ALLOW,
            Self::Block => &BLOCK,
            Self::Unallow => &UNALLOW,
            Self::Unblock => &UNBLOCK,
        }
    }
}

record! {
    /// What became of the hashes, where the tenant tells.
    pub struct HashChange {
        /// They were put there.
        pub added: Vec<String> = "added_hashes",
        /// They were left out: they stand on one of the lists already.
        pub excluded: Vec<String> = "excluded_hashes",
    }
}

/// Changes a list: SHA-256 in hex, each once, at most a hundred.
///
/// # Errors
/// For none, for more, and for what is no SHA-256.
pub fn change_hashes(list: HashList, hashes: &[String], comment: Option<&str>) -> Result<RequestPlan> {
    let operation = list.operation();
    let mut once: Vec<String> = Vec::new();
    for hash in hashes.iter().map(|hash| hash.trim().to_ascii_lowercase()) {
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused(
                operation,
                format!("'{}' is no SHA-256", hash.chars().take(70).collect::<String>()),
            ));
        }
        if !once.contains(&hash) {
            once.push(hash);
        }
    }
    if once.is_empty() || once.len() > MAX_HASHES {
        return Err(refused(
            operation,
            format!("{} hashes are given: from 1 to {MAX_HASHES} can be", once.len()),
        ));
    }
    let mut data = json!({"hash_list": once, "detailed_response": true});
    if let Some(comment) = comment {
        data["comment"] = json!(comment);
    }
    Ok(super::post(operation, &data))
}

/// Reads what became of the hashes; `true` says it of all and names none.
pub(crate) fn changed(body: &[u8]) -> Result<HashChange> {
    reply::done(body)?;
    Ok(read(&reply::inner(body)?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_checked_and_sent_once() {
        let hash = "AB".repeat(32);
        let plan = change_hashes(HashList::Block, &[hash.clone(), hash.to_lowercase()], Some("x")).unwrap();
        let edr_http::Body::Bytes(_, body) = plan.body else { panic!("a body") };
        let data: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(data["request_data"]["hash_list"], json!(["ab".repeat(32)]));
        for bad in [vec![], vec!["d41d8cd98f00b204e9800998ecf8427e".to_owned()], vec!["x".repeat(64)]] {
            assert!(change_hashes(HashList::Unblock, &bad, None).is_err(), "{bad:?}");
        }
        let many: Vec<String> = (0..101).map(|n| format!("{n:064x}")).collect();
        assert!(change_hashes(HashList::Allow, &many, None).is_err());
    }

    #[test]
    fn the_answer_is_a_word_or_two_lists() {
        for body in ["true", r#"{"reply":true}"#] {
            assert_eq!(changed(body.as_bytes()).unwrap(), HashChange::default());
        }
        let told = changed(br#"{"reply":{"added_hashes":["a"],"excluded_hashes":null}}"#).unwrap();
        assert_eq!((told.added.len(), told.excluded.len()), (1, 0));
    }
}
