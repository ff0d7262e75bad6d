//! What should be there: a list of machines as a CMDB or a directory writes it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;

use edr_core::{Host, NetworkInterface, Platform, Result};
use serde::{Deserialize, Serialize};

use crate::config::wrong;
use crate::file;
use crate::identity::IdentityConfig;
use crate::identity::keys::Record;

/// A list of the machines that should be there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Denominator {
    /// Its name, for people.
    pub name: String,
    pub(super) rows: Vec<Row>,
    pub(super) bad: Vec<BadRow>,
    pub(super) read: u64,
}

/// A row that is not used, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BadRow {
    /// The line of the file on which the row begins.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
    /// Whether the rest of the row is used.
    pub is_used: bool,
}

/// A machine that should be there.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) hostname: String,
    pub(super) platform: Platform,
    /// What it is known by, cleaned as that of a host is.
    pub(super) keys: Record,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Domain,
    Fqdn,
    Hostname,
    Ip,
    Mac,
    Platform,
    Serial,
}

/// Headings as tools write them: lower case, letters and digits alone.
const HEADINGS: &[(Field, &[&str])] = &[
    (Field::Domain, &["addomain", "dnsdomain", "domain", "domainname", "workgroup"]),
    (Field::Fqdn, &["dnshostname", "dnsname", "fqdn", "fullname", "fullyqualifieddomainname", "hostfqdn"]),
    (
        Field::Hostname,
        &[
            "assetname",
            "cn",
            "computer",
            "computername",
            "device",
            "devicename",
            "host",
            "hostname",
            "machine",
            "machinename",
            "name",
            "netbiosname",
            "samaccountname",
            "server",
            "servername",
            "system",
            "systemname",
        ],
    ),
    (
        Field::Ip,
        &[
            "address",
            "hostip",
            "ip",
            "ipaddress",
            "ipaddresses",
            "ips",
            "ipv4",
            "ipv4address",
            "localip",
            "primaryip",
        ],
    ),
    (
        Field::Mac,
        &["ethernetmac", "hardwareaddress", "mac", "macaddress", "macaddresses", "macs", "physicaladdress"],
    ),
    (Field::Platform, &["operatingsystem", "os", "osname", "ostype", "platform"]),
    (Field::Serial, &["biosserialnumber", "serial", "serialno", "serialnumber", "servicetag", "sn"]),
];

impl Denominator {
    /// Reads a CSV file.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::Configuration`] when the file cannot be read, or has no column by which a machine is known.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = file::bytes(path, file::LIST)
            .map_err(|e| wrong(format!("{} cannot be read: {e}", path.display())).with_source(e))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Self::from_csv(&name, &bytes)
    }

    /// Reads the text of a CSV file: with a header, separated by `,`, `;` or tabs, in UTF-8 or UTF-16. A row that cannot
    /// be used is kept with its line as a [`BadRow`].
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::Configuration`] when no column is one by which a machine is known, or a quote does not close.
    pub fn from_csv(name: &str, bytes: &[u8]) -> Result<Self> {
        let text = decoded(bytes);
        let (typed, body) = untyped(&text);
        let delimiter = delimiter(body);
        if let Some(line) = unclosed(body, delimiter) {
            let message = format!("{name}: the quote that opens in line {} does not close", typed + line);
            return Err(wrong(message)
                .with_hint("close it: the rows after it would be taken for a part of that cell"));
        }
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(body);
        let mut found = Self { name: name.to_owned(), rows: Vec::new(), bad: Vec::new(), read: 0 };
        let mut header: Option<(Vec<Option<Field>>, usize)> = None;
        for record in reader.byte_records() {
            let record = record.map_err(|e| wrong(format!("{name} is no CSV file: {e}")))?;
            let line = typed + record.position().map_or(0, csv::Position::line);
            match &header {
                None => header = Some((columns(name, &record)?, record.len())),
                Some((fields, width)) => found.take(line, &record, fields, *width),
            }
        }
        found.forget_shared();
        header.map(|_| found).ok_or_else(|| wrong(format!("{name} is empty: it needs a header and rows")))
    }

    /// A serial number that goes by many names in the list is that of a golden image, and names no machine.
    fn forget_shared(&mut self) {
        let mut names: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for keys in self.rows.iter().map(|row| &row.keys) {
            if let (Some(serial), Some(name)) = (&keys.serial, &keys.short) {
                names.entry(serial).or_default().insert(name);
            }
        }
        names.retain(|_, names| names.len() > NAMES_OF_A_SERIAL);
        let shared: HashSet<String> = names.into_keys().map(str::to_owned).collect();
        for keys in self.rows.iter_mut().map(|row| &mut row.keys).filter(|keys| keys.short.is_some()) {
            keys.serial = keys.serial.take().filter(|serial| !shared.contains(serial));
        }
    }

    fn take(&mut self, line: u64, record: &csv::ByteRecord, fields: &[Option<Field>], width: usize) {
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            return;
        }
        self.read += 1;
        let mut say = |reason: String, is_used| self.bad.push(BadRow { line, reason, is_used });
        if record.len() != width {
            return say(format!("it has {} fields, and the header has {width}", record.len()), false);
        }
        let Some(cells) = cells(record, fields) else {
            return say("it is not UTF-8".to_owned(), false);
        };
        let (host, odd) = host(&cells);
        let row = row(line, &host);
        if !row.is_known() {
            let reason = "it names no machine: no host name, serial number, MAC or address that is of use";
            return say(reason.to_owned(), false);
        }
        odd.into_iter().for_each(|reason| say(reason, true));
        self.rows.push(row);
    }
}

impl Row {
    fn is_known(&self) -> bool {
        let keys = &self.keys;
        keys.short.is_some() || keys.serial.is_some() || !keys.macs.is_empty() || !keys.ips.is_empty()
    }
}

type Cells<'a> = BTreeMap<Field, Vec<&'a str>>;

fn cells<'a>(record: &'a csv::ByteRecord, fields: &[Option<Field>]) -> Option<Cells<'a>> {
    let mut cells = Cells::new();
    for (field, cell) in fields.iter().zip(record) {
        let text = std::str::from_utf8(cell).ok()?.trim();
        if let Some(field) = field.filter(|_| !text.is_empty()) {
            cells.entry(field).or_default().push(text);
        }
    }
    Some(cells)
}

/// The row as a host, and what of it cannot be understood.
fn host(cells: &Cells<'_>) -> (Host, Vec<String>) {
    let first = |field: Field| cells.get(&field).and_then(|c| c.first().copied());
    let parts = |field: Field| {
        let split =
            |cell: &&'_ str| cell.split([',', ';', '|', ' ', '\n']).map(str::to_owned).collect::<Vec<_>>();
        let all = cells.get(&field).into_iter().flatten().flat_map(split);
        all.filter(|part| !part.is_empty()).collect::<Vec<String>>()
    };
    let mut odd = Vec::new();
    let mut host = Host::default();
    let name = first(Field::Fqdn).or_else(|| first(Field::Hostname)).unwrap_or_default();
    host.hostname = name.trim_end_matches('$').to_owned();
    host.domain = first(Field::Domain).map(str::to_owned);
    host.serial_number = first(Field::Serial).map(str::to_owned);
    host.os.platform = first(Field::Platform).map_or(Platform::Unknown, platform);
    for mac in parts(Field::Mac) {
        match is_mac(&mac) {
            true => host.network_interfaces.push(NetworkInterface { mac: Some(mac), ..Default::default() }),
            false => odd.push(format!("'{mac}' is no MAC and is left out")),
        }
    }
    for ip in parts(Field::Ip) {
        match ip.parse::<IpAddr>() {
            Ok(ip) => host.network_interfaces.push(NetworkInterface { ip: Some(ip), ..Default::default() }),
            Err(_) => odd.push(format!("'{ip}' is no address and is left out")),
        }
    }
    (host, odd)
}

fn is_mac(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    digits == 12 && text.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '-' | '.'))
}

fn row(line: u64, host: &Host) -> Row {
    let keys = Record::of(host, &IdentityConfig::new());
    let name = [&host.hostname].into_iter().find(|n| !n.is_empty()).cloned();
    let hostname = name.or_else(|| host.serial_number.clone()).unwrap_or_else(|| {
        keys.macs
            .first()
            .map(|m| m.text())
            .or_else(|| keys.ips.first().map(ToString::to_string))
            .unwrap_or_default()
    });
    Row { line, hostname, platform: host.os.platform.clone(), keys }
}

/// The platform that an operating system's name speaks of.
fn platform(text: &str) -> Platform {
    let text = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    match () {
        () if has(&["windows"]) => Platform::Windows,
        () if has(&["macos", "mac os", "os x", "darwin"]) => Platform::Macos,
        () if has(&["ipados"]) => Platform::Ipados,
        () if has(&["ios"]) => Platform::Ios,
        () if has(&["android"]) => Platform::Android,
        () if has(&[
            "linux", "ubuntu", "debian", "red hat", "rhel", "centos", "suse", "fedora", "rocky", "alma",
        ]) =>
        {
            Platform::Linux
        }
        () => Platform::Unknown,
    }
}

/// UTF-16 with a mark at its beginning, which some tools write, becomes UTF-8; the mark of UTF-8 goes.
fn decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    let wide = |read: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        let text: String =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Cow::Owned(text.into_bytes())
    };
    match bytes {
        [0xFF, 0xFE, ..] => wide(u16::from_le_bytes),
        [0xFE, 0xFF, ..] => wide(u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => Cow::Borrowed(rest),
        all => Cow::Borrowed(all),
    }
}

/// PowerShell puts a line `#TYPE …` before the header.
fn untyped(bytes: &[u8]) -> (u64, &[u8]) {
    let end = bytes.iter().position(|b| *b == b'\n').filter(|_| bytes.starts_with(b"#TYPE"));
    end.map_or((0, bytes), |at| (1, &bytes[at + 1..]))
}

/// The separator that the header has most of.
fn delimiter(bytes: &[u8]) -> u8 {
    let header = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| header.iter().filter(|b| **b == delimiter).count();
    let most = [b',', b';', b'\t'].into_iter().rev().max_by_key(|d| count(*d));
    most.unwrap_or(b',')
}

/// A machine may stand in a list by its old name and its new one.
const NAMES_OF_A_SERIAL: usize = 2;

/// No cell goes on for more lines than this.
const LONGEST: u64 = 100;

/// The line of a quote that does not close where its cell ends: it would swallow the rows after it. Within a line a quote
/// is what the tool that wrote it means by it.
fn unclosed(body: &[u8], delimiter: u8) -> Option<u64> {
    let (mut line, mut opened, mut is_start) = (1, None, true);
    let mut bytes = body.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match opened {
            None if byte == b'"' && is_start => opened = Some(line),
            Some(from) if byte == b'"' && bytes.next_if_eq(&b'"').is_none() => {
                let ends = bytes.peek().is_none_or(|next| [delimiter, b'\r', b'\n'].contains(next));
                if line > from && !ends {
                    return opened;
                }
                opened = None;
            }
            Some(from) if line - from > LONGEST => return opened,
            _ => {}
        }
        is_start = opened.is_none() && [delimiter, b'\r', b'\n'].contains(&byte);
        line += u64::from(byte == b'\n');
    }
    opened
}

fn columns(name: &str, header: &csv::ByteRecord) -> Result<Vec<Option<Field>>> {
    let fields: Vec<Option<Field>> = header.iter().map(field).collect();
    let keys = [Field::Fqdn, Field::Hostname, Field::Ip, Field::Mac, Field::Serial];
    if fields.iter().flatten().any(|f| keys.contains(f)) {
        return Ok(fields);
    }
    let seen: Vec<Cow<'_, str>> = header.iter().map(String::from_utf8_lossy).collect();
    let message =
        format!("{name} has no column by which a machine is known; its columns are: {}", seen.join(", "));
    Err(wrong(message).with_hint("give it a header with one of hostname, fqdn, serial, mac, ip"))
}

fn field(heading: &[u8]) -> Option<Field> {
    let heading = String::from_utf8_lossy(heading).to_lowercase();
    let plain: String = heading.chars().filter(|c| c.is_alphanumeric()).collect();
    HEADINGS.iter().find(|(_, words)| words.contains(&plain.as_str())).map(|(field, _)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Denominator {
        Denominator::from_csv("list.csv", text.as_bytes()).unwrap()
    }

    #[test]
    fn headings_are_recognised_in_any_order_and_dress() {
        let list = read(
            "\u{feff}Serial Number;MAC-Address(es);Computer_Name;DNS Domain;Owner\nABC1234;00:1c:42:00:00:08 | 001c.4200.0009;ANN-NB01$;corp.example;x\n",
        );
        let row = &list.rows[0];
        assert_eq!((row.line, row.hostname.as_str()), (2, "ANN-NB01"));
        assert_eq!(row.keys.serial.as_deref(), Some("abc1234"));
        assert_eq!(row.keys.short.as_deref(), Some("ann-nb01"));
        assert_eq!(row.keys.domain.as_deref(), Some("corp.example"));
        assert_eq!(row.keys.macs.len(), 2);
        assert!(list.bad.is_empty(), "{:?}", list.bad);
    }

    #[test]
    fn bad_rows_are_listed_with_their_line() {
        let list = read(
            "#TYPE Computer\nname,ip,os\nweb-1,10.0.0.1,Ubuntu 22.04\n\n\"two\nlines\",10.0.0.2,\nshort\n,,Windows\nweb-2,10.0.0.999,Windows 11\n",
        );
        assert_eq!((list.read, list.rows.len()), (5, 3));
        let bad: Vec<(u64, bool)> = list.bad.iter().map(|b| (b.line, b.is_used)).collect();
        assert_eq!(bad, [(7, false), (8, false), (9, true)], "{:?}", list.bad);
        assert!(list.bad[2].reason.contains("'10.0.0.999' is no address"));
        assert_eq!(list.rows[2].platform, Platform::Windows);
    }

    #[test]
    fn utf_16_is_read_and_bytes_that_are_no_text_are_told() {
        let wide: Vec<u8> = [0xFEFF]
            .into_iter()
            .chain("fqdn\r\nweb.corp.example\r\n".encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let list = Denominator::from_csv("ad.csv", &wide).unwrap();
        assert_eq!(list.rows[0].keys.domain.as_deref(), Some("corp.example"));
        let list = Denominator::from_csv("x.csv", b"host\n\xff\xfe-1\nweb-2\n").unwrap();
        assert_eq!((list.rows.len(), list.bad[0].line), (1, 2));
    }

    #[test]
    fn a_quote_that_does_not_close_is_refused_with_its_line() {
        let long = format!("name,notes\nweb-1,\"{}\nweb-2,\",x\"\n", "a line\n".repeat(101));
        for (text, line) in [
            ("name,notes\nweb-1,\"left open\nweb-2,x\nweb-3,y\n", 2),
            ("#TYPE Computer\nname,notes\nweb-1,\"left open\nweb-2,x\nweb-3,\"y\"\n", 3),
            ("name,notes\nweb-1,x\n\"web-2,y\nweb-3,z", 3),
            (&long, 2),
        ] {
            let error = Denominator::from_csv("list.csv", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(&format!("line {line} does not close")), "{error}");
        }
        let list = read(
            "name,notes\n\"web-1\",\"two\r\nlines, \"\"quoted\"\"\"\r\nweb-2,\"12\" screen\"\nweb-3,15\" screen\n\"web-4\",\"\"",
        );
        assert_eq!((list.rows.len(), list.bad.len()), (4, 0), "{:?}", list.bad);
    }

    #[test]
    fn a_list_without_keys_is_refused() {
        for text in ["", "owner,room\nann,12\n"] {
            let error = Denominator::from_csv("list.csv", text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("list.csv"), "{error}");
        }
    }
}
