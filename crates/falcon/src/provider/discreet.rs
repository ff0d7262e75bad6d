//! The values of a script's parameters may be secret: they stand in no error and no receipt, whatever the service
//! repeats of them.

use std::error::Error as _;

use edr_core::{Answer, Error, PlainDetail, Receipt, ResponseAction};

/// Takes the vendor's words out of an error when they repeat the command line of a script or a value in it. Words of
/// our own stay: they hold none.
pub(super) fn error(action: &ResponseAction, error: Error) -> Error {
    let ResponseAction::RunScript { args, .. } = action else { return error };
    if (error.detail().is_none() && error.source().is_none()) || !repeats(args, &words(&error)) {
        return error;
    }
    let detail = PlainDetail {
        code: error.vendor_code().map(|code| code.into_owned()),
        trace_id: error.trace_id().map(|id| id.into_owned()),
        status: error.detail().and_then(|detail| detail.status()),
        ..PlainDetail::default()
    };
    let mut clear = Error::new(error.kind(), "the service's words repeat the command line, and are left out")
        .with_detail(detail)
        .with_retry(error.retry_status())
        .with_attempts(error.attempts());
    if let Some(operation) = error.operation() {
        clear = clear.with_operation(operation.to_owned());
    }
    if let (Some(tenant), Some(vendor)) = (error.tenant(), error.vendor()) {
        clear = clear.with_tenant(tenant, vendor);
    }
    if error.is_outcome_unknown() { clear.with_outcome_unknown() } else { clear }
}

/// As [`error()`], of a receipt.
pub(super) fn receipt(action: &ResponseAction, mut receipt: Receipt) -> Receipt {
    receipt.answer = match receipt.answer {
        Answer::Refused(said) => Answer::Refused(error(action, said)),
        Answer::Unknown(said) => Answer::Unknown(error(action, said)),
        other => other,
    };
    receipt
}

/// Everything that an error says, with what is behind it.
fn words(error: &Error) -> String {
    let mut text = format!("{} {:?}", error.message(), error.detail());
    text.extend(error.detail().and_then(|detail| detail.message()).as_deref());
    let mut behind = error.source();
    while let Some(cause) = behind {
        text.push_str(&cause.to_string());
        behind = cause.source();
    }
    text.to_lowercase()
}

fn repeats(args: &[(String, String)], words: &str) -> bool {
    let value = |value: &str| !value.is_empty() && words.contains(&value.to_lowercase());
    words.contains("runscript") || words.contains("commandline") || args.iter().any(|(_, v)| value(v))
}
