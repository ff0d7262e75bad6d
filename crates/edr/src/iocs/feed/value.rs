//! The value of an indicator: what it is, in one spelling, and whether anybody can mean it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use edr_core::IocType;
use url::{Host, Url};

/// What people write instead of a live address, and what it stands for.
const DEFANGED: &[(&str, &str)] = &[
    ("[://]", "://"),
    ("[:]//", "://"),
    ("[:]", ":"),
    ("[.]", "."),
    ("(.)", "."),
    ("{.}", "."),
    ("[dot]", "."),
    ("(dot)", "."),
    ("[.", "."),
    (".]", "."),
];

/// Names that are under attack, never the attack: whoever blocks one of them stops their own estate.
const EVERYBODYS: &[&str] = &[
    "akamai.net",
    "amazon.com",
    "amazonaws.com",
    "apple.com",
    "azure.com",
    "bing.com",
    "cloudflare.com",
    "cloudfront.net",
    "crowdstrike.com",
    "digicert.com",
    "facebook.com",
    "fastly.net",
    "github.com",
    "githubusercontent.com",
    "google.com",
    "googleapis.com",
    "gstatic.com",
    "icloud.com",
    "letsencrypt.org",
    "linkedin.com",
    "live.com",
    "microsoft.com",
    "microsoftonline.com",
    "mozilla.org",
    "office.com",
    "office365.com",
    "outlook.com",
    "paloaltonetworks.com",
    "sharepoint.com",
    "slack.com",
    "ubuntu.com",
    "wikipedia.org",
    "windows.com",
    "windows.net",
    "windowsupdate.com",
    "yahoo.com",
    "youtube.com",
    "zoom.us",
];

/// Second levels under which everybody registers, where the first level is a country.
const SHARED: &[&str] = &["ac", "co", "com", "edu", "gov", "net", "or", "org"];

/// Addresses that resolve names for everybody.
const RESOLVERS: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(1, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
    IpAddr::V4(Ipv4Addr::new(8, 8, 4, 4)),
    IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
    IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)),
];

/// Digests of nothing: every empty file has them.
const EMPTY: &[&str] = &[
    "d41d8cd98f00b204e9800998ecf8427e",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// So many coats of quotes and brackets are taken off; nobody writes more.
const COATS: usize = 8;

/// A value that was written so that nobody can click it, as it is meant: what is left is read as itself.
///
/// # Errors
/// When brackets stand within brackets without end.
pub(super) fn refang(value: &str) -> Result<String, String> {
    let mut text = value.to_owned();
    for _ in 0..COATS {
        let bare = uncoat(&text);
        if bare == text {
            return Ok(text);
        }
        text = bare;
    }
    Err("its brackets stand within each other, so nobody can tell what is meant".to_owned())
}

fn uncoat(value: &str) -> String {
    let around = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
    let mut text = value.trim_matches(around).to_owned();
    for (defanged, live) in DEFANGED {
        text = replace(&text, defanged, live);
    }
    for (defanged, live) in [("hxxps:", "https:"), ("hxxp:", "http:"), ("fxp:", "ftp:")] {
        if text.get(..defanged.len()).is_some_and(|head| head.eq_ignore_ascii_case(defanged)) {
            text = format!("{live}{}", &text[defanged.len()..]);
        }
    }
    text
}

/// Replaces without regard to case.
fn replace(text: &str, what: &str, with: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while !rest.is_empty() {
        match rest.get(..what.len()).filter(|head| head.eq_ignore_ascii_case(what)) {
            Some(_) => {
                out.push_str(with);
                rest = &rest[what.len()..];
            }
            None => {
                let next = rest.chars().next().map_or(rest.len(), char::len_utf8);
                out.push_str(&rest[..next]);
                rest = &rest[next..];
            }
        }
    }
    out
}

/// A type by any of its names.
pub(super) fn kind(word: &str) -> Option<IocType> {
    let plain: String =
        word.trim().to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    Some(match plain.as_str() {
        "allsubdomains" => IocType::AllSubdomains,
        "domain" | "domainname" | "domainnamevalue" | "hostname" | "fqdn" | "dns" => IocType::Domain,
        "filename" | "file" => IocType::FileName,
        "filepath" | "path" => IocType::FilePath,
        "hash" | "filehash" | "digest" => IocType::Hash,
        "ip" | "ipaddress" | "ipaddr" | "address" | "ipdst" | "ipsrc" => IocType::Ip,
        "ipv4" | "ip4" | "ipv4addr" | "ipv4address" => IocType::Ipv4,
        "ipv6" | "ip6" | "ipv6addr" | "ipv6address" => IocType::Ipv6,
        "md5" | "filehashmd5" | "hashmd5" => IocType::Md5,
        "sha1" | "filehashsha1" | "hashsha1" => IocType::Sha1,
        "sha256" | "filehashsha256" | "hashsha256" => IocType::Sha256,
        "url" | "uri" | "link" => IocType::Url,
        _ => return None,
    })
}

/// What a value without a type is.
pub(super) fn guess(value: &str) -> Option<IocType> {
    if let Some(digest) = digest(value) {
        return Some(digest);
    }
    if value.parse::<IpAddr>().is_ok() {
        return Some(IocType::Ip);
    }
    if value.contains("://") {
        return Url::parse(value).is_ok().then_some(IocType::Url);
    }
    if value.starts_with('/') || value.contains('\\') {
        return Some(IocType::FilePath);
    }
    if let Some(name) = value.strip_prefix("*.") {
        return domain(name).is_ok().then_some(IocType::AllSubdomains);
    }
    domain(value).is_ok().then_some(IocType::Domain)
}

fn digest(value: &str) -> Option<IocType> {
    let hex = !value.is_empty() && value.bytes().all(|b| b.is_ascii_hexdigit());
    match value.len() {
        32 if hex => Some(IocType::Md5),
        40 if hex => Some(IocType::Sha1),
        64 if hex => Some(IocType::Sha256),
        _ => None,
    }
}

/// The type made exact, and the value in its one spelling.
///
/// # Errors
/// Why the value is none of its type.
pub(super) fn exact(kind: IocType, value: &str) -> Result<(IocType, String), String> {
    if value.is_empty() {
        return Err("there is no value".to_owned());
    }
    if value.len() > 2_048 || value.contains(char::is_control) {
        return Err("the value is too long, or has control characters".to_owned());
    }
    match kind {
        IocType::Hash | IocType::Md5 | IocType::Sha1 | IocType::Sha256 => exact_digest(&kind, value),
        IocType::Ip | IocType::Ipv4 | IocType::Ipv6 => exact_address(&kind, value),
        IocType::Domain => Ok((kind, domain(value)?)),
        IocType::AllSubdomains => Ok((kind, domain(value.strip_prefix("*.").unwrap_or(value))?)),
        IocType::Url => {
            let url = Url::parse(value).map_err(|e| format!("this is no URL: {e}"))?;
            if !url.has_host() || !url.username().is_empty() || url.password().is_some() {
                return Err("this URL has no host, or has a user in it".to_owned());
            }
            // Behind a scheme that is not the web's anything passes for a host.
            if let Some(Host::Domain(name)) = url.host() {
                domain(name).map_err(|_| "the host of this URL is no name of a domain".to_owned())?;
            }
            Ok((kind, url.to_string()))
        }
        IocType::FileName if value.contains(['/', '\\']) => {
            Err("a name of a file has no folder; give the type file_path".to_owned())
        }
        IocType::FileName | IocType::FilePath => Ok((kind, value.to_owned())),
        other => Err(format!("nobody knows indicators of the type {other}")),
    }
}

fn exact_digest(kind: &IocType, value: &str) -> Result<(IocType, String), String> {
    let found = digest(value).ok_or("this is no MD5, SHA-1 or SHA-256 in hex")?;
    if *kind != IocType::Hash && *kind != found {
        return Err(format!("this is a {found}, not a {kind}"));
    }
    Ok((found, value.to_ascii_lowercase()))
}

fn exact_address(kind: &IocType, value: &str) -> Result<(IocType, String), String> {
    if value.contains('/') {
        return Err("a range of addresses is no indicator: neither vendor takes one".to_owned());
    }
    let address: IpAddr = value.parse().map_err(|_| "this is no address".to_owned())?;
    let found = match address {
        IpAddr::V4(_) => IocType::Ipv4,
        IpAddr::V6(_) => IocType::Ipv6,
    };
    if *kind != IocType::Ip && *kind != found {
        return Err(format!("this is an {found}, not an {kind}"));
    }
    Ok((found, address.to_string()))
}

/// A name in small ASCII letters, without the dot at its end.
fn domain(value: &str) -> Result<String, String> {
    let wrong = || "this is no name of a domain".to_owned();
    let Ok(Host::Domain(name)) = Host::parse(value.trim_end_matches('.')) else { return Err(wrong()) };
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if name.len() > 253 || !name.split('.').all(fits) {
        return Err(wrong());
    }
    Ok(name)
}

/// Why nobody can mean this value, or nothing.
pub(super) fn harmless(kind: &IocType, value: &str) -> Option<String> {
    let said = match kind {
        IocType::Ipv4 | IocType::Ipv6 => return harmless_address(value.parse().ok()?),
        IocType::Md5 | IocType::Sha1 | IocType::Sha256 if EMPTY.contains(&value) => {
            "this is the digest of every empty file"
        }
        IocType::Md5 | IocType::Sha1 | IocType::Sha256 if value.bytes().all(|b| b == b'0') => {
            "a digest of zeroes is no digest"
        }
        IocType::AllSubdomains | IocType::Domain => return harmless_name(value),
        IocType::Url => {
            let url = Url::parse(value).ok()?;
            return match url.host()? {
                Host::Ipv4(ip) => harmless_address(ip.into()),
                Host::Ipv6(ip) => harmless_address(ip.into()),
                Host::Domain(name) if is_local(name) => harmless_name(name),
                Host::Domain(_) => None,
            };
        }
        _ => return None,
    };
    Some(said.to_owned())
}

fn harmless_address(address: IpAddr) -> Option<String> {
    let reserved = match address {
        IpAddr::V4(ip) => is_reserved_v4(ip),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or_else(|| is_reserved_v6(ip), is_reserved_v4),
    };
    if reserved {
        return Some("this address is private or reserved".to_owned());
    }
    RESOLVERS.contains(&address).then(|| "everybody resolves names at this address".to_owned())
}

fn is_reserved_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || matches!((a, b, c), (0, ..) | (100, 64..=127, _) | (192, 0, 0) | (198, 18..=19, _) | (224.., ..))
}

fn is_reserved_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || first & 0xfe00 == 0xfc00
        || first & 0xffc0 == 0xfe80
        || (first, second) == (0x2001, 0x0db8)
}

fn is_local(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    !name.contains('.') || matches!(last, "internal" | "lan" | "local" | "localdomain" | "localhost" | "arpa")
}

fn harmless_name(name: &str) -> Option<String> {
    if is_local(name) {
        return Some("this name is local, or a whole top level".to_owned());
    }
    let labels: Vec<&str> = name.split('.').collect();
    if let [second, country] = labels.as_slice()
        && country.len() == 2
        && SHARED.contains(second)
    {
        return Some("everybody in a country has their names under this one".to_owned());
    }
    let bare = name.strip_prefix("www.").unwrap_or(name);
    EVERYBODYS.contains(&bare).then(|| "everybody needs this name".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_defanged_comes_back() {
        for (written, meant) in [
            ("hxxps://evil[.]example/x", "https://evil.example/x"),
            ("HXXP[:]//evil(dot)example", "http://evil.example"),
            ("203[.]0[.]113[.]7", "203.0.113.7"),
            (" \"evil{.}example\" ", "evil.example"),
            ("evil.example", "evil.example"),
            ("héxxp[.]example", "héxxp.example"),
            ("` \"evil([dot])example\" `", "evil.example"),
            ("'' `C:\\evil.exe", "C:\\evil.exe"),
        ] {
            assert_eq!(refang(written).as_deref(), Ok(meant));
            assert_eq!(refang(meant).as_deref(), Ok(meant), "it is itself");
        }
        assert!(refang(&("[".repeat(100) + ".")).is_err());
    }

    #[test]
    fn a_value_says_what_it_is() {
        let sha = "ab".repeat(32);
        for (value, kind) in [
            (sha.as_str(), Some(IocType::Sha256)),
            ("2001:db8::1", Some(IocType::Ip)),
            ("https://evil.example/x", Some(IocType::Url)),
            ("C:\\Temp\\a.exe", Some(IocType::FilePath)),
            ("*.evil.example", Some(IocType::AllSubdomains)),
            ("evil.example", Some(IocType::Domain)),
            ("two words", None),
            ("", None),
        ] {
            assert_eq!(guess(value), kind, "{value}");
        }
        assert_eq!(kind("FileHash-SHA256"), Some(IocType::Sha256));
        assert_eq!(kind("beacon"), None);
    }

    #[test]
    fn a_value_is_of_its_type_or_refused() {
        let domain = |v| exact(IocType::Domain, v).map(|(_, value)| value);
        assert_eq!(domain("Bücher.Example.").unwrap(), "xn--bcher-kva.example");
        for bad in ["", "a b.example", "-.", "a..b", "http://x.example", "1.2.3.4"] {
            assert!(domain(bad).is_err(), "{bad}");
        }
        assert!(exact(IocType::Sha256, &"ab".repeat(16)).unwrap_err().contains("md5"));
        assert!(exact(IocType::Ipv4, "2001:db8::1").is_err());
        assert!(exact(IocType::Ip, "10.0.0.0/8").unwrap_err().contains("range"));
        assert!(exact(IocType::FileName, "a/b").is_err());
        assert!(exact(IocType::Url, "mailto:x@y").is_err());
        assert!(exact(IocType::Url, "te://n\"x\":").is_err());
    }

    #[test]
    fn what_nobody_means_is_found() {
        for (kind, value) in [
            (IocType::Ipv4, "10.1.2.3"),
            (IocType::Ipv4, "100.64.0.1"),
            (IocType::Ipv4, "239.1.1.1"),
            (IocType::Ipv4, "8.8.8.8"),
            (IocType::Ipv6, "fd00::1"),
            (IocType::Ipv6, "::ffff:192.168.0.1"),
            (IocType::Domain, "com"),
            (IocType::Domain, "co.uk"),
            (IocType::Domain, "www.microsoft.com"),
            (IocType::Domain, "printer.local"),
            (IocType::Url, "http://192.168.1.1/x"),
            (IocType::Url, "http://localhost/x"),
            (IocType::Md5, "d41d8cd98f00b204e9800998ecf8427e"),
        ] {
            assert!(harmless(&kind, value).is_some(), "{value}");
        }
        for (kind, value) in [
            (IocType::Ipv4, "93.184.216.34"),
            (IocType::Domain, "evil.github.com"),
            (IocType::Domain, "evil.example"),
            (IocType::Url, "https://github.com/evil/x"),
        ] {
            assert_eq!(harmless(&kind, value), None, "{value}");
        }
    }
}
