//! The words of standards: which noun has a form in which, and how it is printed. One table for listings and exports.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use edr::{Alert, Case, Host, Ioc};
use edr_ocsf::ecs::{self, Document};
use edr_ocsf::{Event, Unsupported, Writer};

use super::columns::Record;
use super::{Format, Sink, View};
use crate::errors::Failure;

/// Writes an item as an event.
type ToEvent<T> = fn(&T, &Writer) -> Result<Event, Unsupported>;

/// The forms that a noun has.
pub(crate) struct Standard<T> {
    /// As a document of the Elastic Common Schema that was read at this time.
    ecs: Option<fn(&T, DateTime<Utc>) -> Document>,
    /// As an event of the Open Cybersecurity Schema Framework.
    ocsf: Option<ToEvent<T>>,
}

/// A host.
pub(crate) const HOST: Standard<Host> = Standard {
    ecs: Some(|host, now| ecs::host(host, now).with_original(&host.raw)),
    ocsf: Some(|host, writer| Ok(writer.host(host))),
};

/// An alert.
pub(crate) const ALERT: Standard<Alert> = Standard {
    ecs: Some(|alert, now| ecs::alert(alert, now).with_original(&alert.raw)),
    ocsf: Some(|alert, writer| Ok(writer.alert(alert))),
};

/// A case.
pub(crate) const CASE: Standard<Case> =
    Standard { ecs: None, ocsf: Some(|case, writer| Ok(writer.case(case))) };

/// An indicator.
pub(crate) const IOC: Standard<Ioc> = Standard { ecs: None, ocsf: Some(|ioc, writer| writer.ioc(ioc)) };

impl<T> Standard<T> {
    /// No form at all.
    pub(crate) const fn none() -> Self {
        Self { ecs: None, ocsf: None }
    }

    fn has(&self, format: Format) -> bool {
        match format {
            Format::Ecs => self.ecs.is_some(),
            Format::Ocsf => self.ocsf.is_some(),
            _ => true,
        }
    }
}

/// Checks that what is shown has the form that is asked for, and that nothing is asked of it that it cannot do.
pub(crate) fn check<T: Record>(view: &View) -> Result<(), Failure> {
    let (Some(word), (_, several)) = (word(view.format), T::NOUNS) else { return Ok(()) };
    if !T::STANDARD.has(view.format) {
        let others =
            [Format::Ocsf, Format::Ecs].into_iter().filter(|f| T::STANDARD.has(*f)).filter_map(self::word);
        let others: Vec<&str> = others.chain(["table", "wide", "json", "jsonl", "csv", "yaml"]).collect();
        let message = format!("{several} have no form in {word}");
        return Err(Failure::Usage(message, Some(format!("use -o with one of {}", others.join(", ")))));
    }
    if view.columns.is_some() {
        return Err(Failure::usage(format!("-o {word} has whole records: --columns means nothing to it")));
    }
    if view.zone != super::time::Zone::Utc {
        return Err(Failure::usage(format!("-o {word} has its times in UTC: --tz means nothing to it")));
    }
    Ok(())
}

fn word(format: Format) -> Option<&'static str> {
    match format {
        Format::Ecs => Some("ecs"),
        Format::Ocsf => Some("ocsf"),
        _ => None,
    }
}

/// One event a line.
pub(crate) struct Lines<'a> {
    out: Box<dyn Write + 'a>,
    format: Format,
    now: DateTime<Utc>,
}

impl<'a> Lines<'a> {
    /// On a writer.
    pub(crate) fn new(view: &View, out: Box<dyn Write + 'a>) -> Self {
        Self { out, format: view.format, now: view.now }
    }
}

impl<T: Record> Sink<T> for Lines<'_> {
    /// The vendor's own JSON is in an item only where it is asked for.
    fn item(&mut self, item: &T) -> io::Result<()> {
        match (self.format, T::STANDARD) {
            (Format::Ecs, Standard { ecs: Some(form), .. }) => {
                serde_json::to_writer(&mut self.out, &form(item, self.now))?;
            }
            (_, Standard { ocsf: Some(form), .. }) => {
                let writer = Writer::new(self.now).with_raw();
                let event = form(item, &writer).map_err(io::Error::other)?;
                serde_json::to_writer(&mut self.out, &event)?;
            }
            // Refused before anything is read.
            _ => return Err(io::Error::other("this has no form in the standard")),
        }
        self.out.write_all(b"\n")
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture::{self, host};
    use crate::output::{sink, time::Zone};

    fn lines<T: Record>(format: Format, items: &[T]) -> Vec<serde_json::Value> {
        let mut out = Vec::new();
        let view = fixture::view(format);
        {
            let mut sink = sink::<T>(&view, Box::new(&mut out));
            items.iter().try_for_each(|item| sink.item(item)).unwrap();
            sink.finish().unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn hosts_and_alerts_are_one_event_a_line() {
        let events = lines(Format::Ocsf, &[host(), host()]);
        assert_eq!((events.len(), &events[0]["class_uid"]), (2, &serde_json::json!(5001)));
        assert!(events[0]["raw_data"].is_string());
        assert_eq!(events[0]["unmapped"]["edr"]["tenant"], host().tenant.as_str());
        let documents = lines(Format::Ecs, &[fixture::alert()]);
        assert_eq!(documents[0]["event"]["kind"], "alert");
        assert_eq!(documents[0]["organization"]["name"], fixture::alert().tenant.as_str());
        let class = |events: Vec<serde_json::Value>| events[0]["class_uid"].as_u64();
        assert_eq!(class(lines(Format::Ocsf, &[Case::new("falcon", "acme", "1", "{}")])), Some(2005));
        assert_eq!(class(lines(Format::Ocsf, &[Ioc::new("falcon", "acme", "1", "{}")])), Some(5021));
    }

    #[test]
    fn what_has_no_form_says_what_there_is() {
        assert!(check::<Host>(&fixture::view(Format::Ecs)).is_ok());
        assert!(check::<Case>(&fixture::view(Format::Csv)).is_ok());
        let line = check::<Case>(&fixture::view(Format::Ecs)).unwrap_err().line();
        assert!(line.contains("cases have no form in ecs") && line.contains("jsonl"), "{line}");
        let columns = View { columns: Some(vec!["uid".to_owned()]), ..fixture::view(Format::Ocsf) };
        assert!(check::<Host>(&columns).unwrap_err().line().contains("--columns"));
        let moved = View { zone: "+02:00".parse::<Zone>().unwrap(), ..fixture::view(Format::Ocsf) };
        assert!(check::<Host>(&moved).unwrap_err().line().contains("--tz"));
    }
}
