//! The values of a script's parameters may be secret: they stand in no error and no receipt, whatever the service
//! repeats of them.

use edr_core::{Answer, Error, Receipt, ResponseAction};

/// What the service calls the command line of a script, which holds the values.
const NAMES: &[&str] = &["runscript", "commandline"];

/// Takes the vendor's words out of an error when they repeat the command line of a script or a value in it.
pub(super) fn error(action: &ResponseAction, error: Error) -> Error {
    action.discreet_order(error, NAMES)
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
