//! Hosts that are never acted on.

use std::path::Path;

use edr_core::{Host, Tag, Vendor};

use crate::{ProtectedConfig, file};

/// The role that is protected unless the configuration says otherwise.
const BY_DEFAULT: &str = "domain_controller";

/// Hosts that are never acted on: by name, tag, group, role, or from a file.
#[derive(Clone, Debug)]
pub struct Protection {
    /// Patterns, each with the word for where it comes from.
    names: Vec<(String, String)>,
    tags: Vec<String>,
    groups: Vec<String>,
    roles: Vec<String>,
}

impl Default for Protection {
    /// Domain controllers.
    fn default() -> Self {
        Self { names: Vec::new(), tags: Vec::new(), groups: Vec::new(), roles: vec![BY_DEFAULT.to_owned()] }
    }
}

impl Protection {
    /// Nobody. For tests, and for who protects by other means.
    #[must_use]
    pub fn none() -> Self {
        Self { roles: Vec::new(), ..Self::default() }
    }

    /// What the configuration protects. A file is looked for beside the configuration.
    ///
    /// # Errors
    /// When the file cannot be read: hosts are never left unprotected in silence.
    pub fn of(config: &ProtectedConfig, folder: Option<&Path>) -> edr_core::Result<Self> {
        let own = |pattern: &String| (pattern.clone(), format!("hostnames {pattern}"));
        let mut names: Vec<_> = config.hostnames.iter().map(own).collect();
        if let Some(name) = &config.file {
            let path = folder.map_or_else(|| name.into(), |folder| folder.join(name));
            let text = file::text(&path, file::LARGE).map_err(|e| unreadable(&path, e))?;
            let patterns = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
            names.extend(patterns.map(|p| (p.to_owned(), format!("file {p}"))));
        }
        let roles = config.roles.clone().unwrap_or_else(|| vec![BY_DEFAULT.to_owned()]);
        Ok(Self { names, tags: config.tags.clone(), groups: config.groups.clone(), roles })
    }

    /// Refuses rules that could not hold in silence: Falcon tells of a host's groups their ids alone, so that a group by
    /// its name, or by a pattern, would protect nobody there.
    pub(super) fn check<'a>(&self, vendors: impl IntoIterator<Item = &'a Vendor>) -> edr_core::Result<()> {
        let is_id = |group: &String| group.len() == 32 && group.bytes().all(|b| b.is_ascii_hexdigit());
        let Some(name) = self.groups.iter().find(|group| !is_id(group)) else { return Ok(()) };
        if vendors.into_iter().any(|vendor| vendor.as_str() == "falcon") {
            let message = format!(
                "[safety] the protected group {name:?} is no id: Falcon tells of a host's groups only the ids"
            );
            return Err(edr_core::Error::new(edr_core::ErrorKind::Configuration, message)
                .with_hint("write the group's id of 32 hex digits, or protect by hostname, tag or role"));
        }
        Ok(())
    }

    /// The rule that protects this host, such as `roles domain_controller`. The host is looked at under all its names, so
    /// that it does not matter by which of them it was selected.
    #[must_use]
    pub fn rule_for(&self, host: &Host) -> Option<String> {
        let names = names(host);
        let by_name = self
            .names
            .iter()
            .find(|(p, _)| names.iter().any(|name| is_like(name, p)))
            .map(|(_, rule)| rule.clone());
        // As the console writes it, with the kind in front, and without.
        let whole: Vec<String> = host.tags.iter().filter_map(full_tag).collect();
        let tags = host
            .tags
            .iter()
            .flat_map(|t| [Some(t.value.as_str()), t.value.split_once('/').map(|(_, v)| v)])
            .flatten()
            .chain(whole.iter().map(String::as_str));
        let groups = host.groups.iter().flat_map(|g| [g.uid.as_deref(), g.name.as_deref()]);
        by_name
            .or_else(|| among("tags", &self.tags, tags))
            .or_else(|| among("groups", &self.groups, groups.flatten()))
            .or_else(|| among("roles", &self.roles, host.roles.iter().map(String::as_str)))
    }
}

fn full_tag(tag: &Tag) -> Option<String> {
    tag.source.as_ref().map(|source| format!("{source}/{}", tag.value))
}

fn among<'a>(kind: &str, wanted: &[String], mut values: impl Iterator<Item = &'a str>) -> Option<String> {
    let hit = |value: &str| wanted.iter().find(|w| is_like(value, w));
    values.find_map(hit).map(|w| format!("{kind} {w}"))
}

fn unreadable(path: &Path, error: std::io::Error) -> edr_core::Error {
    let message = format!("[safety] the list of protected hosts {} cannot be read: {error}", path.display());
    edr_core::Error::new(edr_core::ErrorKind::Configuration, message).with_source(error)
}

/// Everything that the host is called.
fn names(host: &Host) -> Vec<String> {
    let short = host.hostname.split('.').next().unwrap_or_default();
    let mut names = vec![host.hostname.clone(), short.to_owned(), host.uid.clone()];
    names.extend(host.name.clone());
    names.extend(host.domain.as_ref().map(|domain| format!("{short}.{domain}")));
    names.retain(|name| !name.is_empty());
    names
}

/// True when the text is like the pattern, in which `*` stands for anything and `?` for one character. Case is ignored.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
    let (text, pattern) = (lower(text), lower(pattern.trim()));
    let (mut t, mut p) = (0, 0);
    // Where to go on when what follows the last star did not fit.
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            back = Some((p + 1, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == text[t]) {
            (t, p) = (t + 1, p + 1);
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            (t, p) = (from + 1, star);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use edr_core::Group;

    use super::*;

    #[test]
    fn patterns_cover_the_whole_name_and_ignore_case() {
        for (text, pattern) in
            [("DC-01", "dc-*"), ("a", "*"), ("web-1", "web-?"), ("xaab", "*ab"), ("", "*"), ("abc", "a*b*c")]
        {
            assert!(is_like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in
            [("xdc-01", "dc-*"), ("web-10", "web-?"), ("ab", "a"), ("a", ""), ("abx", "*ab")]
        {
            assert!(!is_like(text, pattern), "{text} {pattern}");
        }
    }

    #[test]
    fn a_protected_host_has_no_other_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p.txt"), "# vpn\nvpn-*\n").unwrap();
        let config = ProtectedConfig {
            hostnames: vec!["CORE-*".into(), "*.secure.example".into()],
            tags: vec!["crown-jewel".into()],
            groups: vec!["Servers".into()],
            file: Some("p.txt".into()),
            ..ProtectedConfig::default()
        };
        let protection = Protection::of(&config, Some(folder.path())).unwrap();
        let host = |edit: fn(&mut Host)| {
            let mut host = Host::new("v", "t", "id-1", "{}");
            host.hostname = "web-1".into();
            edit(&mut host);
            protection.rule_for(&host)
        };
        assert_eq!(host(|_| {}), None);
        assert_eq!(host(|h| h.hostname = "core-7.lan.example".into()).as_deref(), Some("hostnames CORE-*"));
        assert_eq!(host(|h| h.name = Some("Core-9".into())).as_deref(), Some("hostnames CORE-*"));
        assert_eq!(
            host(|h| h.domain = Some("secure.example".into())).as_deref(),
            Some("hostnames *.secure.example")
        );
        assert_eq!(host(|h| h.hostname = "VPN-2".into()).as_deref(), Some("file vpn-*"));
        assert_eq!(
            host(|h| h.roles = vec!["domain_controller".into()]).as_deref(),
            Some("roles domain_controller")
        );
        let tag =
            host(|h| h.tags = vec![Tag { source: None, value: "FalconGroupingTags/Crown-Jewel".into() }]);
        assert_eq!(tag.as_deref(), Some("tags crown-jewel"));
        let group = host(|h| h.groups = vec![Group { uid: None, name: Some("servers".into()) }]);
        assert_eq!(group.as_deref(), Some("groups Servers"));
        let lost = ProtectedConfig { file: Some("gone.txt".into()), ..config };
        assert!(
            Protection::of(&lost, Some(folder.path()))
                .unwrap_err()
                .to_string()
                .contains("gone.txt cannot be read")
        );
    }

    #[test]
    fn a_tag_protects_as_the_console_writes_it() {
        let mut host = Host::new("falcon", "acme", "1", "{}");
        host.tags = vec![Tag { source: Some("FalconGroupingTags".into()), value: "crown-jewel".into() }];
        for tag in ["FalconGroupingTags/crown-jewel", "crown-jewel", "falcongroupingtags/*"] {
            let config = ProtectedConfig { tags: vec![tag.to_owned()], ..ProtectedConfig::default() };
            assert!(Protection::of(&config, None).unwrap().rule_for(&host).is_some(), "{tag}");
        }
    }

    #[test]
    fn a_group_that_falcon_would_not_tell_is_refused() {
        let of = |group: &str| {
            let config = ProtectedConfig { groups: vec![group.to_owned()], ..ProtectedConfig::default() };
            Protection::of(&config, None).unwrap()
        };
        let (falcon, cortex) = (Vendor::from_static("falcon"), Vendor::from_static("cortex"));
        assert!(of("Domain Controllers").check([&cortex]).is_ok());
        let error = of("Domain Controllers").check([&cortex, &falcon]).unwrap_err();
        assert!(error.to_string().contains("Domain Controllers"), "{error}");
        assert!(of("0123456789abcdef0123456789abcdef").check([&falcon]).is_ok());
    }
}
