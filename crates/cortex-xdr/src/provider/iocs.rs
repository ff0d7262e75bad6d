//! Indicators: rules that detect, and the lists of blocked and allowed files.
//!
//! Three places of the vendor are one noun here. Rules can be listed and deleted on XDR 5 alone; the lists of files can
//! be read nowhere, so a file on them is named `blocklist:SHA256` or `allowlist:SHA256`.

use std::collections::BTreeMap;

use edr_core::{
    Answer, Cursor, EdrProvider as _, Error, ErrorKind, Expiration, Feature, Fit, Ioc, IocAction, IocQuery,
    IocType, PartStream, Query as _, Receipt, Result, Severity,
};

use super::CortexXdr;
use crate::api::hashes::HashList;
use crate::api::indicators::{
    self, Expiration as RuleEnd, Indicator, IndicatorFilters, IndicatorSeverity, IndicatorType, Inserted,
    Refused, Reputation,
};
use crate::windows::{self, Book, Leg, Windows};
use crate::{Filters, Generation, map, push};

/// Where a file stands that is blocked, …
const BLOCKED: &str = "blocklist:";
/// … and where one that is allowed.
const ALLOWED: &str = "allowlist:";

/// How one indicator is told.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    /// On a list of files: the digest.
    Listed(HashList, String),
    /// As a rule.
    Rule(Indicator),
}

impl CortexXdr {
    async fn lists_iocs(&self) -> Result<()> {
        match self.client().generation().await? {
            Generation::Xdr3 => Err(Error::unsupported(push::NO_LIST)),
            Generation::Xdr5 => Ok(()),
        }
    }

    pub(super) async fn open_iocs<'a>(
        &'a self,
        query: &'a IocQuery,
        cursor: Option<Cursor>,
    ) -> Result<PartStream<'a, Ioc>> {
        if let Some(sort) = query.sort {
            return Err(Error::unsupported(format!(
                "Cortex XDR does not sort indicators by {}",
                sort.field.name
            )));
        }
        self.lists_iocs().await?;
        let windows = Windows {
            client: self.client(),
            query,
            book: Book::of(&indicators::SHEET),
            filters: push::iocs(query.filters()),
            key: None,
            decode: map::ioc,
            leg: Leg::ONLY,
        };
        windows.open(cursor.as_ref())
    }

    pub(super) async fn one_ioc(&self, uid: &str) -> Result<Ioc> {
        self.lists_iocs().await?;
        let number = number(uid)?;
        let filters = Filters::new().one_of("rule_id", [number])?;
        windows::one(self.client(), &indicators::SHEET, filters, uid, map::ioc).await
    }

    /// At most one call to each of the three places; what cannot be told goes nowhere.
    pub(super) async fn put_iocs(&self, iocs: &[Ioc]) -> Result<Vec<Receipt>> {
        let keys: Vec<String> = iocs.iter().map(Ioc::key).collect();
        self.admit(Feature::IocPush, &keys)?;
        let mut answers: BTreeMap<usize, (Answer, Option<String>)> = BTreeMap::new();
        let (mut rules, mut lists) =
            (Vec::new(), [(HashList::Allow, Vec::new()), (HashList::Block, Vec::new())]);
        for (at, ioc) in iocs.iter().enumerate() {
            match tell(ioc) {
                Ok((Told::Rule(rule), _)) => rules.push((at, ioc.value.trim().to_owned(), rule)),
                Ok((Told::Listed(list, digest), _)) => {
                    lists
                        .iter_mut()
                        .filter(|(l, _)| *l == list)
                        .for_each(|(_, on)| on.push((at, digest.clone())));
                }
                Err(error) => {
                    drop(answers.insert(at, (Answer::Refused(self.dress(error, "ioc_push")), None)))
                }
            }
        }
        if !rules.is_empty() {
            self.put_rules(&rules, &mut answers).await;
        }
        for (list, files) in lists.iter().filter(|(_, files)| !files.is_empty()) {
            self.put_files(*list, files, iocs, &mut answers).await;
        }
        let unmentioned = || (Answer::Unknown(unmentioned()), None);
        Ok(keys
            .into_iter()
            .enumerate()
            .map(|(at, key)| {
                let (answer, handle) = answers.remove(&at).unwrap_or_else(unmentioned);
                Receipt::new(key, answer).with_handle(handle)
            })
            .collect())
    }

    async fn put_rules(
        &self,
        rules: &[(usize, String, Indicator)],
        answers: &mut BTreeMap<usize, (Answer, Option<String>)>,
    ) {
        let sent: Vec<Indicator> = rules.iter().map(|(_, _, rule)| rule.clone()).collect();
        match self.client().insert_indicators(&sent).await {
            Err(error) => answers.extend(rules.iter().map(|(at, ..)| (*at, (failed(error.clone()), None)))),
            Ok(told) => answers
                .extend(rules.iter().map(|(at, value, _)| (*at, (self.inserted(value, rules, &told), None)))),
        }
    }

    /// `success` beside errors of single rows is the vendor's way. An error that names none of the rows leaves open
    /// which of them it is about.
    fn inserted(&self, value: &str, rules: &[(usize, String, Indicator)], told: &Inserted) -> Answer {
        let names = |refused: &Refused, value: &str| {
            refused.indicator.as_deref().is_some_and(|name| name.trim().eq_ignore_ascii_case(value))
        };
        let said = |refused: &Refused| {
            refused.error.clone().unwrap_or_else(|| "refused without a reason".to_owned())
        };
        let operation = indicators::INSERT_JSON.name;
        if let Some(refused) = told.refused.iter().find(|refused| names(refused, value)) {
            let error = Error::new(ErrorKind::InvalidRequest, said(refused));
            return Answer::Refused(self.dress(error, operation));
        }
        let nameless = |refused: &&Refused| !rules.iter().any(|(_, value, _)| names(refused, value));
        let doubt = match told.refused.iter().find(nameless) {
            Some(refused) => format!("a row was refused, and the answer does not name it: {}", said(refused)),
            None if told.success == Some(false) => {
                "rows were refused, and the answer does not name it".to_owned()
            }
            None => return Answer::Accepted,
        };
        Answer::Unknown(self.dress(Error::new(ErrorKind::Vendor, doubt).with_outcome_unknown(), operation))
    }

    async fn put_files(
        &self,
        list: HashList,
        files: &[(usize, String)],
        iocs: &[Ioc],
        answers: &mut BTreeMap<usize, (Answer, Option<String>)>,
    ) {
        let digests: Vec<String> = files.iter().map(|(_, digest)| digest.clone()).collect();
        // One comment stands for all of a call.
        let said = files.iter().filter_map(|(at, _)| iocs.get(*at)?.desc.as_deref());
        let comment = said.clone().next().filter(|first| said.clone().all(|text| text == *first));
        let told = self.client().change_hashes(list, &digests, comment).await;
        let place = if list == HashList::Block { BLOCKED } else { ALLOWED };
        for (at, digest) in files {
            let answer = match &told {
                // The vendor refuses a call of nothing but files that stand on either list.
                Err(error) if error.kind() == ErrorKind::Conflict => self.listed_somewhere(list),
                Err(error) => failed(error.clone()),
                Ok(told) if told.excluded.iter().any(|d| d.eq_ignore_ascii_case(digest)) => {
                    self.listed_somewhere(list)
                }
                Ok(_) => Answer::Accepted,
            };
            answers.insert(*at, (answer, Some(format!("{place}{digest}"))));
        }
    }

    fn listed_somewhere(&self, list: HashList) -> Answer {
        let message =
            "the file stands on the blocklist or the allowlist already; the vendor does not say on which";
        let hint = "look in the console; or take it off with edr iocs unblock, and block it again";
        let error = Error::new(ErrorKind::Conflict, message).with_hint(hint).with_outcome_unknown();
        Answer::Unknown(self.dress(error, list.operation().name))
    }

    /// Takes files off a list. A call that is refused because a file is not on it may be about another of its files: it
    /// is cut in halves until it is clear which.
    async fn take_off<'u>(
        &self,
        list: HashList,
        files: Vec<(&'u String, String)>,
        answers: &mut BTreeMap<&'u String, Answer>,
    ) {
        let mut pieces = vec![files];
        while let Some(mut piece) = pieces.pop() {
            if piece.is_empty() {
                continue;
            }
            let digests: Vec<String> = piece.iter().map(|(_, digest)| digest.clone()).collect();
            let answer = match self.client().change_hashes(list, &digests, None).await {
                Err(error) if error.kind() == ErrorKind::NotFound && !error.is_outcome_unknown() => {
                    if piece.len() > 1 {
                        let rest = piece.split_off(piece.len() / 2);
                        pieces.extend([piece, rest]);
                        continue;
                    }
                    Answer::Already
                }
                told => taken(told.as_ref().map(drop)),
            };
            answers.extend(piece.into_iter().map(|(uid, _)| (uid, answer.clone())));
        }
    }

    pub(super) async fn drop_iocs(&self, uids: &[String]) -> Result<Vec<Receipt>> {
        self.admit(Feature::IocDelete, uids)?;
        let (mut blocked, mut allowed, mut rules) = (Vec::new(), Vec::new(), Vec::new());
        let mut answers: BTreeMap<&String, Answer> = BTreeMap::new();
        for uid in uids {
            match (uid.strip_prefix(BLOCKED), uid.strip_prefix(ALLOWED), number(uid)) {
                (Some(digest), _, _) => blocked.push((uid, digest.to_owned())),
                (_, Some(digest), _) => allowed.push((uid, digest.to_owned())),
                (_, _, Ok(number)) => rules.push((uid, number)),
                (_, _, Err(error)) => {
                    drop(answers.insert(uid, Answer::Refused(self.dress(error, "ioc_delete"))));
                }
            }
        }
        for (list, files) in [(HashList::Unblock, blocked), (HashList::Unallow, allowed)] {
            self.take_off(list, files, &mut answers).await;
        }
        if !rules.is_empty() {
            let told = self.drop_rules(rules.iter().map(|(_, number)| *number)).await;
            answers.extend(rules.iter().map(|(uid, _)| (*uid, taken(told.as_ref().map(drop)))));
        }
        let answer = |uid| answers.remove(uid).unwrap_or_else(|| Answer::Unknown(unmentioned()));
        let mut answer = answer;
        Ok(uids.iter().map(|uid| Receipt::new(uid.clone(), answer(uid))).collect())
    }

    async fn drop_rules(&self, numbers: impl Iterator<Item = u64>) -> Result<()> {
        self.lists_iocs().await.map_err(|e| self.dress(e, "ioc_delete"))?;
        self.client().delete_indicators(IndicatorFilters::new().rule_ids(numbers)?).await
    }
}

fn number(uid: &str) -> Result<u64> {
    uid.parse().map_err(|_| {
        Error::new(ErrorKind::NotFound, format!("there is no indicator {uid:?}"))
            .with_hint("ids of indicators are the numbers of their rules")
    })
}

fn unmentioned() -> Error {
    Error::new(ErrorKind::Vendor, "the answer does not mention it").with_outcome_unknown()
}

fn failed(error: Error) -> Answer {
    if error.is_outcome_unknown() { Answer::Unknown(error) } else { Answer::Refused(error) }
}

fn taken(told: std::result::Result<(), &Error>) -> Answer {
    told.map_or_else(|error| failed(error.clone()), |()| Answer::Accepted)
}

/// How well an indicator can be told.
pub(super) fn fit(ioc: &Ioc) -> Result<Fit> {
    let (_, lost) = tell(ioc)?;
    Ok(match lost.as_slice() {
        [] => Fit::Exact,
        lost => Fit::Lossy { wanted: lost.join(", "), sent: format!("{} without it", ioc.key()) },
    })
}

/// How an indicator is told, and what of it is lost.
fn tell(ioc: &Ioc) -> Result<(Told, Vec<&'static str>)> {
    if !ioc.groups.is_empty() || ioc.is_global == Some(false) {
        return Err(Error::unsupported("an indicator of Cortex XDR holds for all hosts")
            .with_hint("leave the groups out, if it may hold everywhere"));
    }
    if ioc.is_enabled == Some(false) {
        return Err(Error::unsupported("an indicator that is pushed to Cortex XDR is switched on"));
    }
    let mut lost: Vec<&'static str> = [
        (!ioc.platforms.is_empty(), "platforms"),
        (!ioc.tags.is_empty(), "tags"),
        (ioc.source.is_some(), "source"),
        (ioc.file_name.is_some(), "file_name"),
    ]
    .into_iter()
    .filter_map(|(there, name)| there.then_some(name))
    .collect();
    let told = match ioc.action {
        IocAction::Block => Told::Listed(HashList::Block, listed(ioc, "blocks", &mut lost)?),
        IocAction::Allow => Told::Listed(HashList::Allow, listed(ioc, "allows", &mut lost)?),
        IocAction::Detect => Told::Rule(rule(ioc, &mut lost)?),
        ref other => return Err(Error::unsupported(format!("Cortex XDR knows no action {other}"))),
    };
    Ok((told, lost))
}

/// The digest of a file for one of the lists, which keep no severity and no end.
fn listed(ioc: &Ioc, does: &str, lost: &mut Vec<&'static str>) -> Result<String> {
    let digest = edr_core::model::read::hash(&ioc.value).filter(|digest| digest.len() == 64);
    let digest = digest.filter(|_| matches!(ioc.kind, IocType::Hash | IocType::Sha256));
    let digest = digest.ok_or_else(|| {
        Error::unsupported(format!("Cortex XDR {does} files by their SHA-256 alone, not {}", ioc.kind))
    })?;
    lost.extend((!ioc.severity.is_unknown()).then_some("severity"));
    lost.extend(ioc.expiration.time().map(|_| "expiration"));
    Ok(digest)
}

fn rule(ioc: &Ioc, lost: &mut Vec<&'static str>) -> Result<Indicator> {
    let kind = match ioc.kind {
        IocType::Domain => IndicatorType::DomainName,
        IocType::FileName => IndicatorType::Filename,
        IocType::FilePath => IndicatorType::Path,
        IocType::Ip | IocType::Ipv4 | IocType::Ipv6 => IndicatorType::Ip,
        IocType::Hash | IocType::Md5 | IocType::Sha256 => IndicatorType::Hash,
        ref other => {
            return Err(Error::unsupported(format!("Cortex XDR has no indicators of the type {other}")));
        }
    };
    if kind == IndicatorType::Hash && !matches!(ioc.value.trim().len(), 32 | 64) {
        return Err(Error::new(ErrorKind::InvalidRequest, "the digest is neither an MD5 nor a SHA-256"));
    }
    let severity = match ioc.severity {
        Severity::Critical => IndicatorSeverity::Critical,
        Severity::High => IndicatorSeverity::High,
        Severity::Medium => IndicatorSeverity::Medium,
        Severity::Low => IndicatorSeverity::Low,
        Severity::Informational => IndicatorSeverity::Info,
        // A rule must have one, and XDR 5 knows none for "not said".
        _ => {
            lost.push("an unknown severity");
            IndicatorSeverity::Info
        }
    };
    let end = match ioc.expiration {
        Expiration::At(at) => RuleEnd::At(at),
        Expiration::Never => RuleEnd::Never,
        _ => RuleEnd::ByType,
    };
    let rule = Indicator::new(ioc.value.trim(), kind, severity).expires(end);
    let rule = ioc.desc.iter().fold(rule, |rule, text| rule.comment(text.clone()));
    let rule = ioc.reputation.iter().fold(rule, |rule, word| rule.reputation(Reputation::read(word)));
    // Another letter would have the whole call refused.
    let letter =
        ioc.reliability.as_deref().and_then(|word| word.chars().next().map(|c| c.to_ascii_uppercase()));
    Ok(letter.filter(|letter| ('A'..='G').contains(letter)).into_iter().fold(rule, Indicator::reliability))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ioc(kind: IocType, value: &str, action: IocAction) -> Ioc {
        let mut ioc = Ioc::of(kind, value, action);
        ioc.severity = Severity::High;
        ioc
    }

    #[test]
    fn what_can_be_told_exactly_nearly_and_not_at_all() {
        let digest = "AB".repeat(32);
        assert_eq!(fit(&ioc(IocType::Domain, "evil.example", IocAction::Detect)).unwrap(), Fit::Exact);
        let mut block = Ioc::of(IocType::Sha256, digest.clone(), IocAction::Block);
        assert_eq!(fit(&block).unwrap(), Fit::Exact);
        block.tags = vec!["feed".to_owned()];
        assert!(matches!(fit(&block).unwrap(), Fit::Lossy { wanted, .. } if wanted == "tags"));
        let quiet = Ioc::of(IocType::Ipv4, "10.0.0.5", IocAction::Detect);
        assert!(matches!(fit(&quiet).unwrap(), Fit::Lossy { .. }));
        let mut narrow = ioc(IocType::Domain, "evil.example", IocAction::Detect);
        narrow.is_global = Some(false);
        for bad in [
            narrow,
            ioc(IocType::Domain, "evil.example", IocAction::Block),
            ioc(IocType::Md5, &"a1".repeat(16), IocAction::Allow),
            ioc(IocType::Url, "https://evil.example", IocAction::Detect),
            ioc(IocType::Sha1, &"a1".repeat(20), IocAction::Detect),
            ioc(IocType::Sha256, "abc", IocAction::Detect),
            ioc(IocType::Domain, "evil.example", IocAction::Monitor),
        ] {
            assert!(fit(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_indicator_becomes_a_rule_or_a_file_on_a_list() {
        let digest = "AB".repeat(32);
        let (told, _) = tell(&Ioc::of(IocType::Sha256, digest.clone(), IocAction::Allow)).unwrap();
        assert_eq!(told, Told::Listed(HashList::Allow, digest.to_lowercase()));
        let mut rule = ioc(IocType::Ipv6, "2001:db8::1", IocAction::Detect);
        (rule.expiration, rule.desc) = (Expiration::Never, Some("seen".to_owned()));
        let expected = Indicator::new("2001:db8::1", IndicatorType::Ip, IndicatorSeverity::High);
        let expected = expected.expires(RuleEnd::Never).comment("seen");
        assert_eq!(tell(&rule).unwrap().0, Told::Rule(expected.clone()));
        (rule.reputation, rule.reliability) = (Some("GOOD".to_owned()), Some("b".to_owned()));
        let expected = expected.reputation(Reputation::Good).reliability('B');
        assert_eq!(tell(&rule).unwrap().0, Told::Rule(expected), "a rule that is written anew keeps them");
    }
}
