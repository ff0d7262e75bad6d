//! What became of each indicator.

use edr_core::{Answer, Error as VendorError, ErrorKind, Receipt, TenantId, Vendor};
use serde::Serialize;

use super::diff::{Item, Step};

/// What became of one indicator of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IocResult {
    /// The vendor took it, and lets nobody read it back.
    Accepted,
    /// It is there: it was read back.
    Added,
    /// It was there already.
    Already,
    /// It is there as it was wanted: it was read back.
    Changed,
    /// The vendor cannot express it.
    NotExpressible,
    /// It was not sent, for what came before it.
    NotSent,
    /// The vendor refused it, or it is somebody else's.
    Refused,
    /// It is gone: that was read back.
    Removed,
    /// The vendor took it, and it was not seen so when it was read back.
    Unconfirmed,
    /// Nobody can say.
    Unknown,
}

impl IocResult {
    /// The result as a stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Added => "added",
            Self::Already => "already",
            Self::Changed => "changed",
            Self::NotExpressible => "not_expressible",
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Removed => "removed",
            Self::Unconfirmed => "unconfirmed",
            Self::Unknown => "unknown",
        }
    }

    /// True when nothing is left to do or to look at.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Accepted | Self::Added | Self::Already | Self::Changed | Self::Removed)
    }
}

/// What became of one indicator of one tenant, with the reason.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Done {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor.
    pub vendor: Vendor,
    /// The indicator, and what was to be done.
    pub item: Item,
    /// What became of it.
    pub result: IocResult,
    /// The vendor's own id, where it is known.
    pub uid: Option<String>,
    /// The id under which the vendor's support finds the request.
    pub trace_id: Option<String>,
    /// Why it was refused, or why nobody can say.
    pub error: Option<VendorError>,
}

/// What one item became.
#[derive(Clone, Debug)]
pub(super) struct Became {
    pub(super) result: IocResult,
    pub(super) uid: Option<String>,
    pub(super) trace_id: Option<String>,
    pub(super) error: Option<VendorError>,
}

impl Became {
    pub(super) fn of(result: IocResult) -> Self {
        Self { result, uid: None, trace_id: None, error: None }
    }

    pub(super) fn because(result: IocResult, error: VendorError) -> Self {
        let trace_id = error.trace_id().map(|id| id.into_owned());
        Self { error: Some(error), trace_id, ..Self::of(result) }
    }

    /// What the vendor's own answer says, before anything is read back.
    pub(super) fn answered(receipt: Receipt) -> Self {
        let became = match receipt.answer {
            Answer::Accepted => Self::of(IocResult::Accepted),
            Answer::Already => Self::of(IocResult::Already),
            Answer::Refused(error) => Self::because(IocResult::Refused, error),
            Answer::Unknown(error) => Self::because(IocResult::Unknown, error),
            _ => Self::of(IocResult::Unknown),
        };
        let trace_id = receipt.trace_id.or(became.trace_id);
        Self { uid: receipt.handle, trace_id, ..became }
    }

    /// What is said of an item that nothing was sent for.
    pub(super) fn unsent(item: &Item) -> Self {
        let message = match &item.step {
            Step::Leave => return Self::of(IocResult::Already),
            Step::NotExpressible { reason } => {
                return Self::because(IocResult::NotExpressible, VendorError::unsupported(reason.clone()));
            }
            Step::Foreign { fields } if fields.is_empty() => {
                let message = "nothing of the kind is known there with the mark of this owner";
                let error = VendorError::new(ErrorKind::NotFound, message);
                return Self::because(IocResult::Refused, error);
            }
            Step::Foreign { fields } => {
                let fields = fields.join(", ");
                let message = format!("it is there without the mark of this owner, and differs in {fields}");
                let error = VendorError::new(ErrorKind::Conflict, message);
                return Self::because(IocResult::Refused, error);
            }
            _ => "the tenant did not answer, and it was not sent",
        };
        Self::because(IocResult::NotSent, VendorError::new(ErrorKind::Cancelled, message))
    }
}

/// What a step has come to when it is seen to be so.
pub(super) fn effect(item: &Item) -> IocResult {
    match item.step {
        Step::Change { .. } => IocResult::Changed,
        Step::Remove { .. } => IocResult::Removed,
        _ => IocResult::Added,
    }
}
