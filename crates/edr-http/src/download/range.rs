//! What the head of an answer says of the part that it brings.

use http::{HeaderMap, HeaderName, StatusCode, header};

/// Where the bytes of an answer belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brings {
    /// Nothing: the part that was asked for begins behind the end of this many bytes, if it is told.
    Nothing(Length),
    /// The bytes from here on, and how many there are in all.
    Rest(u64, Length),
    /// Something that nobody asked for.
    Strange,
    /// All bytes, and how many that is.
    Whole(Length),
}

impl Brings {
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let range = text(headers, header::CONTENT_RANGE);
        match status {
            StatusCode::PARTIAL_CONTENT => match range.and_then(content_range) {
                Some((Some((first, last)), of)) if of.is_none_or(|of| last + 1 == of) => {
                    Self::Rest(first, Some(last + 1))
                }
                _ => Self::Strange,
            },
            StatusCode::RANGE_NOT_SATISFIABLE => {
                Self::Nothing(range.and_then(content_range).and_then(|r| r.1))
            }
            _ => Self::Whole(text(headers, header::CONTENT_LENGTH).and_then(|n| n.trim().parse().ok())),
        }
    }
}

/// How many bytes there are in all, if it is told.
type Length = Option<u64>;

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// `bytes FIRST-LAST/LENGTH`, where a star stands for what is not told (RFC 9110, 14.4).
fn content_range(text: &str) -> Option<(Option<(u64, u64)>, Length)> {
    let (unit, rest) = text.trim().split_once(' ')?;
    let (range, of) = rest.trim().split_once('/')?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let of = if of == "*" { None } else { Some(number(of)?) };
    let range = match range {
        "*" => None,
        range => {
            let (first, last) = range.split_once('-')?;
            let (first, last) = (number(first)?, number(last)?);
            (first <= last && last < u64::MAX && of.is_none_or(|of| last < of)).then_some(())?;
            Some((first, last))
        }
    };
    unit.eq_ignore_ascii_case("bytes").then_some((range, of))
}

/// The strong `ETag`; a weak one does not say that the bytes are the same.
pub(crate) fn strong_tag(headers: &HeaderMap) -> Option<&str> {
    const LONGEST: usize = 1024;
    text(headers, header::ETAG).filter(|tag| tag.starts_with('"') && tag.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, range: &str) -> Brings {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_RANGE, range.parse().unwrap());
        Brings::of(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn ranges_are_read() {
        for (status, range, expected) in [
            (206, "bytes 5-9/10", Brings::Rest(5, Some(10))),
            (206, "Bytes 5-9/*", Brings::Rest(5, Some(10))),
            (206, "bytes 5-8/10", Brings::Strange),
            (206, "bytes 9-5/10", Brings::Strange),
            (206, "bytes 5-10/10", Brings::Strange),
            (206, "bytes */10", Brings::Strange),
            (206, "bytes +5-9/10", Brings::Strange),
            (206, "bytes 5-18446744073709551615/*", Brings::Strange),
            (206, "items 5-9/10", Brings::Strange),
            (206, "", Brings::Strange),
            (416, "bytes */10", Brings::Nothing(Some(10))),
            (416, "?", Brings::Nothing(None)),
            (200, "bytes 5-9/10", Brings::Whole(None)),
        ] {
            assert_eq!(of(status, range), expected, "{status} {range}");
        }
    }

    #[test]
    fn only_a_strong_tag_counts() {
        for (tag, good) in [("\"x\"", true), ("W/\"x\"", false), ("x", false)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ETAG, tag.parse().unwrap());
            assert_eq!(strong_tag(&headers).is_some(), good, "{tag}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_range_is_read_without_panic(range in "(bytes )?[0-9*/ -]{0,50}") {
            of(206, &range);
            of(416, &range);
        }
    }
}
