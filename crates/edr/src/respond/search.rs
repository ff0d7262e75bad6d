//! Looking for named hosts in one tenant, in few requests.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use edr_core::{
    EdrProvider, EdrProviderExt as _, Error, ErrorKind, Filter, FoundHosts, Host, HostQuery, Noun, Op,
    Outcome, Result, Site,
};

use super::selector::{By, Selector, is_address_of};

/// Alternatives of one filter: some vendors take filters in the address of the request.
const CHUNK: usize = 50;
/// From this number of names on it is worth a request to learn how large the estate is.
const MANY: usize = 100;

/// What a tenant answered. What it has is good even where it did not answer to its end.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Hosts that some selector may name.
    pub(super) pool: Vec<Host>,
    /// The hosts of filters and alerts, by the selector's place.
    pub(super) direct: BTreeMap<usize, Vec<Host>>,
    /// Why it is not whole.
    pub(super) error: Option<Error>,
}

/// Which of the names are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// Ids, addresses, names, and what is said to be a serial number; alerts and filters.
    First,
    /// What nobody knows by name may be an id of another form, or a serial number.
    Last,
}

/// Looks for these selectors, each with its place.
pub(super) async fn search(
    provider: &dyn EdrProvider,
    wants: &[(usize, Selector)],
    pass: Pass,
    now: DateTime<Utc>,
) -> Answer {
    let mut search = Search { provider, now, answer: Answer::default() };
    let found = match pass {
        Pass::First => search.first(wants).await,
        Pass::Last => search.last(&texts(wants, |_| true)).await,
    };
    search.answer.error = search.answer.error.or(found.err());
    search.answer
}

struct Search<'a> {
    provider: &'a dyn EdrProvider,
    now: DateTime<Utc>,
    answer: Answer,
}

/// The texts of hosts that are wanted by one of these marks.
fn texts(wants: &[(usize, Selector)], take: impl Fn(By) -> bool) -> Vec<String> {
    let text = |(_, selector): &(usize, Selector)| match selector {
        Selector::Host { by, text, .. } if take(*by) => Some(text.clone()),
        _ => None,
    };
    let mut all: Vec<String> = wants.iter().filter_map(text).collect();
    all.sort();
    all.dedup();
    all
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// True when the text was refused before anything was sent: the tenant's vendor has no such ids.
fn is_no_id(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidRequest && error.attempts() == 0
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

impl Search<'_> {
    async fn first(&mut self, wants: &[(usize, Selector)]) -> Result<()> {
        for (at, selector) in wants {
            match selector {
                Selector::Filters(filters) => self.filters(*at, filters).await?,
                Selector::Alert { uid, .. } => self.alert(*at, uid).await?,
                Selector::Host { .. } => {}
            }
        }
        let any = texts(wants, |by| by == By::Any);
        let (ids, any): (Vec<String>, Vec<String>) = any.into_iter().partition(|t| is_id(t));
        let (addresses, any): (Vec<String>, Vec<String>) = any.into_iter().partition(|t| is_address(t));
        let names = [texts(wants, |by| by == By::Name), any].concat();
        if names.len() > MANY && self.listing_is_cheaper(names.len()).await? {
            return self.list(&HostQuery::new()).await;
        }
        // Ids of 32 hex digits are lower-case at every vendor; people paste them in capitals.
        let ids: Vec<String> = ids.iter().map(|id| id.to_ascii_lowercase()).collect();
        self.by_uid(&[texts(wants, |by| by == By::Uid), ids].concat()).await?;
        self.by_field("ip", &[texts(wants, |by| by == By::Address), addresses].concat()).await?;
        self.by_name(&names).await?;
        self.by_field("serial_number", &texts(wants, |by| by == By::Serial)).await
    }

    async fn last(&mut self, texts: &[String]) -> Result<()> {
        self.by_uid(texts).await?;
        self.by_field("serial_number", texts).await
    }

    /// One page tells how many hosts there are. Names cost a request for each chunk, and another for those that are
    /// written in another case.
    async fn listing_is_cheaper(&self, names: usize) -> Result<bool> {
        let page = self.provider.hosts(&HostQuery::new(), None).await?;
        let size = page.items.len().max(1) as u64;
        let pages = page.end.total.map(|total| total.div_ceil(size));
        let pages = if page.end.next.is_none() { Some(1) } else { pages };
        Ok(pages.is_some_and(|pages| pages <= names.div_ceil(CHUNK) as u64))
    }

    async fn by_uid(&mut self, uids: &[String]) -> Result<()> {
        if uids.is_empty() {
            return Ok(());
        }
        match self.provider.hosts_by_uid(uids).await {
            // One of them cannot be an id here, and nothing was sent: it must not hide the others.
            Err(e) if is_no_id(&e) && uids.len() > 1 => {
                for uid in uids {
                    Box::pin(self.by_uid(std::slice::from_ref(uid))).await?;
                }
            }
            Err(e) if is_no_id(&e) => {}
            found => {
                let hosts = self.readable(found?);
                self.answer.pool.extend(hosts);
            }
        }
        Ok(())
    }

    /// The hosts that can be read. That there are others is told, and keeps nobody from being looked for.
    fn readable(&mut self, found: FoundHosts) -> Vec<Host> {
        if let Some(odd) = found.unreadable.first() {
            let message = format!("the host {} cannot be read: {}", odd.uid, odd.reason);
            let provider = self.provider;
            let error =
                Error::new(ErrorKind::Decode, message).with_tenant(provider.tenant(), provider.vendor());
            self.answer.error.get_or_insert(error);
        }
        found.hosts
    }

    async fn by_name(&mut self, names: &[String]) -> Result<()> {
        self.by_field("hostname", names).await?;
        let found = |name: &String| self.answer.pool.iter().any(|h| h.hostname == *name);
        let missing: Vec<String> = names.iter().filter(|name| !found(name)).cloned().collect();
        self.by_field_op("hostname", Op::Like, &missing, |host, name| {
            host.hostname.eq_ignore_ascii_case(name)
        })
        .await
    }

    async fn by_field(&mut self, field: &str, texts: &[String]) -> Result<()> {
        self.by_field_op(field, Op::Eq, texts, |host, text| match field {
            "ip" => is_address_of(host, text),
            "serial_number" => host.serial_number.as_deref() == Some(text),
            _ => host.hostname == text,
        })
        .await
    }

    /// In chunks where the vendor looks, in one go where everything must be read anyway.
    async fn by_field_op(
        &mut self,
        field: &str,
        op: Op,
        texts: &[String],
        keep: impl Fn(&Host, &str) -> bool,
    ) -> Result<()> {
        let Some(first) = texts.first() else { return Ok(()) };
        let one = self.filter(field, op, std::slice::from_ref(first))?;
        let served = self.provider.capabilities().site(Noun::Host, &one) == Site::Server;
        for chunk in texts.chunks(if served { CHUNK } else { texts.len() }) {
            let before = self.answer.pool.len();
            let filter = self.filter(field, op, chunk)?;
            self.list(&HostQuery::new().filter(filter)).await?;
            let found = self.answer.pool.split_off(before);
            let wanted = |host: &Host| chunk.iter().any(|text| keep(host, text));
            self.answer.pool.extend(found.into_iter().filter(wanted));
        }
        Ok(())
    }

    fn filter(&self, field: &str, op: Op, texts: &[String]) -> Result<Filter> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Filter::new(Noun::Host, field, op, &texts, self.now)
            .map_err(|e| Error::new(ErrorKind::InvalidRequest, e.to_string()))
    }

    async fn list(&mut self, query: &HostQuery) -> Result<()> {
        let collected = self.provider.collect_hosts(query).await?;
        self.answer.pool.extend(collected.items);
        match collected.outcome {
            Outcome::Complete => Ok(()),
            Outcome::Failed { error } | Outcome::Partial { error: Some(error), .. } => Err(error),
            partial @ Outcome::Partial { .. } => Err(Error::new(ErrorKind::Vendor, partial.summary())),
        }
    }

    async fn filters(&mut self, at: usize, filters: &[Filter]) -> Result<()> {
        let mut query = HostQuery::new();
        query.with_connection = filters.iter().any(|f| f.field().name == "connection_state");
        query.filters = filters.to_vec();
        let before = self.answer.pool.len();
        let listed = self.list(&query).await;
        let found = self.answer.pool.split_off(before);
        self.answer.direct.insert(at, found);
        listed
    }

    /// The host that the alert names by its id; one that it names by name alone is looked for.
    async fn alert(&mut self, at: usize, uid: &str) -> Result<()> {
        let alert = match self.provider.alert(uid).await {
            Ok(alert) => alert,
            Err(e) if e.is_not_found() || is_no_id(&e) => return Ok(()),
            Err(e) => return Err(e),
        };
        let Some(device) = alert.device else { return Ok(()) };
        let found = if device.uid.is_empty() {
            self.provider.find_hosts(&device.hostname).await?
        } else {
            let found = self.provider.hosts_by_uid(std::slice::from_ref(&device.uid)).await?;
            self.readable(found)
        };
        self.answer.direct.insert(at, found);
        Ok(())
    }
}
