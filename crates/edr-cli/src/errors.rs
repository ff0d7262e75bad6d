//! What can go wrong in a command, and how it is said: one line for a person, one object for a program.

use std::borrow::Cow;
use std::io;

use edr::Error;
use edr::respond::{Error as Response, Refusal, Rule};
use serde::Serialize;

use crate::exit::Exit;
use crate::output::text;

/// Why a command stops.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A person said no.
    Declined,
    /// The configuration or a vendor.
    Estate(Error),
    /// A rule forbids it.
    Forbidden(String),
    /// The user has had enough before there was anything to show.
    Interrupted,
    /// The output cannot be written.
    Output(io::Error),
    /// A file of ours cannot be read or written, or a program part does not start.
    Other(String),
    /// A response that did not run.
    Response(Box<Response>),
    /// The command line is wrong.
    Usage(String, Option<String>),
}

impl Failure {
    /// A mistake on the command line.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into(), None)
    }

    /// True when the reader of our output went away, which is no failure.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code.
    pub(crate) fn exit(&self, timed: bool) -> Exit {
        match self {
            Self::Declined => Exit::Declined,
            Self::Forbidden(_) => Exit::Refused,
            Self::Estate(error) => Exit::of(error, timed),
            Self::Response(error) => exit_of(error, timed),
            Self::Interrupted => Exit::Interrupted,
            Self::Usage(..) => Exit::Usage,
            Self::Output(_) if self.is_broken_pipe() => Exit::Complete,
            Self::Output(_) | Self::Other(_) => Exit::Failed,
        }
    }

    /// The line for a person, without its prefix.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Declined => "declined; nothing was changed".to_owned(),
            Self::Estate(error) => text::plain(&error.to_string()),
            Self::Response(error) => match error.rule().and_then(hint) {
                Some(hint) => text::plain(&format!("{error}; next: {hint}")),
                None => text::plain(&error.to_string()),
            },
            Self::Interrupted => "interrupted".to_owned(),
            Self::Output(error) => format!("the output cannot be written: {error}"),
            Self::Forbidden(message) | Self::Other(message) | Self::Usage(message, None) => {
                text::plain(message)
            }
            Self::Usage(message, Some(hint)) => text::plain(&format!("{message}; next: {hint}")),
        }
    }

    /// The object for a program.
    pub(crate) fn object(&self) -> ErrorObject<'_> {
        match self {
            Self::Declined => ErrorObject::plain("declined", "declined; nothing was changed", None),
            Self::Estate(error) => ErrorObject::of(error),
            Self::Response(error) => ErrorObject::response(error),
            Self::Forbidden(message) => ErrorObject::plain("refused", message, None),
            Self::Interrupted => ErrorObject::plain("cancelled", "interrupted", None),
            Self::Output(error) => ErrorObject::plain("output", error.to_string(), None),
            Self::Other(message) => ErrorObject::plain("failed", message, None),
            Self::Usage(message, hint) => ErrorObject::plain("usage", message, hint.as_deref()),
        }
    }
}

/// How a command ends whose work was done, and told, before or after it was printed: a reader of our output that went away
/// makes no failure of it, and hides none either.
pub(crate) fn ended(printed: Result<(), Failure>, exit: Exit) -> Result<Exit, Failure> {
    match printed {
        Err(failure) if !failure.is_broken_pipe() => Err(failure),
        _ => Ok(exit),
    }
}

impl From<Response> for Failure {
    fn from(error: Response) -> Self {
        match error {
            Response::Provider(error) => Self::Estate(error),
            error => Self::Response(Box::new(error)),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Response::from(refusal).into()
    }
}

/// Nothing selected is a mistake on the command line; every other rule refuses.
fn exit_of(error: &Response, timed: bool) -> Exit {
    match error {
        Response::Refused(refusal) if refusal.rule == Rule::EmptySelection => Exit::Usage,
        Response::Refused(_) => Exit::Refused,
        Response::Selection(_) => Exit::Usage,
        Response::UnknownOperation(_) => Exit::NotFound,
        Response::Provider(error) => Exit::of(error, timed),
        _ => Exit::Failed,
    }
}

/// What to do about a refusal.
fn hint(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::Approvals => {
            "write the plan with -n --plan-out FILE, have it signed by `edr respond sign`, and run `edr respond apply FILE`"
        }
        Rule::Confirm => "look at the plan with -n",
        Rule::Consent => "run it in a terminal and type the number, or give --yes with --max-hosts",
        Rule::MaxHosts => "look at the plan with -n, and raise --max-hosts to its number",
        Rule::MaxIocs => "look at it with -n, and raise --max-iocs to its number",
        Rule::Moved => "make a new plan, or leave these hosts out with --without-moved",
        Rule::Strict => "see what would be left out with -n",
        Rule::YesNeedsMaxHosts => "add --max-hosts N",
        Rule::YesNeedsMaxIocs => "add --max-iocs N, or --confirm N",
        _ => return None,
    })
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Estate(error)
    }
}

impl From<edr::core::FilterError> for Failure {
    fn from(error: edr::core::FilterError) -> Self {
        Self::Usage(error.to_string(), None)
    }
}

/// An error as one JSON object on standard error; every key is always there.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'a str,
    tenant: Option<&'a str>,
    vendor: Option<&'a str>,
    operation: Option<&'a str>,
    vendor_code: Option<Cow<'a, str>>,
    trace_id: Option<Cow<'a, str>>,
    retryable: bool,
    message: Cow<'a, str>,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
}

impl<'a> ErrorObject<'a> {
    /// The object of an estate's error.
    pub(crate) fn of(error: &'a Error) -> Self {
        Self {
            code: error.kind().as_str(),
            tenant: error.tenant().map(|t| t.as_str()),
            vendor: error.vendor().map(|v| v.as_str()),
            operation: error.operation(),
            vendor_code: error.vendor_code(),
            trace_id: error.trace_id(),
            retryable: error.is_retryable(),
            ..Self::plain(error.kind().as_str(), message(error), error.hint())
        }
    }

    /// The object of a response that did not run; a refusal names its rule.
    fn response(error: &'a Response) -> Self {
        let code = match error {
            Response::Refused(_) => "refused",
            Response::Busy { .. } => "busy",
            Response::Selection(_) => "usage",
            Response::Journal(_) => "journal",
            Response::UnknownOperation(_) => "not_found",
            _ => "failed",
        };
        let rule = error.rule();
        Self { rule: rule.map(Rule::as_str), ..Self::plain(code, error.to_string(), rule.and_then(hint)) }
    }

    /// An object of ours.
    pub(crate) fn plain(code: &'a str, message: impl Into<Cow<'a, str>>, hint: Option<&'a str>) -> Self {
        Self {
            kind: "error",
            code,
            tenant: None,
            vendor: None,
            operation: None,
            vendor_code: None,
            trace_id: None,
            retryable: false,
            message: message.into(),
            hint,
            rule: None,
        }
    }
}

/// The cause in words, with what the vendor said; without tenant, operation and hint, which have
/// keys of their own.
pub(crate) fn message(error: &Error) -> String {
    let kind = error.kind().as_str().replace('_', " ");
    let own = Some(error.message()).filter(|m| !m.is_empty());
    let detail = error.detail();
    let said = detail.and_then(|d| d.message()).filter(|m| !m.is_empty()).map(|m| format!("\"{m}\""));
    let status = detail.and_then(|d| d.status()).map(|s| format!("HTTP {s}"));
    let vendor: Vec<String> = [status, said].into_iter().flatten().collect();
    let vendor = if vendor.is_empty() { String::new() } else { format!(" [{}]", vendor.join(", ")) };
    format!("{}{vendor}", own.map_or(kind.clone(), |own| format!("{kind}: {own}")))
}

#[cfg(test)]
mod tests {
    use edr::ErrorKind;
    use edr::core::PlainDetail;

    use super::*;

    fn error() -> Error {
        let detail = PlainDetail {
            code: Some("403".into()),
            message: Some("access denied, authorization failed".into()),
            trace_id: Some("ab-12".into()),
            status: Some(403),
        };
        Error::new(ErrorKind::Permission, "the API client lacks hosts:read")
            .with_operation("QueryDevicesByFilter")
            .with_tenant(&"acme".into(), &"falcon".into())
            .with_detail(detail)
            .with_hint("add the scope Hosts: read")
    }

    #[test]
    fn an_error_object_has_every_key() {
        let failure = Failure::Estate(error());
        insta::assert_snapshot!(serde_json::to_string_pretty(&failure.object()).unwrap(), @r#"
        {
          "type": "error",
          "code": "permission",
          "tenant": "acme",
          "vendor": "falcon",
          "operation": "QueryDevicesByFilter",
          "vendor_code": "403",
          "trace_id": "ab-12",
          "retryable": false,
          "message": "permission: the API client lacks hosts:read [HTTP 403, \"access denied, authorization failed\"]",
          "hint": "add the scope Hosts: read"
        }
        "#);
    }

    #[test]
    fn a_line_is_one_line_without_escapes() {
        let evil = Failure::usage("bad\n\u{1b}[31mname");
        assert!(!evil.line().contains(['\n', '\u{1b}']));
    }

    #[test]
    fn a_reader_that_goes_away_hides_nothing() {
        let gone = || Err(Failure::Output(io::ErrorKind::BrokenPipe.into()));
        for exit in [Exit::Complete, Exit::Partial, Exit::Differs] {
            assert_eq!(ended(gone(), exit).unwrap(), exit);
            assert_eq!(ended(Ok(()), exit).unwrap(), exit);
        }
        let full = Err(Failure::Output(io::ErrorKind::StorageFull.into()));
        assert_eq!(ended(full, Exit::Complete).unwrap_err().exit(false), Exit::Failed);
    }

    #[test]
    fn failures_have_their_codes() {
        assert_eq!(Failure::Estate(error()).exit(false), Exit::Denied);
        assert_eq!(Failure::usage("x").exit(false), Exit::Usage);
        assert_eq!(Failure::Other("x".into()).exit(false), Exit::Failed);
        assert_eq!(Failure::Output(io::ErrorKind::BrokenPipe.into()).exit(false), Exit::Complete);
    }
}
