//! Whose an indicator is: a mark that it carries at the vendor.

use std::fmt;

use edr_core::{EdrProvider, Fit, Ioc};

/// What every mark begins with.
const MARK: &str = "edr:";

/// Who keeps an indicator: a team, a feed, a job.
///
/// ```
/// use edr::iocs::Owner;
/// assert_eq!(Owner::new("soc").map(|o| o.mark()).as_deref(), Some("edr:soc"));
/// assert_eq!(Owner::new("two words"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner(String);

impl Owner {
    /// An owner by name: small letters, digits, `.`, `_` and `-`, at most 32 of them.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        ((1..=32).contains(&name.len()) && name.bytes().all(fits)).then(|| Self(name.to_owned()))
    }

    /// The mark: `edr:NAME`, as a tag; in square brackets at the end of a comment where the vendor keeps no tags.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("{MARK}{}", self.0)
    }

    /// True for an indicator with the mark. A comment counts at Cortex XDR alone, which keeps no tags: elsewhere it is
    /// text that anybody wrote.
    #[must_use]
    pub fn owns(&self, ioc: &Ioc) -> bool {
        let mark = self.mark();
        let signs = |desc: &str| ioc.vendor.as_str() == "cortex" && desc.ends_with(&format!("[{mark}]"));
        ioc.desc.as_deref().is_some_and(signs) || ioc.tags.contains(&mark)
    }

    /// The indicator with the mark where the vendor keeps it.
    pub(super) fn sign(&self, ioc: &Ioc, provider: &dyn EdrProvider) -> Ioc {
        let mut signed = ioc.clone();
        signed.tags.push(self.mark());
        if lost(provider.ioc_fit(&signed)).iter().all(|field| field != "tags") {
            return signed;
        }
        signed.tags.pop();
        signed.desc = Some(self.said(ioc.desc.as_deref()));
        signed
    }

    /// The comment of what is there, for a signed wish that has none of its own: with the mark where it stands in it.
    pub(super) fn said_there(&self, signed: &Ioc, there: &Ioc) -> Option<String> {
        if signed.desc.is_none() || (self.owns(there) && there.desc.is_some()) {
            return there.desc.clone();
        }
        Some(self.said(there.desc.as_deref().map(unmarked).filter(|text| !text.is_empty())))
    }

    fn said(&self, desc: Option<&str>) -> String {
        let said = desc.map(|desc| format!("{desc} ")).unwrap_or_default();
        format!("{said}[{}]", self.mark())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A comment without the marks at its end.
pub(super) fn unmarked(text: &str) -> &str {
    let mut rest = text.trim_end();
    while let Some((before, mark)) = rest.strip_suffix(']').and_then(|open| open.rsplit_once('[')) {
        if !is_mark(mark) {
            break;
        }
        rest = before.trim_end();
    }
    rest
}

/// True for a tag that is somebody's mark.
pub(super) fn is_mark(tag: &str) -> bool {
    tag.starts_with(MARK)
}

/// The fields that a vendor does not keep.
pub(super) fn lost(fit: edr_core::Result<Fit>) -> Vec<String> {
    match fit {
        Ok(Fit::Lossy { wanted, .. }) => wanted.split(", ").map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use edr_core::{IocAction, IocType};

    use super::*;

    #[test]
    fn a_comment_is_a_mark_where_there_are_no_tags() {
        let soc = Owner::new("soc").unwrap();
        let mut ioc = Ioc::of(IocType::Domain, "a.example", IocAction::Detect);
        ioc.desc = Some("seen [edr:soc]".to_owned());
        for (vendor, owns) in [("cortex", true), ("falcon", false), ("memory", false)] {
            ioc.vendor = vendor.into();
            assert_eq!(soc.owns(&ioc), owns, "{vendor}");
        }
        ioc.tags = vec!["edr:soc".to_owned()];
        assert!(soc.owns(&ioc));
    }

    #[test]
    fn marks_are_taken_from_the_end_of_a_comment() {
        for (text, rest) in [
            ("seen [edr:soc]", "seen"),
            ("seen [edr:a] [edr:b] ", "seen"),
            ("[edr:soc]", ""),
            ("seen [1]", "seen [1]"),
            ("[edr:soc] seen", "[edr:soc] seen"),
            ("seen]", "seen]"),
        ] {
            assert_eq!(unmarked(text), rest);
        }
    }
}
