//! Where files lie: as Amazon Security Lake asks of a custom source.

use chrono::DateTime;
use sha2::{Digest as _, Sha256};

use crate::Request;

/// A name that is longer than this in a path is cut, and told from its like by a digest. With it, it is always longer than
/// this, so that it is never taken for a short one.
const LONGEST: usize = 190;

/// The UTC day of a time in milliseconds, as `20260108`.
pub(crate) fn day(time: i64) -> String {
    DateTime::from_timestamp_millis(time).unwrap_or_default().format("%Y%m%d").to_string()
}

/// The folder of a tenant's day, below the folder of the export.
pub(crate) fn partition(request: &Request, tenant: &str, day: &str) -> String {
    let (source, region) = (request.source(), encoded(&request.region));
    format!("ext/{source}/region={region}/accountId=external_{}/eventDay={day}", encoded(tenant))
}

/// A name as one part of a path: what might mean something there is written as `%2F`, and upper-case letters as `%41`, so that
/// names stay apart on a disk that does not tell `Acme` from `acme`. No name is too long for a disk.
fn encoded(name: &str) -> String {
    let whole = spelled(name);
    if whole.len() <= LONGEST {
        return whole;
    }
    // What stands for one byte is not cut apart.
    let cut = (LONGEST - 2..LONGEST).find(|at| whole[*at..].starts_with('%')).unwrap_or(LONGEST);
    let digest: String = Sha256::digest(name).iter().take(20).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digest}", &whole[..cut])
}

fn spelled(name: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileFormat, Format, Noun};

    #[test]
    fn the_day_is_that_of_utc() {
        assert_eq!(day(0), "19700101");
        assert_eq!(day(1_767_916_799_999), "20260108");
        assert_eq!(day(1_767_916_800_000), "20260109");
        assert_eq!(day(-1), "19691231");
    }

    #[test]
    fn no_name_leaves_its_place() {
        let request =
            Request::new(Noun::Alerts, Format::Ocsf, FileFormat::Jsonl, DateTime::<chrono::Utc>::UNIX_EPOCH);
        let place = |tenant| partition(&request, tenant, "20260108");
        assert_eq!(
            place("acme/Québec"),
            "ext/edr-ocsf-2004/region=local/accountId=external_acme%2F%51u%C3%A9bec/eventDay=20260108"
        );
        assert_ne!(place("a=b"), place("a%3Db"));
        assert!(place("acme-1_b.c").contains("/accountId=external_acme-1_b.c/"), "plain names stay plain");
        assert_eq!(place("../..").matches('/').count(), place("a").matches('/').count());
    }

    #[test]
    fn names_stay_apart_on_a_disk_that_knows_no_case() {
        let names = ["acme", "Acme", "ACME", "%41cme", "%61cme", "a/b", "a%2fb", "a%2Fb", "A/B", "É", "é"];
        let kept: std::collections::BTreeSet<String> =
            names.iter().map(|name| encoded(name).to_lowercase()).collect();
        assert_eq!(kept.len(), names.len(), "{kept:?}");
        assert_eq!(encoded("Acme"), "%41cme");
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let mut kept = std::collections::BTreeSet::new();
        for length in 180..400 {
            for name in ["é".repeat(length), "A".repeat(length), "a".repeat(length), "aÉ".repeat(length)] {
                let part = encoded(&name);
                assert!("accountId=external_".len() + part.len() <= 255, "{part}");
                assert!(length <= LONGEST || part.len() > LONGEST, "{part}");
                let escapes: Vec<usize> = part.match_indices('%').map(|(at, _)| at).collect();
                let whole = |at: &usize| part[at + 1..at + 3].bytes().all(|byte| byte.is_ascii_hexdigit());
                assert!(escapes.iter().all(whole), "{part}");
                assert!(kept.insert(part), "{name}");
            }
        }
        assert_eq!(encoded(&"a".repeat(LONGEST)), "a".repeat(LONGEST), "a name that fits stays plain");
    }
}
