//! Releases of an agent, and how far one is behind the newest.

use std::collections::{BTreeMap, BTreeSet};

use edr_core::{Platform, Vendor};

/// A release: the first two numbers of a version, `7.16` of `7.16.18605.0`.
type Line = (u32, u32);

fn line(version: &str) -> Option<Line> {
    let mut numbers = version.trim().trim_start_matches(['v', 'V']).split('.');
    let mut next = || numbers.next()?.trim().parse::<u32>().ok();
    Some((next()?, next()?))
}

fn text((major, minor): Line) -> String {
    format!("{major}.{minor}")
}

/// The releases of every vendor's agents, by platform.
#[derive(Clone, Debug, Default)]
pub struct Releases {
    seen: BTreeMap<(Vendor, Platform), BTreeSet<Line>>,
    given: BTreeMap<(Vendor, Option<Platform>), Line>,
}

impl Releases {
    /// Takes note of a version that is in use.
    pub fn see(&mut self, vendor: &Vendor, platform: &Platform, version: &str) {
        if let Some(line) = line(version) {
            self.seen.entry((vendor.clone(), platform.clone())).or_default().insert(line);
        }
    }

    /// Says which release is the newest, for one platform or for all; false for a version that cannot be read.
    pub fn newest_is(&mut self, vendor: &Vendor, platform: Option<Platform>, version: &str) -> bool {
        let line = line(version);
        if let Some(line) = line {
            self.given.insert((vendor.clone(), platform), line);
        }
        line.is_some()
    }

    /// The newest release: the one that was given, or else the newest that was seen.
    #[must_use]
    pub fn newest(&self, vendor: &Vendor, platform: &Platform) -> Option<String> {
        self.newest_line(vendor, platform).map(text)
    }

    fn newest_line(&self, vendor: &Vendor, platform: &Platform) -> Option<Line> {
        let given = |platform| self.given.get(&(vendor.clone(), platform)).copied();
        let seen = || self.seen.get(&(vendor.clone(), platform.clone()))?.last().copied();
        given(Some(platform.clone())).or_else(|| given(None)).or_else(seen)
    }

    /// How many releases a version is behind the newest, as far as that is known for certain. Releases count by their
    /// minor number; where the major number changes, by those that were seen.
    #[must_use]
    pub fn behind(&self, vendor: &Vendor, platform: &Platform, version: &str) -> Option<u32> {
        let own = line(version)?;
        let newest = self.newest_line(vendor, platform)?;
        if own >= newest {
            return Some(0);
        }
        let seen = self.seen.get(&(vendor.clone(), platform.clone()));
        let between = seen.map_or(0, |lines| lines.iter().filter(|l| **l > own && **l < newest).count());
        let between = u32::try_from(between).unwrap_or(u32::MAX - 1);
        Some((between + 1).max(least(own, newest)))
    }
}

/// The least number of releases between two, by their numbers alone.
fn least(own: Line, newest: Line) -> u32 {
    match newest.0 - own.0 {
        0 => newest.1 - own.1,
        majors => newest.1.saturating_add(majors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn releases(versions: &[&str]) -> (Releases, Vendor, Platform) {
        let (vendor, platform) = (Vendor::from_static("falcon"), Platform::Windows);
        let mut releases = Releases::default();
        versions.iter().for_each(|v| releases.see(&vendor, &platform, v));
        (releases, vendor, platform)
    }

    #[test]
    fn distance_is_counted_in_releases() {
        let (releases, v, p) = releases(&["7.16.18605.0", "7.16.1.0", "7.15.2.0", "7.9.1.0", "6.58.1"]);
        let behind = |version: &str| releases.behind(&v, &p, version);
        assert_eq!(releases.newest(&v, &p).as_deref(), Some("7.16"));
        assert_eq!(behind("7.16.0.1"), Some(0));
        assert_eq!(behind("7.15.9"), Some(1));
        assert_eq!(behind("7.14.1"), Some(2));
        assert_eq!(behind("7.9.1.0"), Some(7));
        assert_eq!(behind("6.58.1"), Some(17), "every minor number of 7 lies between");
        assert_eq!(behind("8.0"), Some(0));
        assert_eq!(behind("unknown"), None);
        assert_eq!(releases.behind(&v, &Platform::Linux, "7.1"), None);
    }

    #[test]
    fn a_newest_that_is_given_wins() {
        let (mut releases, v, p) = releases(&["7.16.1"]);
        assert!(releases.newest_is(&v, None, "7.18"));
        assert_eq!(releases.behind(&v, &p, "7.16.1"), Some(2));
        assert!(releases.newest_is(&v, Some(Platform::Windows), "7.17"));
        assert_eq!(releases.behind(&v, &p, "7.16.1"), Some(1));
        assert!(!releases.newest_is(&v, None, "latest"));
    }
}
