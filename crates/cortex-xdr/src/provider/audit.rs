//! Audit: what was done in the console, then what the agents report. Neither can be read by id.

use edr_core::{AuditEvent, AuditQuery, AuditSource, Cursor, Error, PartStream, Result};
use futures_util::{StreamExt as _, stream};

use super::CortexXdr;
use crate::api::audits;
use crate::windows::{self, Book, Decode, Key, Leg, Windows};
use crate::{map, push};

/// The most that is counted; beyond, a listing goes on by time.
const CAP: u64 = 9_999;

/// The two records, in the order in which they are read.
const LEGS: [AuditSource; 2] = [AuditSource::Console, AuditSource::Agent];

impl CortexXdr {
    pub(super) fn open_audit<'a>(
        &'a self,
        query: &'a AuditQuery,
        cursor: Option<&Cursor>,
    ) -> Result<PartStream<'a, AuditEvent>> {
        let wanted: Vec<u8> =
            (0..).zip(LEGS).filter(|(_, of)| query.wants(of.clone())).map(|(at, _)| at).collect();
        let descending = descending(query, wanted.len())?;
        let standing = windows::leg(self.client(), query, cursor)?.or_else(|| wanted.first().copied());
        let Some(at) = standing else { return Ok(stream::once(async { Ok(push::nothing()) }).boxed()) };
        let next = wanted.iter().copied().find(|leg| *leg > at);
        let of_console = at == 0;
        let (filters, decode): (_, Decode<AuditEvent>) = match of_console {
            true => (push::management_logs(&query.filters), map::management_log),
            false => (push::agent_reports(&query.filters), map::agent_report),
        };
        let windows = Windows {
            client: self.client(),
            query,
            book: match of_console {
                true => Book::of(&audits::MANAGEMENT_SHEET),
                false => Book::plain(&audits::AGENTS, audits::agent_reports, CAP),
            },
            filters,
            key: Some(Key {
                field: "timestamp",
                descending,
                read: Some(if descending { latest } else { earliest }),
            }),
            decode,
            // Reports that are alike in everything are one event, and the vendor counts them all.
            leg: Leg { at, next, is_counted: of_console && wanted.len() == 1 },
        };
        windows.open(cursor)
    }
}

/// Each record has an order by time, and the two together have none.
fn descending(query: &AuditQuery, records: usize) -> Result<bool> {
    let refused = |why: String, hint: &'static str| Err(Error::unsupported(why).with_hint(hint));
    match query.sort {
        None => Ok(true),
        Some(sort) if sort.field.name != "time" => refused(
            format!("Cortex XDR does not sort audit events by {}", sort.field.name),
            "sort by time, one source at a time",
        ),
        Some(_) if records > 1 => refused(
            "the audits of the console and of the agents have no order together".to_owned(),
            "narrow the listing to one of them: source = console, or source = agent",
        ),
        Some(sort) => Ok(sort.descending),
    }
}

/// The millisecond after the time: the vendor's times have fractions, which are cut off when they are read, and its
/// filters have none.
fn latest(event: &AuditEvent) -> Option<i64> {
    Some(event.time?.timestamp_millis() + 1)
}

/// The millisecond at or before the time.
fn earliest(event: &AuditEvent) -> Option<i64> {
    Some(event.time?.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use edr_core::EdrProvider as _;

    use super::*;

    #[test]
    fn the_edge_of_a_window_never_cuts_a_fraction_off() {
        let mut event = AuditEvent::default();
        assert_eq!((latest(&event), earliest(&event)), (None, None));
        event.time = DateTime::from_timestamp(1, 463_000_000);
        assert_eq!((latest(&event), earliest(&event)), (Some(1_464), Some(1_463)));
    }

    /// Outside a runtime, where a task cannot be spawned.
    #[test]
    fn a_listing_sends_nothing_before_it_is_asked_for_parts() {
        let transport = edr_http::MemoryTransport::new(|_| async { unreachable!("nobody asked for parts") });
        let cortex = CortexXdr::builder("acme", "7", "the-key".into())
            .fqdn("acme.xdr.eu.paloaltonetworks.com".parse().unwrap())
            .transport(std::sync::Arc::new(transport))
            .build()
            .unwrap();
        drop(cortex.audit_event_parts(&AuditQuery::new(), None));
    }

    #[test]
    fn two_records_have_no_order_together() {
        let by = |name| {
            AuditQuery::new().sort_by(edr_core::Sort {
                field: edr_core::Noun::AuditEvent.field(name).unwrap(),
                descending: false,
            })
        };
        assert!(descending(&AuditQuery::new(), 2).unwrap());
        assert!(!descending(&by("time"), 1).unwrap());
        assert!(descending(&by("time"), 2).unwrap_err().is_unsupported());
        assert!(descending(&by("action"), 1).unwrap_err().is_unsupported());
    }
}
