//! Cleaning of values that every vendor sends in its own way: hashes, addresses, MACs, accounts.

use std::net::IpAddr;

use serde::Deserialize;

use super::{User, UserKind};

/// Reads an item's JSON. Text is looked at once as a whole; only where it is none, each part that is read is looked at on
/// its own, for a field that nobody reads may hold anything.
///
/// # Errors
/// When it is not JSON, or not what is asked for.
pub fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> serde_json::Result<T> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    }
}

/// Text that says something: trimmed, and none of the ways to say "nothing".
#[must_use]
pub fn text(value: &str) -> Option<String> {
    said(value).map(str::to_owned)
}

/// The same for somebody who only looks at it.
fn said(value: &str) -> Option<&str> {
    let value = value.trim();
    (!value.is_empty() && !value.eq_ignore_ascii_case("n/a") && value != "null").then_some(value)
}

/// A digest in lower-case hex of 32, 40 or 64 digits; all zeroes means none.
#[must_use]
pub fn hash(value: &str) -> Option<String> {
    let value = value.trim();
    let fits = matches!(value.len(), 32 | 40 | 64) && value.bytes().all(|b| b.is_ascii_hexdigit());
    (fits && value.bytes().any(|b| b != b'0')).then(|| value.to_ascii_lowercase())
}

/// What makers and installers write where there is no serial number.
const NO_SERIAL: &[&str] = &[
    "0123456789",
    "03000200-0400-0500-0006-000700080009",
    "123456789",
    "chassis serial number",
    "default string",
    "n/a",
    "none",
    "not applicable",
    "not available",
    "not specified",
    "system serial number",
    "to be filled by o.e.m.",
    "unknown",
];

/// True for a serial number or SMBIOS UUID that says nothing: a text of makers and installers, or the same character all
/// through, as in a UUID of zeroes.
#[must_use]
pub fn is_no_serial(text: &str) -> bool {
    let text = text.trim();
    let mut letters = text.bytes().filter(u8::is_ascii_alphanumeric);
    let first = letters.next().unwrap_or_default();
    NO_SERIAL.iter().any(|none| none.eq_ignore_ascii_case(text))
        || letters.all(|letter| letter.eq_ignore_ascii_case(&first))
}

/// The SMBIOS UUID that a serial number is (EC2 and other clouds), or spells (`VMware-56 4d …`).
#[must_use]
pub fn smbios_uuid(serial: &str) -> Option<String> {
    const SPELT: &str = "VMware-";
    let serial = serial.trim();
    let body = serial.get(SPELT.len()..).filter(|_| {
        let start = serial.get(..SPELT.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(SPELT))
    });
    let is_spelt = body.is_some();
    let body = body.unwrap_or(serial);
    let dashed = body.len() == 36 && [8, 13, 18, 23].iter().all(|i| body.as_bytes()[*i] == b'-');
    let clean = body.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '-' | ' '));
    if body.len() < 32 || !clean || !(is_spelt || dashed) {
        return None;
    }
    let mut uuid = String::with_capacity(36);
    for digit in body.chars().filter(char::is_ascii_hexdigit) {
        if matches!(uuid.len(), 8 | 13 | 18 | 23) {
            uuid.push('-');
        }
        uuid.push(digit.to_ascii_lowercase());
    }
    (uuid.len() == 36).then_some(uuid)
}

/// An address; IPv4-mapped IPv6 becomes IPv4, and the unspecified address means none.
#[must_use]
pub fn ip(value: &str) -> Option<IpAddr> {
    let parsed: IpAddr = value.trim().parse().ok()?;
    let plain = match parsed {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(parsed, IpAddr::V4),
        IpAddr::V4(_) => parsed,
    };
    (!plain.is_unspecified()).then_some(plain)
}

/// A MAC in the form of RFC 7042: upper-case hex pairs with `-`; all zeroes and all ones mean none.
#[must_use]
pub fn mac(value: &str) -> Option<String> {
    let mut mac = [b'-'; 17];
    let mut digits = 0;
    for byte in value.trim().bytes().filter(|b| !matches!(b, b':' | b'-' | b'.')) {
        if !byte.is_ascii_hexdigit() || digits == 12 {
            return None;
        }
        // Two digits and a dash.
        mac[digits + digits / 2] = byte.to_ascii_uppercase();
        digits += 1;
    }
    let empty = |none: u8| mac.iter().all(|b| *b == none || *b == b'-');
    let found = digits == 12 && !empty(b'0') && !empty(b'F');
    std::str::from_utf8(&mac).ok().filter(|_| found).map(str::to_owned)
}

/// An account from `DOMAIN\user`, `user@domain` or `user`, with its SID when that is known.
#[must_use]
pub fn user(name: &str, sid: Option<&str>) -> Option<User> {
    let name = said(name);
    let uid = sid.and_then(text);
    if name.is_none() && uid.is_none() {
        return None;
    }
    let mut user = User { uid, ..User::default() };
    match name.map(|n| (n, n.rsplit_once('\\'))) {
        Some((_, Some((domain, account)))) => {
            user.domain = text(domain);
            user.name = text(account);
        }
        Some((whole, None)) => {
            user.email = whole.contains('@').then(|| whole.to_owned());
            user.name = Some(whole.to_owned());
        }
        None => {}
    }
    user.kind = kind(&user);
    Some(user)
}

fn kind(user: &User) -> UserKind {
    let name = user.name.as_deref().unwrap_or_default();
    let system_sid = matches!(user.uid.as_deref(), Some("S-1-5-18" | "S-1-5-19" | "S-1-5-20"));
    let system_domain = user.domain.as_deref().is_some_and(|d| d.eq_ignore_ascii_case("nt authority"));
    if system_sid || system_domain {
        UserKind::System
    } else if name.ends_with('$') {
        UserKind::Machine
    } else if name.is_empty() {
        UserKind::Unknown
    } else {
        UserKind::User
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_cleaned() {
        assert_eq!(hash(&"AB".repeat(32)).unwrap(), "ab".repeat(32));
        assert_eq!(hash(&"0".repeat(40)), None);
        assert_eq!(hash("N/A"), None);
        assert_eq!(hash("abc"), None);
    }

    #[test]
    fn placeholders_are_no_serial_numbers() {
        for none in
            ["", "0", "To be filled by O.E.M.", "00000000-0000-0000-0000-000000000000", "FFFF-FF", " None "]
        {
            assert!(is_no_serial(none), "{none}");
        }
        for serial in ["5CG0001", "VMware-56 4d 8c", "1100"] {
            assert!(!is_no_serial(serial), "{serial}");
        }
    }

    #[test]
    fn serial_numbers_that_are_uuids_are_told() {
        for (serial, uuid) in [
            ("ec2f4f49-ae44-b65e-f660-d83819066736", Some("ec2f4f49-ae44-b65e-f660-d83819066736")),
            (
                "VMware-56 4d 8c 1e 9a 00 11 22-33 44 55 66 77 88 99 aa",
                Some("564d8c1e-9a00-1122-3344-5566778899aa"),
            ),
            (
                " VMWARE-56 4D 8C 1E 9A 00 11 22-33 44 55 66 77 88 99 AA",
                Some("564d8c1e-9a00-1122-3344-5566778899aa"),
            ),
            ("C02XK0AAJG5H", None),
            ("VMware-56", None),
            ("VMwar\u{e9}-56 4d 8c 1e 9a 00 11 22-33 44 55 66 77 88 99 aa", None),
            ("\u{e9}2f4f49-ae44-b65e-f660-d8381906673", None),
        ] {
            assert_eq!(smbios_uuid(serial).as_deref(), uuid, "{serial}");
        }
    }

    #[test]
    fn addresses_are_cleaned() {
        assert_eq!(ip(" 10.1.2.3 ").unwrap().to_string(), "10.1.2.3");
        assert_eq!(ip("::ffff:10.1.2.3").unwrap().to_string(), "10.1.2.3");
        assert_eq!(ip("0.0.0.0"), None);
        assert_eq!(ip("localhost"), None);
    }

    #[test]
    fn macs_take_one_form() {
        for form in ["14-7d-da-ad-ac-71", "14:7D:DA:AD:AC:71", "147d.daad.ac71", "147ddaadac71"] {
            assert_eq!(mac(form).as_deref(), Some("14-7D-DA-AD-AC-71"), "{form}");
        }
        for none in ["", "00:00:00:00:00:00", "ff-ff-ff-ff-ff-ff", "<mac address>", "14-7d-da"] {
            assert_eq!(mac(none), None, "{none}");
        }
    }

    #[test]
    fn accounts_are_split() {
        let domain = user("CORP\\ann", None).unwrap();
        assert_eq!((domain.domain.as_deref(), domain.name.as_deref()), (Some("CORP"), Some("ann")));
        let mail = user("ann@corp.example", None).unwrap();
        assert_eq!(mail.email.as_deref(), Some("ann@corp.example"));
        assert_eq!(user("nt authority\\system", None).unwrap().kind, UserKind::System);
        assert_eq!(user("SYSTEM", Some("S-1-5-18")).unwrap().kind, UserKind::System);
        assert_eq!(user("WIN-01$", None).unwrap().kind, UserKind::Machine);
        assert_eq!(user(" ", None), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(value in "\\PC*") {
            let _ = (text(&value), hash(&value), ip(&value), mac(&value), user(&value, Some(&value)));
        }
    }
}
