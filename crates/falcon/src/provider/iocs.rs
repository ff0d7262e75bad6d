//! Indicators: which page of them, and putting and deleting them.

use std::collections::HashMap;

use bytes::Bytes;
use edr_core::{
    Answer, EdrProvider as _, Error, ErrorKind, Feature, Filter, Fit, Ioc, IocAction, IocType, Platform,
    Receipt, Rejected, Result, Severity,
};
use edr_http::RequestPlan;

use super::rows::Rows;
use super::{Falcon, filters};
use crate::api::iocs::{
    self, IocAction as Deed, IocBody, IocChange, IocOptions, IocPlatform, IocSeverity, IocType as Kind,
    NewIoc,
};
use crate::api::{AfterParams, Endpoint};
use crate::client::Reply;
use crate::dialect::clean;
use crate::fql::{Fql, field};
use crate::map;

impl Rows for Ioc {
    const ENDPOINT: &'static Endpoint = &iocs::COMBINED;
    const MOST: u32 = iocs::MAX_PAGE;
    const SORTS: &'static [(&'static str, &'static str)] =
        &[("created_time", "created_on"), ("modified_time", "modified_on"), ("value", "value")];
    /// A new one joins at the end.
    const ORDER: Option<&'static str> = Some("created_on.asc");
    const SIGN: char = '.';

    fn filter(filters: &[Filter]) -> Fql {
        filters::iocs(filters)
    }

    fn plan(rows: AfterParams, _offset: u64) -> RequestPlan {
        iocs::combined(&rows)
    }

    fn map(raw: &Bytes, context: &map::Context) -> Result<Self, Box<Rejected>> {
        map::ioc(raw, context)
    }
}

/// How many values one filter names.
const LOOKUP: usize = 20;

/// What is there of one indicator, as far as the common model has no word for it.
#[derive(Clone, Debug)]
struct Had {
    /// The vendor's id.
    id: String,
    action: Option<Deed>,
    mobile_action: Option<Deed>,
}

impl Had {
    /// What is done, where that is not to change: a stop without a word to the user stays one, and what is done on
    /// phones stays what it is.
    fn keep(&self, body: IocBody) -> IocBody {
        let is_same = |wish: &Deed, had: &Deed| {
            wish == had || matches!((wish, had), (Deed::Prevent, Deed::PreventNoUi))
        };
        match (&body.action, &self.action) {
            (Some(wish), Some(had)) if is_same(wish, had) => IocBody {
                action: Some(had.clone()),
                mobile_action: body.mobile_action.map(|wish| self.mobile_action.clone().unwrap_or(wish)),
                ..body
            },
            _ => body,
        }
    }
}

/// What became of one indicator.
#[derive(Clone, Debug)]
struct Became {
    answer: Answer,
    /// The vendor's id.
    id: Option<String>,
    /// The id under which support finds the request.
    trace: Option<String>,
}

impl Became {
    fn of(answer: Answer, id: Option<String>) -> Self {
        let trace = match &answer {
            Answer::Refused(error) | Answer::Unknown(error) => error.trace_id().map(|id| id.into_owned()),
            _ => None,
        };
        Self { answer, id, trace }
    }

    fn traced(self, trace: Option<String>) -> Self {
        Self { trace: trace.or(self.trace), ..self }
    }
}

impl Falcon {
    /// Those that are there are changed, the others made: a call each, and more where the vendor refuses a call as
    /// a whole because of some of them.
    pub(super) async fn put_iocs(&self, wanted: &[Ioc]) -> Result<Vec<Receipt>> {
        let keys: Vec<String> = wanted.iter().map(Ioc::key).collect();
        self.admit(Feature::IocPush, &keys)?;
        let mut became: HashMap<usize, Became> = HashMap::new();
        let mut told = Vec::new();
        for (at, ioc) in wanted.iter().enumerate() {
            match self.tell(ioc) {
                Ok((new, _)) => told.push((at, new)),
                Err(error) => drop(became.insert(at, Became::of(Answer::Refused(error), None))),
            }
        }
        if told.is_empty() {
            return Ok(receipts(keys, became));
        }
        let there = self.there(&told).await?;
        let had = |at: usize| there.get(&keys[at]);
        let (old, new): (Vec<_>, Vec<_>) = told.into_iter().partition(|(at, _)| had(*at).is_some());
        let changes = old.into_iter().filter_map(|(at, new)| Some((at, change(had(at)?, new)))).collect();
        self.make(new.clone(), &mut became).await;
        self.doubt(&new, &keys, &mut became).await;
        self.alter(changes, &mut became).await;
        Ok(receipts(keys, became))
    }

    /// Those that are there already, by key.
    async fn there(&self, told: &[(usize, NewIoc)]) -> Result<HashMap<String, Had>> {
        let mut found = HashMap::new();
        for chunk in told.chunks(LOOKUP) {
            let values = chunk.iter().flat_map(|(_, new)| [new.value.clone(), new.value.to_uppercase()]);
            let filter = field("value").and_then(|f| f.any_of(values.collect::<Vec<_>>()));
            let wrong =
                |e| Error::new(ErrorKind::InvalidRequest, "a value cannot be looked for").with_source(e);
            let filter: Fql = filter.map_err(|e| self.named(wrong(e), iocs::COMBINED.name))?;
            let params =
                AfterParams { limit: Some(iocs::MAX_PAGE), ..AfterParams::filtered(filter.to_string()) };
            for row in self.client().iocs(&params).await?.resources {
                let (Some(id), Some(kind), Some(value)) = (row.id, row.kind, row.value) else { continue };
                let key = Ioc::of(IocType::from(kind.as_str()), value, IocAction::Unknown).key();
                found.insert(key, Had { id, action: row.action, mobile_action: row.mobile_action });
            }
        }
        Ok(found)
    }

    /// A call makes all or none; one that is refused is cut in halves until it is clear whom it is about.
    async fn make(&self, new: Vec<(usize, NewIoc)>, became: &mut HashMap<usize, Became>) {
        let mut pieces = vec![new];
        while let Some(mut piece) = pieces.pop() {
            if piece.is_empty() {
                continue;
            }
            let rows: Vec<NewIoc> = piece.iter().map(|(_, row)| row.clone()).collect();
            match self.client().create_iocs(&rows, &IocOptions::default()).await {
                Err(error) if piece.len() > 1 && is_refused(&error) => {
                    let rest = piece.split_off(piece.len() / 2);
                    pieces.extend([piece, rest]);
                }
                Err(error) => {
                    became.extend(piece.iter().map(|(at, _)| (*at, Became::of(failed(&error), None))));
                }
                Ok(reply) => became.extend(piece.iter().map(|(at, row)| (*at, self.made(row, &reply)))),
            }
        }
    }

    /// What an answer says of a new indicator. A row of it may be an error in the place of the indicator.
    fn made(&self, new: &NewIoc, reply: &Reply<iocs::Ioc>) -> Became {
        let is_it = |row: &&iocs::Ioc| {
            row.kind.as_ref() == Some(&new.kind)
                && row.value.as_ref().is_some_and(|v| v.eq_ignore_ascii_case(&new.value))
        };
        let mut rows = reply.resources.iter().filter(is_it);
        let became = match rows.clone().find_map(|row| row.id.clone()) {
            Some(id) => Became::of(Answer::Accepted, Some(id)),
            None => match rows.find_map(iocs::Ioc::fault) {
                Some(why) => Became::of(self.faulty(why, &iocs::CREATE), None),
                None => Became::of(self.unsaid(&iocs::CREATE), None),
            },
        };
        became.traced(trace(reply))
    }

    fn faulty(&self, why: &str, endpoint: &'static Endpoint) -> Answer {
        let error = Error::new(ErrorKind::InvalidRequest, clean(why).into_owned());
        Answer::Refused(self.named(error, endpoint.operation.name))
    }

    /// Of an indicator that was refused, and is there now, nobody can say who put it there: this call, which something on
    /// the way handed on twice, or somebody else.
    async fn doubt(&self, new: &[(usize, NewIoc)], keys: &[String], became: &mut HashMap<usize, Became>) {
        let was_refused =
            |at| matches!(became.get(at).map(|b| &b.answer), Some(Answer::Refused(e)) if is_refused(e));
        let refused: Vec<_> = new.iter().filter(|(at, _)| was_refused(at)).cloned().collect();
        if refused.is_empty() {
            return;
        }
        let Ok(there) = self.there(&refused).await else { return };
        for (at, _) in refused {
            if let (Some(had), Some(entry)) = (there.get(&keys[at]), became.get_mut(&at))
                && let Answer::Refused(error) = &entry.answer
            {
                let hint = "it is there now: look whether it is as you want it";
                let error = error.clone().with_outcome_unknown().with_hint(hint);
                (entry.answer, entry.id) = (Answer::Unknown(error), Some(had.id.clone()));
            }
        }
    }

    async fn alter(&self, changes: Vec<(usize, IocChange)>, became: &mut HashMap<usize, Became>) {
        let mut pieces = vec![changes];
        while let Some(mut piece) = pieces.pop() {
            if piece.is_empty() {
                continue;
            }
            let rows: Vec<IocChange> = piece.iter().map(|(_, row)| row.clone()).collect();
            match self.client().update_iocs(&rows, &IocOptions::default()).await {
                Err(error) if piece.len() > 1 && is_refused(&error) => {
                    let rest = piece.split_off(piece.len() / 2);
                    pieces.extend([piece, rest]);
                }
                Err(error) => became.extend(
                    piece.into_iter().map(|(at, row)| (at, Became::of(failed(&error), Some(row.id)))),
                ),
                Ok(reply) => {
                    became.extend(piece.into_iter().map(|(at, row)| (at, self.altered(row.id, &reply))))
                }
            }
        }
    }

    fn altered(&self, id: String, reply: &Reply<iocs::Ioc>) -> Became {
        let row = reply.resources.iter().find(|ioc| ioc.id.as_ref() == Some(&id));
        let answer = match row.map(iocs::Ioc::fault) {
            Some(None) => Answer::Accepted,
            Some(Some(why)) => self.faulty(why, &iocs::UPDATE),
            None => self.unsaid(&iocs::UPDATE),
        };
        Became::of(answer, Some(id)).traced(trace(reply))
    }

    fn unsaid(&self, endpoint: &'static Endpoint) -> Answer {
        let error = Error::new(ErrorKind::Vendor, "the answer does not mention it").with_outcome_unknown();
        Answer::Unknown(self.named(error, endpoint.operation.name))
    }

    pub(super) async fn drop_iocs(&self, uids: &[String]) -> Result<Vec<Receipt>> {
        self.admit(Feature::IocDelete, uids)?;
        let taken = self.client().delete_iocs(uids, None).await?;
        Ok(self.receipts(uids, taken, iocs::DELETE.operation.name, |e| e.code.as_deref() == Some("404")))
    }

    /// How well an indicator can be told.
    pub(super) fn fit_ioc(&self, ioc: &Ioc) -> Result<Fit> {
        let (_, lost) = self.tell(ioc)?;
        Ok(match lost.as_slice() {
            [] => Fit::Exact,
            lost => Fit::Lossy { wanted: lost.join(", "), sent: format!("{} without it", ioc.key()) },
        })
    }

    /// An indicator in the vendor's words, and what of it is lost.
    fn tell(&self, ioc: &Ioc) -> Result<(NewIoc, Vec<&'static str>)> {
        let now = self.client().http().clock().now();
        if ioc.expiration.time().is_some_and(|end| *end <= now) {
            let error = Error::new(ErrorKind::InvalidRequest, "the indicator has ended already");
            return Err(self.named(error, "ioc_push"));
        }
        tell(ioc).map_err(|e| self.named(e, "ioc_push"))
    }
}

/// True when the vendor read a call and took nothing of it.
fn is_refused(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidRequest && !error.is_outcome_unknown()
}

fn failed(error: &Error) -> Answer {
    if error.is_outcome_unknown() { Answer::Unknown(error.clone()) } else { Answer::Refused(error.clone()) }
}

fn receipts(keys: Vec<String>, mut became: HashMap<usize, Became>) -> Vec<Receipt> {
    let unsent = || Became::of(Answer::Refused(Error::new(ErrorKind::Vendor, "it was not sent")), None);
    let row = |(at, key): (usize, String)| {
        let became = became.remove(&at).unwrap_or_else(unsent);
        Receipt::new(key, became.answer).with_handle(became.id).with_trace(became.trace)
    };
    keys.into_iter().enumerate().map(row).collect()
}

fn trace<T>(reply: &Reply<T>) -> Option<String> {
    reply.envelope.meta.as_ref()?.trace_id.clone().filter(|id| !id.is_empty())
}

/// What is not wanted any more is taken away: the year 1 is no end, and nothing is no severity, which the service
/// refuses beside an action that has none.
fn change(had: &Had, new: NewIoc) -> IocChange {
    let unset = chrono::NaiveDate::from_ymd_opt(1, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
    let body = IocBody {
        expiration: new.body.expiration.or_else(|| unset.map(|time| time.and_utc())),
        host_groups: new.body.host_groups.clone().or_else(|| Some(Vec::new())),
        severity: new.body.severity.clone().or_else(|| Some(IocSeverity::Other(String::new()))),
        tags: new.body.tags.clone().or_else(|| Some(Vec::new())),
        ..new.body
    };
    IocChange { id: had.id.clone(), body: had.keep(body) }
}

fn tell(ioc: &Ioc) -> Result<(NewIoc, Vec<&'static str>)> {
    let kind = kind(ioc)?;
    let (desktop, mobile) = platforms(ioc, &kind)?;
    let action = action(ioc, &kind, !desktop.is_empty())?;
    let mut lost: Vec<&'static str> =
        [(ioc.reputation.is_some(), "reputation"), (ioc.reliability.is_some(), "reliability")]
            .into_iter()
            .filter_map(|(there, name)| there.then_some(name))
            .collect();
    if ioc.is_enabled == Some(false) {
        return Err(Error::unsupported("an indicator of Falcon cannot be switched off")
            .with_hint("give it the action monitor, which does nothing"));
    }
    let acts = matches!(action, Deed::Detect | Deed::Prevent);
    let severity = severity(ioc, acts, &mut lost)?;
    let body = IocBody {
        action: (!desktop.is_empty()).then(|| action.clone()),
        mobile_action: (!mobile.is_empty()).then(|| action.clone()),
        applied_globally: Some(ioc.groups.is_empty()),
        description: ioc.desc.clone(),
        expiration: ioc.expiration.time().copied(),
        host_groups: groups(ioc)?,
        file_name: ioc.file_name.clone(),
        platforms: Some([desktop, mobile].concat()),
        severity,
        source: ioc.source.clone(),
        tags: (!ioc.tags.is_empty()).then(|| ioc.tags.clone()),
    };
    Ok((NewIoc { value: ioc.kind.spelt(&ioc.value), kind, body }, lost))
}

fn kind(ioc: &Ioc) -> Result<Kind> {
    let digits = ioc.value.trim().len();
    Ok(match &ioc.kind {
        IocType::AllSubdomains => Kind::AllSubdomains,
        IocType::Domain => Kind::Domain,
        IocType::Ip if ioc.value.contains(':') => Kind::Ipv6,
        IocType::Ip | IocType::Ipv4 => Kind::Ipv4,
        IocType::Ipv6 => Kind::Ipv6,
        IocType::Hash if digits == 64 => Kind::Sha256,
        IocType::Hash if digits == 32 => Kind::Md5,
        IocType::Md5 => Kind::Md5,
        IocType::Sha256 => Kind::Sha256,
        other => return Err(Error::unsupported(format!("Falcon has no indicators of the type {other}"))),
    })
}

/// Those of the desktop, and those of phones. Without any it is everywhere that the type can be.
fn platforms(ioc: &Ioc, kind: &Kind) -> Result<(Vec<IocPlatform>, Vec<IocPlatform>)> {
    let of_phones = *kind == Kind::AllSubdomains;
    if ioc.platforms.is_empty() {
        let desktop = vec![IocPlatform::Windows, IocPlatform::Mac, IocPlatform::Linux];
        let phones = vec![IocPlatform::Android, IocPlatform::Ios];
        return Ok(if of_phones { (Vec::new(), phones) } else { (desktop, Vec::new()) });
    }
    let (mut desktop, mut mobile) = (Vec::new(), Vec::new());
    for platform in &ioc.platforms {
        match platform {
            Platform::Android => mobile.push(IocPlatform::Android),
            Platform::Ios => mobile.push(IocPlatform::Ios),
            Platform::Linux => desktop.push(IocPlatform::Linux),
            Platform::Macos => desktop.push(IocPlatform::Mac),
            Platform::Windows => desktop.push(IocPlatform::Windows),
            other => return Err(Error::unsupported(format!("Falcon has no indicators on {other}"))),
        }
    }
    let file = matches!(kind, Kind::Md5 | Kind::Sha256);
    if (of_phones && !desktop.is_empty()) || (file && !mobile.is_empty()) {
        return Err(Error::unsupported(format!("Falcon has no {} on these platforms", kind.as_str())));
    }
    Ok((desktop, mobile))
}

/// Names and addresses are told on the desktop, and never stopped.
fn action(ioc: &Ioc, kind: &Kind, on_desktop: bool) -> Result<Deed> {
    let action = match ioc.action {
        IocAction::Allow => Deed::Allow,
        IocAction::Block => Deed::Prevent,
        IocAction::Detect => Deed::Detect,
        IocAction::Monitor => Deed::NoAction,
        ref other => return Err(Error::unsupported(format!("Falcon knows no action {other}"))),
    };
    let network = matches!(kind, Kind::Domain | Kind::Ipv4 | Kind::Ipv6);
    if network && on_desktop && matches!(action, Deed::Allow | Deed::Prevent) {
        let message = format!("Falcon does not {} a {}", ioc.action, kind.as_str());
        return Err(Error::unsupported(message).with_hint("it can detect one, or monitor it"));
    }
    Ok(action)
}

/// Needed to detect or prevent, and refused otherwise.
fn severity(ioc: &Ioc, acts: bool, lost: &mut Vec<&'static str>) -> Result<Option<IocSeverity>> {
    let severity = match &ioc.severity {
        Severity::Critical => IocSeverity::Critical,
        Severity::High => IocSeverity::High,
        Severity::Informational => IocSeverity::Informational,
        Severity::Low => IocSeverity::Low,
        Severity::Medium => IocSeverity::Medium,
        Severity::Unknown if !acts => return Ok(None),
        Severity::Unknown => {
            lost.push("an unknown severity");
            IocSeverity::Informational
        }
        other => return Err(Error::unsupported(format!("Falcon knows no severity {other} of an indicator"))),
    };
    if !acts {
        lost.push("severity");
        return Ok(None);
    }
    Ok(Some(severity))
}

fn groups(ioc: &Ioc) -> Result<Option<Vec<String>>> {
    if ioc.groups.is_empty() {
        let narrow = ioc.is_global == Some(false);
        let error =
            Error::new(ErrorKind::InvalidRequest, "an indicator that is not for all hosts names no group");
        return if narrow { Err(error) } else { Ok(None) };
    }
    let ids = ioc.groups.iter().map(|g| g.uid.clone()).collect::<Option<Vec<String>>>();
    ids.map(Some).ok_or_else(|| Error::new(ErrorKind::InvalidRequest, "a group of hosts is named by its id"))
}

#[cfg(test)]
mod tests {
    use edr_core::{Expiration, Group};

    use super::*;
    use crate::testing::{falcon, json};

    fn ioc(kind: IocType, value: &str, action: IocAction) -> Ioc {
        let mut ioc = Ioc::of(kind, value, action);
        ioc.severity = Severity::High;
        ioc
    }

    #[test]
    fn an_indicator_becomes_a_row() {
        let (new, lost) = tell(&ioc(IocType::Domain, "Evil.Example.", IocAction::Detect)).unwrap();
        assert_eq!((new.kind, new.value.as_str(), lost.len()), (Kind::Domain, "evil.example", 0));
        assert_eq!(new.body.severity, Some(IocSeverity::High));
        assert_eq!(new.body.platforms.unwrap().len(), 3);
        let (phone, _) = tell(&ioc(IocType::AllSubdomains, "evil.example", IocAction::Block)).unwrap();
        assert_eq!((phone.body.action, phone.body.mobile_action), (None, Some(Deed::Prevent)));
    }

    #[test]
    fn what_is_lost_and_what_cannot_be_told() {
        let digest = "a1".repeat(32);
        let (new, lost) = tell(&ioc(IocType::Sha256, &digest, IocAction::Allow)).unwrap();
        assert_eq!((new.body.severity, lost), (None, vec!["severity"]));
        let (new, lost) = tell(&Ioc::of(IocType::Hash, digest.as_str(), IocAction::Block)).unwrap();
        assert_eq!(
            (new.body.severity, lost),
            (Some(IocSeverity::Informational), vec!["an unknown severity"])
        );
        let mut on_phone = ioc(IocType::Sha256, &digest, IocAction::Detect);
        on_phone.platforms = vec![Platform::Ios];
        let mut nowhere = ioc(IocType::Sha256, &digest, IocAction::Detect);
        nowhere.is_global = Some(false);
        for bad in [
            on_phone,
            nowhere,
            ioc(IocType::Domain, "evil.example", IocAction::Block),
            ioc(IocType::Sha1, &"a1".repeat(20), IocAction::Detect),
            ioc(IocType::Url, "https://evil.example", IocAction::Detect),
        ] {
            assert!(tell(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_change_takes_away_what_is_not_wanted_any_more() {
        let (new, _) = tell(&ioc(IocType::Domain, "evil.example", IocAction::Detect)).unwrap();
        let had = Had { id: "0f".to_owned(), action: None, mobile_action: None };
        let changed = change(&had, new).body;
        assert_eq!(changed.tags, Some(Vec::new()));
        assert!(changed.expiration.unwrap().to_rfc3339().starts_with("0001-01-01T00:00:00"));
    }

    const ROWS: &str = "/iocs/entities/indicators/v1";

    fn domains() -> Vec<Ioc> {
        ["a.example", "b.example"].map(|value| ioc(IocType::Domain, value, IocAction::Detect)).to_vec()
    }

    fn fault(value: &str) -> String {
        format!(
            r#"{{"row":2,"type":"domain","value":"{value}","message_type":"error","field_name":"value","message":"bad value"}}"#
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_that_is_an_error_inside_a_success_is_refused_with_its_words() {
        let (falcon, _) = falcon(|sent| match sent.path.as_str() {
            ROWS => {
                let made = r#"{"id":"0f","type":"domain","value":"A.example"}"#;
                let rows = format!("{made},{}", fault("b.example"));
                json(201, &format!(r#"{{"meta":{{"trace_id":"t-1"}},"errors":null,"resources":[{rows}]}}"#))
            }
            _ => json(200, r#"{"meta":{},"errors":null,"resources":[]}"#),
        });
        let receipts = falcon.push_iocs(&domains()).await.unwrap();
        assert!(matches!(receipts[0].answer, Answer::Accepted));
        assert_eq!(
            (receipts[0].handle.as_deref(), receipts[0].trace_id.as_deref()),
            (Some("0f"), Some("t-1"))
        );
        let Answer::Refused(error) = &receipts[1].answer else { panic!("{receipts:?}") };
        assert!(error.to_string().contains("bad value"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_call_is_cut_until_it_is_clear_which_row_it_is_about() {
        let (falcon, log) = falcon(|sent| match sent.path.as_str() {
            ROWS if sent.body.contains("b.example") => {
                let said = r#"{"code":400,"message":"one or more errors have occurred"}"#;
                let rows = fault("b.example");
                json(400, &format!(r#"{{"meta":{{}},"errors":[{said}],"resources":[{rows}]}}"#))
            }
            ROWS => json(201, r#"{"resources":[{"id":"0f","type":"domain","value":"a.example"}]}"#),
            _ => json(200, r#"{"meta":{},"errors":null,"resources":[]}"#),
        });
        let receipts = falcon.push_iocs(&domains()).await.unwrap();
        assert!(matches!(receipts[0].answer, Answer::Accepted));
        let Answer::Refused(error) = &receipts[1].answer else { panic!("{receipts:?}") };
        assert!(
            error.to_string().contains("one or more errors have occurred: b.example: bad value"),
            "{error}"
        );
        assert_eq!(log.to(ROWS).len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_keeps_what_the_wish_says_as_it_was_there() {
        let digest = "a1".repeat(32);
        let there = format!(
            r#"{{"meta":{{}},"resources":[{{"id":"0f","type":"sha256","value":"{digest}","action":"prevent_no_ui"}}]}}"#
        );
        let (falcon, log) = falcon(move |sent| match sent.path.as_str() {
            ROWS => json(200, r#"{"meta":{},"resources":[{"id":"0f"}]}"#),
            _ => json(200, &there),
        });
        let mut wish = ioc(IocType::Sha256, &digest, IocAction::Block);
        wish.groups = vec![Group { uid: Some("g-1".to_owned()), name: None }];
        (wish.is_global, wish.platforms) = (Some(false), vec![Platform::Windows]);
        wish.expiration = Expiration::At("2099-01-01T00:00:00Z".parse().unwrap());
        falcon.push_iocs(&[wish]).await.unwrap();
        let body = log.to(ROWS)[0].json();
        let row = &body["indicators"][0];
        assert_eq!(
            (&row["action"], &row["applied_globally"], &row["host_groups"], &row["platforms"]),
            (&"prevent_no_ui".into(), &false.into(), &vec!["g-1"].into(), &vec!["windows"].into())
        );
        assert_eq!(
            (&row["severity"], row["expiration"].as_str().map(|t| &t[..4])),
            (&"high".into(), Some("2099"))
        );
    }
}
