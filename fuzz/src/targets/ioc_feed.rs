//! Feeds of indicators: CSV, JSON and STIX.
//!
//! What is taken is clean: read again it is itself, and nothing of it is mended.

use edr::iocs::{Feed, Reading, RemarkKind};

use crate::wire::now;

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut reading = Reading::new(now());
    for force in [false, true] {
        reading.force = force;
        let Ok(feed) = Feed::read(data, &reading) else { continue };
        assert!(feed.remarks.windows(2).all(|pair| pair[0].line <= pair[1].line), "remarks out of order");
        let again = Feed::of(feed.entries.iter().map(|entry| entry.ioc.clone()), &reading);
        assert_eq!(again.entries.len(), feed.entries.len(), "{:?}", again.remarks);
        let mended = again.remarks.iter().find(|remark| remark.kind == RemarkKind::Cleaned);
        assert!(mended.is_none(), "{mended:?}");
        for (first, second) in feed.entries.iter().zip(&again.entries) {
            assert_eq!(first.ioc.key(), second.ioc.key());
        }
    }
}
