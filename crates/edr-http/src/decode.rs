//! Cutting items out of a JSON body while it arrives.
//!
//! A listing is an envelope around one long array. [`Cutter`] finds that array by its path and hands
//! out each element as raw bytes; the rest of the envelope, small, is kept as a skeleton with the array
//! empty. Memory holds one element and the skeleton, however large the page.
//!
//! An element is cut by its brackets and strings alone. Whether it is valid JSON is found when it
//! is decoded, so that a bad element costs itself and not the page.

use bytes::{Bytes, BytesMut};

use crate::block::{BLOCK, Block, Strings, end_of};

/// Why a body cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CutError {
    /// The body ended in the middle.
    #[error("the body ends in the middle of the JSON")]
    Ended,
    /// The body is not JSON.
    #[error("the body is not JSON: it begins with {0}")]
    NotJson(&'static str),
    /// The brackets do not match.
    #[error("the JSON is damaged at byte {0}")]
    Damaged(u64),
    /// One element, or the envelope around them, is larger than allowed.
    #[error("{0} is larger than {1} bytes")]
    TooLarge(&'static str, usize),
}

/// Cuts the elements of one array out of a JSON body.
///
/// ```
/// let mut cutter = edr_http::Cutter::new(&[&["resources"]]);
/// let mut items = cutter.feed(&bytes::Bytes::from_static(br#"{"meta":{"n":2},"resources":[{"a":1},"#)).unwrap();
/// items.extend(cutter.feed(&bytes::Bytes::from_static(br#"{"a":2}]}"#)).unwrap());
/// assert_eq!(items, [r#"{"a":1}"#, r#"{"a":2}"#]);
/// assert_eq!(cutter.finish().unwrap(), r#"{"meta":{"n":2},"resources":[]}"#);
/// ```
#[derive(Debug)]
pub struct Cutter {
    paths: &'static [&'static [&'static str]],
    stack: Vec<Frame>,
    mode: Mode,
    /// Inside a string, and whether the next byte is escaped.
    string: Option<bool>,
    /// The key being read, when a string may be one that matters.
    key: Option<Vec<u8>>,
    skeleton: Vec<u8>,
    pending: BytesMut,
    /// The envelope as it was when the array began, closed.
    head: Option<Bytes>,
    started: bool,
    ended: bool,
    seen: u64,
    max_item: usize,
    max_skeleton: usize,
}

/// As deep as serde_json goes.
const MAX_DEPTH: usize = 128;

#[derive(Debug)]
enum Frame {
    Array,
    Object { key: Vec<u8>, expects_key: bool },
}

#[derive(Debug, PartialEq, Eq)]
enum Mode {
    /// Outside the array.
    Envelope,
    /// Inside the array, with the depth below it; an element is being read when `inside`.
    Items { depth: u32, inside: bool },
}

impl Cutter {
    /// Cuts the first arrays found at one of these paths; an empty path is a body that is an array.
    #[must_use]
    pub fn new(paths: &'static [&'static [&'static str]]) -> Self {
        Self {
            paths,
            stack: Vec::new(),
            mode: Mode::Envelope,
            string: None,
            key: None,
            skeleton: Vec::new(),
            pending: BytesMut::new(),
            head: None,
            started: false,
            ended: false,
            seen: 0,
            max_item: 16 << 20,
            max_skeleton: 8 << 20,
        }
    }

    /// Takes the next piece of the body and returns the elements that it completes. An element within
    /// the piece shares its buffer.
    ///
    /// # Errors
    /// When the body cannot be cut; the cutter is of no further use then.
    pub fn feed(&mut self, piece: &Bytes) -> Result<Vec<Bytes>, CutError> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < piece.len() {
            at = match self.mode {
                Mode::Envelope => self.envelope(piece, at)?,
                Mode::Items { .. } => self.items(piece, at, &mut out)?,
            };
        }
        self.seen += piece.len() as u64;
        Ok(out)
    }

    /// The envelope with the array empty, when the body is whole.
    ///
    /// # Errors
    /// [`CutError::Ended`] when it is not.
    pub fn finish(self) -> Result<Bytes, CutError> {
        let scalar = self.started && self.stack.is_empty() && self.string.is_none();
        let whole = self.ended || scalar;
        if whole && self.mode == Mode::Envelope {
            Ok(Bytes::from(self.skeleton))
        } else {
            Err(CutError::Ended)
        }
    }

    /// The envelope up to the array, as JSON of its own: what stands before the items is known before the
    /// first of them is. Nothing until the array begins.
    #[must_use]
    pub fn head(&self) -> Option<&Bytes> {
        self.head.as_ref()
    }

    /// How many bytes have been fed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.seen
    }

    fn envelope(&mut self, piece: &Bytes, mut at: usize) -> Result<usize, CutError> {
        while at < piece.len() {
            let byte = piece[at];
            at += 1;
            if !self.started && matches!(byte, 0xEF | 0xBB | 0xBF) {
                // A byte order mark, which JSON parsers refuse.
                continue;
            }
            self.keep(byte)?;
            if self.string.is_some() {
                self.envelope_string(byte);
                continue;
            }
            if !self.started && !byte.is_ascii_whitespace() {
                self.started = true;
                begins(byte)?;
            }
            if self.structure(byte, at)? {
                return Ok(at);
            }
        }
        Ok(at)
    }

    /// A byte of the envelope's structure; true when the array has begun.
    fn structure(&mut self, byte: u8, at: usize) -> Result<bool, CutError> {
        match byte {
            b'"' => {
                self.string = Some(false);
                let is_key = matches!(self.stack.last(), Some(Frame::Object { expects_key: true, .. }));
                self.key = is_key.then(Vec::new);
            }
            b'{' | b'[' if self.stack.len() >= MAX_DEPTH => {
                return Err(CutError::Damaged(self.seen + at as u64));
            }
            b'{' => self.stack.push(Frame::Object { key: Vec::new(), expects_key: true }),
            b'[' if self.at_path() => {
                self.mode = Mode::Items { depth: 0, inside: false };
                self.head = Some(self.closed());
                return Ok(true);
            }
            b'[' => self.stack.push(Frame::Array),
            b'}' | b']' => {
                let fits = matches!(
                    (self.stack.pop(), byte),
                    (Some(Frame::Object { .. }), b'}') | (Some(Frame::Array), b']')
                );
                if !fits {
                    return Err(CutError::Damaged(self.seen + at as u64));
                }
                self.ended = self.stack.is_empty();
            }
            b',' => {
                if let Some(Frame::Object { expects_key, .. }) = self.stack.last_mut() {
                    *expects_key = true;
                }
            }
            _ => {}
        }
        Ok(false)
    }

    /// What has been kept of the envelope, with everything closed that is open.
    fn closed(&self) -> Bytes {
        let mut text = self.skeleton.clone();
        text.push(b']');
        text.extend(self.stack.iter().rev().map(|frame| match frame {
            Frame::Array => b']',
            Frame::Object { .. } => b'}',
        }));
        Bytes::from(text)
    }

    fn envelope_string(&mut self, byte: u8) {
        match (self.string, byte) {
            (Some(true), _) => self.string = Some(false),
            (Some(false), b'\\') => self.string = Some(true),
            (Some(false), b'"') => {
                self.string = None;
                if let (Some(read), Some(Frame::Object { key, expects_key })) =
                    (self.key.take(), self.stack.last_mut())
                {
                    *key = unescaped(read);
                    *expects_key = false;
                }
                return;
            }
            _ => {}
        }
        if let Some(key) = &mut self.key {
            key.push(byte);
        }
    }

    /// True when the array that begins here is the one to cut.
    fn at_path(&self) -> bool {
        self.paths.iter().any(|path| {
            path.len() == self.stack.len()
                && path.iter().zip(&self.stack).all(|(want, frame)| match frame {
                    Frame::Object { key, .. } => key == want.as_bytes(),
                    Frame::Array => false,
                })
        })
    }

    fn items(&mut self, piece: &Bytes, from: usize, out: &mut Vec<Bytes>) -> Result<usize, CutError> {
        let Mode::Items { mut depth, mut inside } = self.mode else { return Ok(from) };
        let (mut start, mut at) = (from, from);
        while at < piece.len() {
            if depth > 0 {
                (at, depth) = self.within(piece, at, depth);
                if depth == 0 {
                    out.push(self.take(piece, start, at)?);
                    inside = false;
                }
                continue;
            }
            if self.string.is_some() {
                at = self.skip_string(piece, at);
                continue;
            }
            let byte = piece[at];
            if !inside {
                match byte {
                    b']' => {
                        self.leave(b']')?;
                        return Ok(at + 1);
                    }
                    b',' | b' ' | b'\n' | b'\r' | b'\t' => {
                        at += 1;
                        continue;
                    }
                    _ => (inside, start) = (true, at),
                }
            }
            match byte {
                b'"' => self.string = Some(false),
                b'{' | b'[' => depth = 1,
                // A scalar ends where its neighbour begins.
                b',' | b']' => {
                    out.push(self.take(piece, start, at)?);
                    inside = false;
                    continue;
                }
                b'}' => return Err(CutError::Damaged(self.seen + at as u64)),
                _ => {}
            }
            at += 1;
        }
        if inside {
            self.pending.extend_from_slice(&piece[start..]);
            if self.pending.len() > self.max_item {
                return Err(CutError::TooLarge("an item", self.max_item));
            }
        }
        self.mode = Mode::Items { depth, inside };
        Ok(at)
    }

    /// Goes on within an element of brackets, to its end or that of the piece: nearly all bytes are passed here.
    fn within(&mut self, piece: &[u8], mut at: usize, mut depth: u32) -> (usize, u32) {
        let mut strings = Strings { open: self.string.is_some(), escaped: self.string == Some(true) };
        while at < piece.len() {
            let block = Block::at(piece, at);
            if strings.skip(&block) {
                at += BLOCK;
                continue;
            }
            let outside = !strings.pass(&block);
            let (opens, closes) = (block.opens & outside, block.closes & outside);
            if let Some(end) = end_of(opens, closes, &mut depth) {
                self.string = None;
                return (at + end + 1, 0);
            }
            at += BLOCK;
        }
        self.string = strings.open.then_some(strings.escaped);
        (piece.len(), depth)
    }

    /// Skips to the end of the string or of the piece.
    fn skip_string(&mut self, piece: &Bytes, mut at: usize) -> usize {
        if self.string == Some(true) {
            self.string = Some(false);
            return at + 1;
        }
        match memchr::memchr2(b'"', b'\\', &piece[at..]) {
            None => piece.len(),
            Some(offset) => {
                at += offset;
                self.string = if piece[at] == b'"' { None } else { Some(true) };
                at + 1
            }
        }
    }

    /// The element that ends before `to`: shared with the piece, or joined to what came earlier.
    fn take(&mut self, piece: &Bytes, start: usize, to: usize) -> Result<Bytes, CutError> {
        if self.pending.is_empty() {
            return Ok(piece.slice(start..to));
        }
        self.pending.extend_from_slice(&piece[start..to]);
        if self.pending.len() > self.max_item {
            return Err(CutError::TooLarge("an item", self.max_item));
        }
        Ok(self.pending.split().freeze())
    }

    fn leave(&mut self, byte: u8) -> Result<(), CutError> {
        self.keep(byte)?;
        self.mode = Mode::Envelope;
        self.ended = self.stack.is_empty();
        Ok(())
    }

    fn keep(&mut self, byte: u8) -> Result<(), CutError> {
        if self.skeleton.len() >= self.max_skeleton {
            return Err(CutError::TooLarge("the envelope", self.max_skeleton));
        }
        self.skeleton.push(byte);
        Ok(())
    }
}

/// A key may be written with escapes and still be the one that is looked for.
fn unescaped(key: Vec<u8>) -> Vec<u8> {
    if !key.contains(&b'\\') {
        return key;
    }
    let quoted = [b"\"", key.as_slice(), b"\""].concat();
    serde_json::from_slice::<String>(&quoted).map_or(key, String::into_bytes)
}

fn begins(byte: u8) -> Result<(), CutError> {
    match byte {
        b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Ok(()),
        b'<' => Err(CutError::NotJson("'<', as an HTML page does")),
        0x1f => Err(CutError::NotJson("the mark of gzip")),
        _ => Err(CutError::NotJson("something else")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATHS: &[&[&str]] = &[&["reply", "endpoints"], &["resources"]];

    fn cut(body: &str, piece: usize) -> Result<(Vec<String>, String), CutError> {
        let mut cutter = Cutter::new(PATHS);
        let mut items = Vec::new();
        for chunk in body.as_bytes().chunks(piece.max(1)) {
            items.extend(cutter.feed(&Bytes::copy_from_slice(chunk))?);
        }
        let text = |b: Bytes| String::from_utf8(b.to_vec()).unwrap();
        Ok((items.into_iter().map(text).collect(), text(cutter.finish()?)))
    }

    #[test]
    fn elements_of_every_sort_are_cut_wherever_the_pieces_break() {
        let body = r#" {"meta":{"resources":[1,2],"k":"resources"},"resources": [ {"a":"]}\\\"[","b":[{}]} ,17,"x,]",null,[ ],{}, -1.5e3 ] ,"errors":[{"code":1}]} "#;
        let items = [r#"{"a":"]}\\\"[","b":[{}]}"#, "17", "\"x,]\"", "null", "[ ]", "{}", "-1.5e3 "];
        for piece in 1..body.len() {
            let (got, skeleton) = cut(body, piece).unwrap();
            assert_eq!(got, items, "pieces of {piece}");
            let expected =
                r#" {"meta":{"resources":[1,2],"k":"resources"},"resources": [] ,"errors":[{"code":1}]} "#;
            assert_eq!(skeleton, expected, "pieces of {piece}");
        }
    }

    #[test]
    fn a_backslash_outside_of_strings_costs_its_element_alone() {
        let body = r#"{"resources":[{"a":\"x","b":1},{"a":2}]}"#;
        for piece in 1..body.len() {
            assert_eq!(
                cut(body, piece).unwrap().0,
                [r#"{"a":\"x","b":1}"#, r#"{"a":2}"#],
                "pieces of {piece}"
            );
        }
    }

    #[test]
    fn an_absent_null_or_empty_array_leaves_the_envelope() {
        for body in
            [r#"{"reply":{"endpoints":null}}"#, r#"{"reply":{"err_code":500}}"#, "true", r#"{"reply":true}"#]
        {
            assert_eq!(cut(body, 3).unwrap(), (vec![], body.to_owned()), "{body}");
        }
        assert_eq!(cut(r#"{"reply":{"endpoints":[]}}"#, 5).unwrap().0, Vec::<String>::new());
    }

    #[test]
    fn a_body_that_is_not_whole_is_an_error() {
        let body = r#"{"resources":[{"a":1},{"a":2}],"n":1}"#;
        for end in 0..body.len() {
            let error = cut(&body[..end], 4).unwrap_err();
            assert_eq!(error, CutError::Ended, "{}", &body[..end]);
        }
        assert!(matches!(cut("<html>", 6), Err(CutError::NotJson(_))));
        assert!(matches!(cut(r#"{"a":1]"#, 6), Err(CutError::Damaged(_))));
        assert!(matches!(cut("\u{1f}\u{8b}", 6), Err(CutError::NotJson(_))));
    }

    #[test]
    fn marks_and_escapes_hide_nothing() {
        let (items, skeleton) = cut("\u{feff}{\"re\\u0073ources\":[1]}", 3).unwrap();
        assert_eq!((items, skeleton.as_str()), (vec!["1".to_owned()], "{\"re\\u0073ources\":[]}"));
        assert!(matches!(cut(&"[".repeat(200), 50), Err(CutError::Damaged(_))));
    }

    #[test]
    fn what_stands_before_the_items_is_known_before_them() {
        let mut cutter = Cutter::new(PATHS);
        assert_eq!(
            cutter.feed(&Bytes::from_static(br#"{"n":1,"reply":{"total":7,"endpoints""#)).unwrap().len(),
            0
        );
        assert_eq!(cutter.head(), None);
        cutter.feed(&Bytes::from_static(br#": [{"a":"#)).unwrap();
        assert_eq!(cutter.head().unwrap(), r#"{"n":1,"reply":{"total":7,"endpoints": []}}"#);
        cutter.feed(&Bytes::from_static(b"1}],\"z\":0}}")).unwrap();
        assert_eq!(cutter.finish().unwrap(), r#"{"n":1,"reply":{"total":7,"endpoints": [],"z":0}}"#);
    }

    #[test]
    fn memory_is_bounded() {
        let mut cutter = Cutter::new(PATHS);
        cutter.max_item = 8;
        let error = cutter.feed(&Bytes::from_static(br#"{"resources":["0123456789"#)).unwrap_err();
        assert_eq!(error, CutError::TooLarge("an item", 8));
    }

    proptest! {
        #[test]
        fn the_cutter_agrees_with_serde(items in proptest::collection::vec(value(), 0..8), piece in 1usize..40) {
            let body = serde_json::json!({"meta": {"x": "y\"]"}, "reply": {"n": 1, "endpoints": items, "z": [1]}}).to_string();
            let (got, skeleton) = cut(&body, piece).unwrap();
            let got: Vec<serde_json::Value> = got.iter().map(|s| serde_json::from_str(s).unwrap()).collect();
            prop_assert_eq!(got, items);
            let skeleton: serde_json::Value = serde_json::from_str(&skeleton).unwrap();
            prop_assert_eq!(&skeleton["reply"]["endpoints"], &serde_json::json!([]));
            prop_assert_eq!(&skeleton["reply"]["z"], &serde_json::json!([1]));
        }

        #[test]
        fn pieces_make_no_difference(text in "[\\\\\"a{}\\[\\],]{0,200}", piece in 1usize..80) {
            let body = format!("{{\"resources\":[{{{text}}}]}}");
            prop_assert_eq!(cut(&body, piece), cut(&body, body.len()));
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>, piece in 1usize..20) {
            let mut cutter = Cutter::new(PATHS);
            for chunk in bytes.chunks(piece) {
                if cutter.feed(&Bytes::copy_from_slice(chunk)).is_err() {
                    return Ok(());
                }
            }
            let _ = cutter.finish();
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "\\PC*".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::hash_map("[a-z\\\\\"]{0,5}", inner, 0..4)
                    .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
            ]
        })
    }
}
