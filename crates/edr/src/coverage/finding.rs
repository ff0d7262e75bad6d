//! What there is to say about a machine.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Makes the list of findings with their words and what they mean.
macro_rules! findings {
    ($($(#[$meta:meta])* $variant:ident => $word:literal, $title:literal);+ $(;)?) => {
        /// Something that there is to say about a machine. A machine may have several.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Finding {
            $($(#[$meta])* $variant),+
        }

        impl Finding {
            /// All of them, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its word, as in JSON and in a check.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Its meaning in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

findings! {
    /// No agent: in the denominator and at no vendor, or every agent was removed.
    Missing => "missing", "without any agent";
    /// At a vendor, but not in the denominator.
    Unlisted => "unlisted", "not in the denominator";
    /// An agent was not seen for too long.
    Stale => "stale", "agent not seen for too long";
    /// An agent was not seen again after its installation.
    NeverSeen => "never_seen", "not seen since installation";
    /// An agent does not protect.
    Unprotected => "unprotected", "agent does not protect";
    /// An agent works with restrictions.
    Degraded => "degraded", "agent works with restrictions";
    /// An agent is older than the release before the newest.
    BehindN1 => "behind_n1", "agent older than N-1";
    /// An agent is older than the second release before the newest.
    BehindN2 => "behind_n2", "agent older than N-2";
    /// Agents of two vendors, both alive.
    DoubledVendors => "doubled_vendors", "agents of two vendors";
    /// Two agents of one vendor, both alive.
    DoubledAgents => "doubled_agents", "two agents of one vendor";
    /// Contained.
    Contained => "contained", "contained";
    /// Containment, or its end, is asked for and not confirmed.
    ContainmentPending => "containment_pending", "containment pending";
    /// An agent was removed.
    Uninstalled => "uninstalled", "agent removed";
}

impl Finding {
    /// Whether it says little or nothing without a denominator.
    #[must_use]
    pub fn needs_denominator(self) -> bool {
        matches!(self, Self::Missing | Self::Unlisted)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
