//! Forms with files in them (RFC 7578).

use bytes::Bytes;

/// One part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    pub(super) bytes: Bytes,
}

/// The parts of a form, whose boundary is its own first line. `None` when it is no such form.
pub(super) fn parts(body: &Bytes) -> Option<Vec<Part>> {
    let end = find(body, b"\r\n", 0)?;
    let mark = body.get(..end).filter(|line| line.starts_with(b"--"))?;
    let between = [b"\r\n", mark].concat();
    let (mut out, mut at) = (Vec::new(), end);
    while body.get(at..at + 2) == Some(b"\r\n") {
        let stop = find(body, &between, at + 2)?;
        out.push(part(body.slice(at + 2..stop))?);
        at = stop + between.len();
    }
    (body.get(at..at + 2) == Some(b"--")).then_some(out)
}

fn part(bytes: Bytes) -> Option<Part> {
    let head = find(&bytes, b"\r\n\r\n", 0)?;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let said = text.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let value = |key: &str| {
        let (_, rest) = said.split_once(&format!("; {key}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    Some(Part { name: value("name")?, filename: value("filename"), bytes: bytes.slice(head + 4..) })
}

fn find(text: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    rest.windows(what.len()).position(|w| w == what).map(|at| from + at)
}

/// The text of a field.
pub(super) fn text(parts: &[Part], name: &str) -> Option<String> {
    let part = parts.iter().find(|p| p.name == name)?;
    String::from_utf8(part.bytes.to_vec()).ok().filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_at_the_boundary_alone() {
        let form = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\none\r\n--b\r\n\
            Content-Type: text/plain\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n\
            1\r\n--c\r\n2\r\n--b--\r\n";
        let parts = parts(&Bytes::from(form)).unwrap();
        assert_eq!(text(&parts, "x").as_deref(), Some("one"));
        assert_eq!(parts[1].filename.as_deref(), Some("a.txt"));
        assert_eq!(parts[1].bytes.as_ref(), b"1\r\n--c\r\n2");
    }

    #[test]
    fn what_is_no_form_is_none() {
        for body in ["", "{}", "--b\r\n", "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\none"] {
            assert_eq!(parts(&Bytes::from(body)), None, "{body}");
        }
    }
}
