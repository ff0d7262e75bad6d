//! The children of Flight Control parents as tenants of their own: which are wanted, what they are
//! called, and how they are found.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use edr_core::{Error, ErrorKind, Result, TenantId, Warning};
use futures_util::{StreamExt as _, stream};

use crate::config::wrong;
use crate::estate::{Member, Options};
use crate::{Config, Estate, Selection, TenantConfig, VendorConfig, registry};

/// How long the children of all parents may take to be listed, where the command has no time of its own.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of a customer id tells two children of one name apart.
const TAIL: usize = 8;

/// A child of a Flight Control parent, as the vendor lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Child {
    /// Its name as a tenant: `parent/child`.
    pub tenant: TenantId,
    /// Its customer id: 32 lower-case hex digits.
    pub cid: String,
    /// Whether the vendor has a name for it; one without is called by its customer id.
    pub named: bool,
}

/// What a selection takes.
pub(crate) struct Chosen<'c> {
    /// Tenants of the configuration.
    pub(crate) tenants: Vec<&'c TenantConfig>,
    /// Parents of which the vendor is to be asked.
    pub(crate) parents: Vec<Wanted<'c>>,
}

/// The children of one parent that are wanted.
pub(crate) struct Wanted<'c> {
    pub(crate) parent: &'c TenantConfig,
    /// These; all when absent.
    names: Option<Vec<String>>,
}

impl<'c> Chosen<'c> {
    /// Every tenant that is connected, each once.
    pub(crate) fn involved(&self) -> Vec<&'c TenantConfig> {
        let mut all = self.tenants.clone();
        let others = self.parents.iter().map(|wanted| wanted.parent);
        all.extend(others.filter(|parent| !self.tenants.iter().any(|t| t.name == parent.name)));
        all
    }
}

impl Wanted<'_> {
    fn takes(&self, child: &Child) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|n| n == child.tenant.as_str()))
    }

    /// What stands for children that are not known, each with the reason: `acme/*` for all of them.
    pub(crate) fn lost(&self, error: &Error) -> Vec<Member> {
        let all = || vec![format!("{}/*", self.parent.name)];
        let names = self.names.clone().unwrap_or_else(all);
        let vendor = self.parent.vendor.word().into();
        let hint =
            "the children of this parent are missing; `edr tenants test` says more of the parent itself";
        let error = error.clone().with_tenant(&self.parent.name, &vendor).with_hint(hint);
        let lost = |name: &String| Member::failed(name.as_str().into(), self.parent, error.clone());
        names.iter().map(lost).collect()
    }

    /// The tenants that these children are: those that the configuration has already, by their customer
    /// id, and new ones for the others.
    ///
    /// # Errors
    /// For a child that is wanted by name and is not there.
    pub(crate) fn tenants(&self, config: &Config, children: &[Child]) -> Result<Vec<TenantConfig>> {
        if let Some(name) =
            self.names.iter().flatten().find(|n| !children.iter().any(|c| c.tenant.as_str() == *n))
        {
            let known: Vec<TenantId> = children.iter().map(|c| c.tenant.clone()).collect();
            return Err(config.unknown(name, &known));
        }
        Ok(self.known(config, children))
    }

    /// As [`Self::tenants`], without those that are not there.
    fn known(&self, config: &Config, children: &[Child]) -> Vec<TenantConfig> {
        let tenant =
            |child: &Child| config.of_customer(&child.cid).cloned().unwrap_or_else(|| self.tenant(child));
        children.iter().filter(|child| self.takes(child)).map(tenant).collect()
    }

    /// A word about wanted children that the vendor has no name for, and the configuration no table.
    fn warning(&self, config: &Config, children: &[Child]) -> Option<Warning> {
        let is_odd = |c: &&Child| !c.named && self.takes(c) && config.of_customer(&c.cid).is_none();
        let odd: Vec<&Child> = children.iter().filter(is_odd).collect();
        let message = format!(
            "the vendor tells no name of {} of its children, and customer ids stand for them, as in {}",
            odd.len(),
            odd.first()?.tenant
        );
        Some(Warning { tenant: self.parent.name.clone(), message })
    }

    fn tenant(&self, child: &Child) -> TenantConfig {
        let mut tenant = TenantConfig { name: child.tenant.clone(), ..self.parent.clone() };
        if let VendorConfig::Falcon { member_cid, children, .. } = &mut tenant.vendor {
            (*member_cid, *children) = (Some(child.cid.clone()), false);
        }
        tenant
    }
}

impl Estate {
    /// As [`Self::connect`], and asks Flight Control parents for those children that the selection takes
    /// and the configuration does not have; each is a tenant `parent/child` with a token of its own, the
    /// tags and the share of its parent, and a lane in its parent's pace. Where no child is wanted, nothing
    /// is sent. The children of a parent that does not answer, within half of the deadline or a minute, are a
    /// member `parent/*` that fails, and so are those of one that tells some of their names and fails for others;
    /// children without a name are in [`Self::warnings`].
    ///
    /// A parent may see the hosts and alerts of its children. Those of a child that is a member, too, are
    /// given out by that child alone.
    ///
    /// # Errors
    /// As [`Self::connect`]; and for a child that is named and that its parent does not have.
    pub async fn discover(config: &Config, selection: &Selection, options: &Options) -> Result<Self> {
        let chosen = config.choose(selection)?;
        let mut connector = registry::Connector::new(options, &chosen.involved());
        let mut members: Vec<Member> =
            chosen.tenants.iter().map(|t| connector.member(t, &config.network)).collect();
        let parents: Vec<Member> = chosen
            .parents
            .iter()
            .map(|wanted| {
                let known = members.iter().find(|m| m.tenant == wanted.parent.name).cloned();
                known.unwrap_or_else(|| connector.member(wanted.parent, &config.network))
            })
            .collect();
        let listed = config.list(&parents, options).await;
        let mut warnings = Vec::new();
        for (wanted, children) in chosen.parents.iter().zip(listed) {
            let children = match children {
                Ok(children) => {
                    warnings.extend(wanted.warning(config, &children));
                    match selection.known_only {
                        true => wanted.known(config, &children),
                        false => wanted.tenants(config, &children)?,
                    }
                }
                Err(error) => {
                    members.extend(wanted.lost(&error));
                    continue;
                }
            };
            // A child with a table of its own has its own tags.
            for tenant in children.into_iter().filter(|tenant| selection.fits(tenant)) {
                if !members.iter().any(|m| m.tenant == tenant.name) {
                    members.push(connector.member(&tenant, &config.network));
                }
            }
        }
        if members.is_empty() && !selection.known_only {
            return Err(config.nothing_selected());
        }
        Ok(Self::with(members, options).warned(warnings))
    }
}

impl Selection {
    /// True for the tenants that pass tags and vendor.
    fn fits(&self, tenant: &TenantConfig) -> bool {
        let tagged = self.tags.is_empty() || self.tags.iter().any(|t| tenant.tags.contains(t));
        tagged && self.vendor.as_deref().is_none_or(|v| v == tenant.vendor.word())
    }

    /// True when nothing is named, which means everything.
    fn is_open(&self) -> bool {
        self.names.is_empty() && self.children_of.is_empty()
    }

    fn calls(&self, tenant: &TenantConfig) -> bool {
        let name = tenant.name.as_str();
        self.names.iter().any(|n| n == name) || self.children_of.iter().any(|p| is_below(p, name))
    }
}

/// True for `acme/x` below `acme`.
fn is_below(parent: &str, name: &str) -> bool {
    name.strip_prefix(parent).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
}

impl Config {
    /// What the selection takes.
    pub(crate) fn choose(&self, selection: &Selection) -> Result<Chosen<'_>> {
        self.check_names(selection)?;
        let takes = |t: &&TenantConfig| selection.fits(t) && (selection.is_open() || selection.calls(t));
        let tenants: Vec<&TenantConfig> = self.tenants.iter().filter(takes).collect();
        let parents: Vec<Wanted<'_>> =
            self.tenants.iter().filter_map(|t| self.wanted(t, selection)).collect();
        let may_be_none = selection.known_only && !self.tenants.is_empty();
        if tenants.is_empty() && parents.is_empty() && !may_be_none {
            return Err(self.nothing_selected());
        }
        Ok(Chosen { tenants, parents })
    }

    fn wanted<'c>(&'c self, parent: &'c TenantConfig, selection: &Selection) -> Option<Wanted<'c>> {
        if !parent.vendor.has_children() || !selection.fits(parent) {
            return None;
        }
        let name = parent.name.as_str();
        if selection.is_open() || selection.children_of.iter().any(|p| p == name) {
            return Some(Wanted { parent, names: None });
        }
        let unlisted = selection.names.iter().filter(|n| is_below(name, n) && self.named(n).is_none());
        let names: Vec<String> = unlisted.cloned().collect();
        (!names.is_empty()).then_some(Wanted { parent, names: Some(names) })
    }

    /// The tenant of this name in the configuration.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&TenantConfig> {
        self.tenants.iter().find(|t| t.name.as_str() == name)
    }

    /// The tenant in the configuration that is the child with this customer id.
    #[must_use]
    pub fn of_customer(&self, cid: &str) -> Option<&TenantConfig> {
        self.tenants.iter().find(|t| t.vendor.customer().as_deref() == Some(cid))
    }

    fn check_names(&self, selection: &Selection) -> Result<()> {
        let parents = || self.tenants.iter().filter(|t| t.vendor.has_children());
        let may_be = |name: &str| parents().any(|p| is_below(p.name.as_str(), name));
        let unknown = selection.names.iter().find(|n| self.named(n).is_none() && !may_be(n));
        if let Some(name) = unknown.filter(|_| !selection.known_only) {
            return Err(self.unknown(name, &[]));
        }
        for name in &selection.children_of {
            let parent = self.named(name).ok_or_else(|| self.unknown(name, &[]))?;
            let has_some = || self.tenants.iter().any(|t| is_below(name, t.name.as_str()));
            if !parent.vendor.has_children() && !has_some() {
                return Err(childless(name));
            }
        }
        Ok(())
    }

    /// Asks these Flight Control parents for their children, each with its answer. The name of a child
    /// is that of the tenant that it would be with `children = true`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for a parent that the configuration does not have.
    pub async fn children(
        &self,
        parents: &[&str],
        options: &Options,
    ) -> Result<Vec<(TenantId, Result<Vec<Child>>)>> {
        let parent = |name: &&str| self.named(name).ok_or_else(|| self.unknown(name, &[]));
        let parents = parents.iter().map(parent).collect::<Result<Vec<_>>>()?;
        let mut connector = registry::Connector::new(options, &parents);
        let members: Vec<Member> = parents.iter().map(|p| connector.member(p, &self.network)).collect();
        let names = members.iter().map(|m| m.tenant.clone());
        Ok(names.zip(self.list(&members, options).await).collect())
    }

    /// The children of these parents, in their order, within the half of the time that there is.
    pub(crate) async fn list(&self, parents: &[Member], options: &Options) -> Vec<Result<Vec<Child>>> {
        let limit = options.deadline.map_or(PATIENCE, |d| d / 2);
        let listed = parents.iter().map(|parent| async move {
            let late = |_| {
                let message = format!("the children of the parent did not come within {limit:.0?}");
                Error::new(ErrorKind::Timeout, message).with_tenant(&parent.tenant, &parent.vendor)
            };
            let rows = tokio::time::timeout(limit, rows(parent)).await.map_err(late)??;
            Ok(self.called(parent.tenant.as_str(), rows))
        });
        stream::iter(listed).buffered(options.concurrency.max(1)).collect().await
    }

    /// Gives each child its name. One that another child has too, or a tenant of the configuration, gets the
    /// end of its customer id.
    fn called(&self, parent: &str, rows: BTreeMap<String, Option<String>>) -> Vec<Child> {
        let rows: Vec<(String, String, bool)> =
            rows.into_iter().map(|(cid, name)| plain(parent, cid, name.as_deref())).collect();
        let has = |name: &str| rows.iter().filter(|(plain, ..)| plain == name).count();
        let is_foreign = |name: &str, cid: &str| {
            self.named(name).is_some_and(|t| t.vendor.customer().as_deref() != Some(cid))
        };
        let mut given = BTreeSet::new();
        let mut children: Vec<Child> = Vec::new();
        for (name, cid, named) in &rows {
            let tailed = format!("{name}-{}", &cid[cid.len().saturating_sub(TAIL)..]);
            let free = |name: &String| !is_foreign(name, cid) && !given.contains(name);
            let own = (has(name) == 1).then(|| name.clone());
            let tailed = (has(&tailed) == 0).then_some(tailed);
            let name = [own, tailed].into_iter().flatten().find(free);
            let name = name.unwrap_or_else(|| format!("{parent}/{cid}"));
            children.push(Child { tenant: name.as_str().into(), cid: cid.clone(), named: *named });
            given.insert(name);
        }
        children.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        children
    }
}

/// The name of a child that no other one has, its customer id, and whether the vendor has a name for it.
fn plain(parent: &str, cid: String, name: Option<&str>) -> (String, String, bool) {
    let name = name.map(escaped).filter(|name| !name.is_empty());
    (format!("{parent}/{}", name.as_ref().unwrap_or(&cid)), cid, name.is_some())
}

fn childless(name: &str) -> Error {
    let hint = format!(
        "set children = true in [tenants.{name}], or write them down with `edr tenants import --children-of {name}`"
    );
    wrong(format!("the configuration has no children of '{name}'")).with_hint(hint)
}

/// A child's name as a part of a tenant's: what would be taken for something else is written as `%` and
/// two hex digits.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for c in name.trim().chars() {
        match c {
            '/' | '%' | '*' => text.push_str(&format!("%{:02X}", u32::from(c))),
            c if c.is_control() => {
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| text.push_str(&format!("%{b:02X}")))
            }
            c => text.push(c),
        }
    }
    text
}

/// Customer ids and names, as the vendor has them.
#[cfg(feature = "falcon")]
async fn rows(parent: &Member) -> Result<BTreeMap<String, Option<String>>> {
    use falcon::api::ListParams;
    use falcon::api::flight_control::{CHILDREN, MAX_PAGE, QUERY_CHILDREN, query_children};
    use futures_util::TryStreamExt as _;

    parent.provider.as_ref().map_err(Clone::clone)?;
    let of =
        |error: Error, operation| error.with_operation(operation).with_tenant(&parent.tenant, &parent.vendor);
    let Some(falcon) = parent.falcon() else {
        let error = Error::unsupported("only a Falcon tenant has children");
        return Err(error.with_tenant(&parent.tenant, &parent.vendor));
    };
    let client = falcon.client();
    let params = ListParams { limit: Some(MAX_PAGE), ..ListParams::default() };
    let mut pages = client.pages::<String>(query_children(&params), None);
    let mut ids = BTreeSet::new();
    while let Some(page) = pages.try_next().await? {
        if !page.undecoded.is_empty() {
            return Err(of(strange("a child's customer id is no text"), QUERY_CHILDREN.name));
        }
        ids.extend(page.resources);
    }
    let ids: Vec<String> = ids.into_iter().collect();
    let found = client.children_by_id(&ids).await?;
    // A child that loses its name for one run is another tenant in its records, in the journal and to [customers].
    if let Some(error) = found.errors.first() {
        let said = error.message.as_deref().unwrap_or("without a word");
        let error = Error::new(ErrorKind::Vendor, format!("the names of children did not all come: {said}"));
        return Err(of(error, CHILDREN.name));
    }
    if !found.undecoded.is_empty() {
        return Err(of(strange("a child's details cannot be read"), CHILDREN.name));
    }
    let named =
        found.found.into_iter().filter_map(|child| Some((child.child_cid?.to_ascii_lowercase(), child.name)));
    let names: BTreeMap<String, Option<String>> = named.collect();
    // One that has no details is a child all the same.
    let row = |id: String| {
        let none = |_| of(strange("a customer id is none"), QUERY_CHILDREN.name);
        Ok((falcon::customer_id(&id).map_err(none)?, id))
    };
    let ids = ids.into_iter().map(row).collect::<Result<Vec<_>>>()?;
    Ok(ids
        .into_iter()
        .map(|(cid, id)| (cid, names.get(&id.to_ascii_lowercase()).cloned().flatten()))
        .collect())
}

#[cfg(feature = "falcon")]
fn strange(what: &'static str) -> Error {
    Error::new(ErrorKind::Decode, what)
}

#[cfg(not(feature = "falcon"))]
async fn rows(parent: &Member) -> Result<BTreeMap<String, Option<String>>> {
    let error = Error::unsupported("this program was built without Falcon");
    Err(error.with_tenant(&parent.tenant, &parent.vendor))
}

impl VendorConfig {
    /// The customer id of a child: 32 lower-case hex digits, without its checksum.
    #[must_use]
    pub fn customer(&self) -> Option<String> {
        let Self::Falcon { member_cid: Some(cid), .. } = self else { return None };
        let cid = cid.trim();
        Some(cid.split_once('-').map_or(cid, |(body, _)| body).to_ascii_lowercase())
    }
}

/// A table with `parent = "acme"` together with what it takes from its parent's; `None` for any other.
pub(crate) fn inherited(tenants: &toml::Table, value: &toml::Value) -> Result<Option<toml::Value>> {
    let Some(own) = value.as_table() else { return Ok(None) };
    let Some(name) = own.get("parent") else { return Ok(None) };
    let name = name.as_str().ok_or_else(|| wrong("parent must be the name of a tenant"))?;
    let parent = tenants.get(name).and_then(toml::Value::as_table);
    let parent =
        parent.ok_or_else(|| wrong(format!("parent names '{name}', and there is no such tenant")))?;
    if parent.contains_key("parent") || parent.contains_key("member_cid") {
        return Err(wrong(format!("parent names '{name}', which is a child itself")));
    }
    if !own.contains_key("member_cid") {
        return Err(wrong("member_cid is missing: it says which child of the parent this is"));
    }
    let mut whole = parent.clone();
    whole.remove("children");
    whole.extend(own.iter().filter(|(key, _)| *key != "parent").map(|(k, v)| (k.clone(), v.clone())));
    Ok(Some(whole.into()))
}

#[cfg(test)]
#[path = "children_tests.rs"]
mod tests;
