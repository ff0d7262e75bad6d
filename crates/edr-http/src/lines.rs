//! Cutting lines out of a body while it arrives.

use bytes::{Bytes, BytesMut};

use crate::CutError;

/// Cuts a body into its lines, without `\n` or `\r\n`. Memory holds one line at a time; empty lines are given out, for
/// they may be the sign that a stream lives.
///
/// ```
/// let mut lines = edr_http::LineCutter::new(100);
/// assert_eq!(lines.feed(&bytes::Bytes::from_static(b"one\r\ntw")).unwrap(), ["one"]);
/// assert_eq!(lines.feed(&bytes::Bytes::from_static(b"o\n\nthree")).unwrap(), ["two", ""]);
/// assert_eq!(lines.finish().unwrap(), "three");
/// ```
#[derive(Debug)]
pub struct LineCutter {
    pending: BytesMut,
    longest: usize,
}

impl LineCutter {
    /// Lines of at most so many bytes.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { pending: BytesMut::new(), longest }
    }

    /// Takes the next piece and returns the lines that it completes. A line within the piece shares its buffer.
    ///
    /// # Errors
    /// [`CutError::TooLarge`] for a line that is longer than allowed; the cutter is of no further use then.
    pub fn feed(&mut self, piece: &Bytes) -> Result<Vec<Bytes>, CutError> {
        let (mut lines, mut at) = (Vec::new(), 0);
        for end in memchr::memchr_iter(b'\n', piece) {
            let last = piece.slice(at..end);
            at = end + 1;
            lines.push(self.whole(last)?);
        }
        self.keep(&piece[at..])?;
        Ok(lines)
    }

    /// The last line, when it has no end of its own.
    #[must_use]
    pub fn finish(self) -> Option<Bytes> {
        (!self.pending.is_empty()).then(|| bare(self.pending.freeze()))
    }

    fn whole(&mut self, last: Bytes) -> Result<Bytes, CutError> {
        if self.pending.is_empty() && last.len() <= self.longest {
            return Ok(bare(last));
        }
        self.keep(&last)?;
        Ok(bare(std::mem::take(&mut self.pending).freeze()))
    }

    fn keep(&mut self, more: &[u8]) -> Result<(), CutError> {
        if self.pending.len() + more.len() > self.longest {
            return Err(CutError::TooLarge("a line", self.longest));
        }
        self.pending.extend_from_slice(more);
        Ok(())
    }
}

fn bare(line: Bytes) -> Bytes {
    if line.ends_with(b"\r") { line.slice(..line.len() - 1) } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(body: &[u8], piece: usize, longest: usize) -> Result<Vec<Bytes>, CutError> {
        let mut cutter = LineCutter::new(longest);
        let mut lines = Vec::new();
        for piece in body.chunks(piece.max(1)) {
            lines.extend(cutter.feed(&Bytes::copy_from_slice(piece))?);
        }
        lines.extend(cutter.finish());
        Ok(lines)
    }

    #[test]
    fn a_line_that_never_ends_is_refused() {
        assert_eq!(cut(&[b'x'; 100], 7, 50), Err(CutError::TooLarge("a line", 50)));
        assert_eq!(cut(b"0123456789\n", 100, 9), Err(CutError::TooLarge("a line", 9)));
        assert_eq!(cut(b"0123456789\n", 3, 10).unwrap(), ["0123456789"]);
    }

    proptest::proptest! {
        #[test]
        fn lines_come_out_the_same_wherever_the_pieces_break(body in "[a\r\n]{0,60}", piece in 1_usize..9) {
            let expected = cut(body.as_bytes(), body.len(), 100).unwrap();
            proptest::prop_assert_eq!(cut(body.as_bytes(), piece, 100).unwrap(), expected.clone());
            let texts: Vec<String> = expected.iter().map(|l| String::from_utf8_lossy(l).into_owned()).collect();
            let mut plain: Vec<&str> = body.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l)).collect();
            if body.is_empty() || body.ends_with('\n') {
                plain.pop();
            }
            proptest::prop_assert_eq!(texts, plain);
        }
    }
}
