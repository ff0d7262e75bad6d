//! A vendor's answers, written down so that both a fuzzer and a person can change them.
//!
//! ```text
//! 429
//! retry-after: 3
//!
//! {"errors":[{"code":429,"message":"slow down"}]}
//! --
//! 200
//!
//! {"resources":[]}
//! ```
//!
//! A status line, headers, an empty line, a body; `--` stands between two answers. A status below 10 is
//! a failure below HTTP. The headers `piece` and `break` are not sent: they say into pieces of which
//! size the body falls, and that it breaks off.

use std::time::Duration;

use bytes::Bytes;
use edr_http::{BodyStream, MemoryTransport, TransportError, TransportErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The answers, in the order in which they are given. After the last comes the first again.
#[derive(Clone, Debug)]
pub struct Script(Vec<Answer>);

#[derive(Clone, Debug, Default)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    piece: usize,
    breaks: bool,
}

impl Script {
    /// Reads answers. Every text is some script.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        Self(split(text, b"\n--\n").into_iter().map(Answer::read).collect())
    }

    /// The answer to the request of this number.
    ///
    /// # Errors
    /// When the answer is a failure below HTTP.
    pub fn answer(&self, number: usize) -> Result<http::Response<BodyStream>, TransportError> {
        self.0[number % self.0.len()].give()
    }

    /// How long the request of this number waits for its answer.
    #[must_use]
    pub fn wait(&self, number: usize) -> Duration {
        if self.0[number % self.0.len()].status == 5 { Duration::from_secs(3600) } else { Duration::ZERO }
    }
}

impl Answer {
    fn read(text: &[u8]) -> Self {
        let (head, body) = cut(text, b"\n\n").unwrap_or((text, b""));
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let status = lines.next().and_then(|l| l.trim().parse().ok()).unwrap_or(200);
        let mut answer = Self { status, body: Bytes::copy_from_slice(body), ..Self::default() };
        lines
            .filter_map(|line| line.split_once(':'))
            .for_each(|(name, value)| answer.header(name, value.trim()));
        answer
    }

    fn header(&mut self, name: &str, value: &str) {
        match name {
            "break" => self.breaks = true,
            "piece" => self.piece = value.parse().unwrap_or_default(),
            _ => {
                if let (Ok(name), Ok(value)) =
                    (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
                {
                    self.headers.append(name, value);
                }
            }
        }
    }

    fn give(&self) -> Result<http::Response<BodyStream>, TransportError> {
        match self.status {
            1 => return Err(TransportError::new(TransportErrorKind::Connect)),
            2 => return Err(TransportError::new(TransportErrorKind::Interrupted)),
            3 => return Err(TransportError::new(TransportErrorKind::Timeout)),
            4 => return Err(TransportError::new(TransportErrorKind::Tls)),
            _ => {}
        }
        let size = if self.piece == 0 { self.body.len().max(1) } else { self.piece };
        let mut pieces: Vec<Result<Bytes, TransportError>> =
            self.body.chunks(size).map(|piece| Ok(self.body.slice_ref(piece))).collect();
        if self.breaks {
            pieces.push(Err(TransportError::new(TransportErrorKind::Body)));
        }
        let mut response = MemoryTransport::pieces(self.status, pieces)?;
        *response.headers_mut() = self.headers.clone();
        Ok(response)
    }
}

fn cut<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|w| w == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

fn split<'a>(mut text: &'a [u8], mark: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some((part, rest)) = cut(text, mark) {
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, TryStreamExt as _};

    use super::*;

    #[test]
    fn answers_are_read_and_come_round() {
        let script = Script::read(b"429\nretry-after: 3\n\nslow\n--\n1\n--\n200\npiece: 2\nbreak: 1\n\nabc");
        let first = script.answer(3).unwrap();
        assert_eq!((first.status().as_u16(), first.headers()["retry-after"].as_bytes()), (429, &b"3"[..]));
        assert!(script.answer(1).is_err_and(|e| e.kind == TransportErrorKind::Connect));
        let broken = script.answer(2).unwrap().into_body();
        assert!(broken.try_collect::<Vec<_>>().now_or_never().unwrap().is_err());
    }

    #[test]
    fn anything_is_a_script() {
        for text in [&b""[..], b"\n--\n", b"\xff\n\n\xff", b"x\n:\n\n"] {
            assert!(Script::read(text).answer(7).is_ok());
        }
    }
}
