//! What is held besides hosts and alerts: reading it, and the work on cases and indicators.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::{Content, InMemory, Quirk};
use crate::{
    Answer, Application, Assignee, AuditEvent, AuditQuery, Case, CaseChange, CaseQuery, Comment, Cursor,
    EdrProvider as _, Feature, HostGroup, HostHistory, Ioc, IocQuery, Listing, Noun, Page, Query, Receipt,
    Result, TenantId, Vendor, Vulnerability,
};

/// What is held besides hosts and alerts.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pub(super) cases: Vec<Case>,
    pub(super) iocs: Vec<Ioc>,
    pub(super) histories: HashMap<String, HostHistory>,
    pub(super) groups: Vec<HostGroup>,
    pub(super) applications: Vec<Application>,
    pub(super) audit_events: Vec<AuditEvent>,
    pub(super) vulnerabilities: Vec<Vulnerability>,
    /// How many indicators were made here.
    made: u64,
}

impl Shelf {
    /// Makes everything the provider's own.
    pub(super) fn owned(mut self, tenant: &TenantId, vendor: &Vendor) -> Self {
        for case in &mut self.cases {
            (case.tenant, case.vendor) = (tenant.clone(), vendor.clone());
        }
        for ioc in &mut self.iocs {
            (ioc.tenant, ioc.vendor) = (tenant.clone(), vendor.clone());
        }
        for group in &mut self.groups {
            (group.tenant, group.vendor) = (tenant.clone(), vendor.clone());
        }
        for application in &mut self.applications {
            (application.tenant, application.vendor) = (tenant.clone(), vendor.clone());
        }
        for event in &mut self.audit_events {
            (event.tenant, event.vendor) = (tenant.clone(), vendor.clone());
        }
        for vulnerability in &mut self.vulnerabilities {
            (vulnerability.tenant, vulnerability.vendor) = (tenant.clone(), vendor.clone());
        }
        self
    }
}

/// A noun that is kept and only read.
pub(super) trait Kept: Listing {
    /// By which fields it is sorted, besides its id.
    const SORTS: &'static [&'static str];

    fn kept(shelf: &Shelf) -> &[Self];

    fn order(&self, other: &Self, field: &str) -> Ordering;
}

macro_rules! kept {
    ($item:ident, $shelf:ident, $edit:ident, $says:literal, $($field:ident)+) => {
        impl Kept for $item {
            const SORTS: &'static [&'static str] = &[$(stringify!($field)),+];

            fn kept(shelf: &Shelf) -> &[Self] {
                &shelf.$shelf
            }

            fn order(&self, other: &Self, field: &str) -> Ordering {
                $(if field == stringify!($field) {
                    return self.$field.cmp(&other.$field);
                })+
                Ordering::Equal
            }
        }

        impl InMemory {
            #[doc = $says]
            pub fn $edit(&self, edit: impl FnOnce(&mut Vec<$item>)) {
                edit(&mut self.content().shelf.$shelf);
            }
        }
    };
}

kept!(Application, applications, edit_applications, "Changes the applications.", name installed);
kept!(AuditEvent, audit_events, edit_audit_events, "Changes the audit events.", time);
kept!(HostGroup, groups, edit_groups, "Changes the groups.", created_time name);
kept!(
    Vulnerability,
    vulnerabilities,
    edit_vulnerabilities,
    "Changes the vulnerabilities.",
    created_time modified_time
);

impl InMemory {
    pub(super) fn list_kept<Q>(&self, query: &Q, cursor: Option<&Cursor>) -> Result<Page<Q::Item>>
    where
        Q: Query,
        Q::Item: Kept,
    {
        self.list_by(query, cursor, ("uid", false))
    }

    /// Newest first.
    pub(super) fn list_audit(&self, query: &AuditQuery, cursor: Option<&Cursor>) -> Result<Page<AuditEvent>> {
        self.list_by(query, cursor, ("time", true))
    }

    /// In the order that is asked for, else by this field, the largest first where so it is said.
    fn list_by<Q>(&self, query: &Q, cursor: Option<&Cursor>, other: (&str, bool)) -> Result<Page<Q::Item>>
    where
        Q: Query,
        Q::Item: Kept,
    {
        let mut items = Q::Item::kept(&self.asked().shelf).to_vec();
        let (field, descending) = query.sort().map_or(other, |s| (s.field.name, s.descending));
        items.sort_by(|a, b| a.order(b, field).then_with(|| a.uid().cmp(b.uid())));
        if descending {
            items.reverse();
        }
        self.listed(query, cursor, items)
    }

    pub(super) fn one_kept<T: Kept>(&self, uid: &str) -> Result<T> {
        found(T::kept(&self.asked().shelf), uid).ok_or_else(|| self.absent(T::NOUN, uid))
    }

    /// Changes the cases.
    pub fn edit_cases(&self, edit: impl FnOnce(&mut Vec<Case>)) {
        edit(&mut self.content().shelf.cases);
    }

    /// Changes the indicators.
    pub fn edit_iocs(&self, edit: impl FnOnce(&mut Vec<Ioc>)) {
        edit(&mut self.content().shelf.iocs);
    }

    pub(super) fn list_cases(&self, query: &CaseQuery, cursor: Option<&Cursor>) -> Result<Page<Case>> {
        let mut cases = self.asked().shelf.cases.clone();
        let by_severity = query.sort.is_some_and(|s| s.field.name == "severity");
        let rank = |case: &Case| if by_severity { case.severity.rank() } else { 0 };
        cases.sort_by(|a, b| (rank(a), a.created_time, &a.uid).cmp(&(rank(b), b.created_time, &b.uid)));
        if query.sort.is_none_or(|s| s.descending) {
            cases.reverse();
        }
        self.listed(query, cursor, cases)
    }

    pub(super) fn list_iocs(&self, query: &IocQuery, cursor: Option<&Cursor>) -> Result<Page<Ioc>> {
        let mut iocs = self.asked().shelf.iocs.clone();
        let key = query.sort.map_or("uid", |s| s.field.name);
        iocs.sort_by(|a, b| {
            let first = match key {
                "created_time" => a.created_time.cmp(&b.created_time),
                "modified_time" => a.modified_time.cmp(&b.modified_time),
                "value" => a.value.cmp(&b.value),
                _ => Ordering::Equal,
            };
            first.then_with(|| a.uid.cmp(&b.uid))
        });
        if query.sort.is_some_and(|s| s.descending) {
            iocs.reverse();
        }
        self.listed(query, cursor, iocs)
    }

    fn listed<Q: Query>(
        &self,
        query: &Q,
        cursor: Option<&Cursor>,
        items: Vec<Q::Item>,
    ) -> Result<Page<Q::Item>> {
        self.page(query, cursor, items).map_err(|e| e.with_tenant(&self.tenant, &self.vendor))
    }

    pub(super) fn one_case(&self, uid: &str) -> Result<Case> {
        found(&self.asked().shelf.cases, uid).ok_or_else(|| self.absent(Noun::Case, uid))
    }

    pub(super) fn one_ioc(&self, uid: &str) -> Result<Ioc> {
        found(&self.asked().shelf.iocs, uid).ok_or_else(|| self.absent(Noun::Ioc, uid))
    }

    pub(super) fn change_cases(&self, change: &CaseChange, uids: &[String]) -> Result<Vec<Receipt>> {
        self.admit(Feature::CaseUpdate, uids)?;
        change.check().map_err(|e| e.with_tenant(&self.tenant, &self.vendor))?;
        let all = |content: &mut Content| {
            uids.iter().map(|uid| Receipt::new(uid.clone(), self.put_case(content, change, uid))).collect()
        };
        self.write(uids, all).map_err(|e| e.with_operation("case_update"))
    }

    fn put_case(&self, content: &mut Content, change: &CaseChange, uid: &str) -> Answer {
        let Some(case) = content.shelf.cases.iter_mut().find(|c| c.uid == uid) else {
            return Answer::Refused(self.absent(Noun::Case, uid));
        };
        let answer = change_case(case, change);
        if matches!(answer, Answer::Accepted) {
            content.log("update_case", uid);
        }
        answer
    }

    pub(super) fn put_iocs(&self, iocs: &[Ioc]) -> Result<Vec<Receipt>> {
        let keys: Vec<String> = iocs.iter().map(Ioc::key).collect();
        self.admit(Feature::IocPush, &keys)?;
        let put = |content: &mut Content| iocs.iter().map(|ioc| self.put_ioc(content, ioc)).collect();
        self.write(&keys, put).map_err(|e| e.with_operation("ioc_push"))
    }

    fn put_ioc(&self, content: &mut Content, ioc: &Ioc) -> Receipt {
        let key = ioc.key();
        let quirk = content.quirks.get(&key).copied();
        if let Some(Quirk::Refused(kind)) = quirk {
            return Receipt::new(key, Answer::Refused(self.said(kind, "this indicator is refused")));
        }
        let mut own = Ioc { tenant: self.tenant.clone(), vendor: self.vendor.clone(), ..ioc.clone() };
        let shelf = &mut content.shelf;
        let uid = match shelf.iocs.iter_mut().find(|i| i.key() == key) {
            Some(there) => {
                own.uid.clone_from(&there.uid);
                if *there == own {
                    return Receipt::new(key, Answer::Already).with_handle(Some(own.uid));
                }
                *there = own;
                there.uid.clone()
            }
            None => {
                shelf.made += 1;
                own.uid = format!("ioc-{}", shelf.made);
                let uid = own.uid.clone();
                shelf.iocs.push(own);
                uid
            }
        };
        content.log("push_ioc", &key);
        let answer = match quirk {
            Some(Quirk::Unmentioned) => Answer::Unknown(self.lost()),
            _ => Answer::Accepted,
        };
        Receipt::new(key, answer).with_handle(Some(uid))
    }

    pub(super) fn drop_iocs(&self, uids: &[String]) -> Result<Vec<Receipt>> {
        self.admit(Feature::IocDelete, uids)?;
        let drop = |content: &mut Content, uid: &String| {
            let before = content.shelf.iocs.len();
            content.shelf.iocs.retain(|ioc| ioc.uid != *uid);
            if content.shelf.iocs.len() == before {
                return Answer::Already;
            }
            content.log("delete_ioc", uid);
            Answer::Accepted
        };
        let all = |content: &mut Content| {
            uids.iter().map(|uid| Receipt::new(uid.clone(), drop(content, uid))).collect()
        };
        self.write(uids, all).map_err(|e| e.with_operation("ioc_delete"))
    }
}

fn found<T: Listing>(items: &[T], uid: &str) -> Option<T> {
    items.iter().find(|item| item.uid() == uid).cloned()
}

fn change_case(case: &mut Case, change: &CaseChange) -> Answer {
    let before = case.clone();
    if let Some(status) = &change.status {
        case.status = status.clone();
    }
    if let Some(verdict) = &change.verdict {
        case.verdict = verdict.clone();
    }
    if let Some(severity) = &change.severity {
        case.severity = severity.clone();
    }
    match &change.assignee {
        Some(Assignee::User(user)) => case.assignee = Some(user.clone()),
        Some(Assignee::Nobody) => case.assignee = None,
        None => {}
    }
    if let Some(text) = &change.comment {
        case.comments.push(Comment { text: text.clone(), ..Comment::default() });
    }
    if *case == before { Answer::Already } else { Answer::Accepted }
}
