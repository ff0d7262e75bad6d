//! Bodies as they arrive: the cutter of items, and gzip that no header mentions.
//!
//! The first byte chooses: `g` gzip; `l` lines, and rows of a query in them; a digit the paths at which the cutter looks for items. The second byte is
//! the seed of the places at which the body falls into pieces.

use std::collections::HashSet;
use std::fmt;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use edr_core::Vendor;
use edr_http::{
    CutError, Cutter, Dialect, Failure, HttpClient, LineCutter, MemoryTransport, Operation, RequestPlan,
    RetryPolicy, Verdict,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use url::Url;

use super::choice;
use crate::wire::block_on;

type Paths = &'static [&'static [&'static str]];

const PATHS: &[Paths] = &[&[&["resources"]], &[&["reply", "data"]], &[&["reply"]], &[&[]]];

/// Several paths at once, of which an answer may have more than one.
const SEVERAL: Paths = &[&["reply", "alerts"], &["reply", "data"], &["data"]];

/// Runs the target.
pub fn run(data: &[u8]) {
    let (way, rest) = choice(data);
    let (seed, body) = rest.split_first().map_or((0, rest), |(seed, body)| (*seed, body));
    match way {
        b'g' => gzip(seed, body),
        b'l' => lines(seed, body),
        b'0'..=b'3' => cut(PATHS[usize::from(way - b'0')], seed, body),
        _ => drop(alike(SEVERAL, seed, body)),
    }
}

/// The pieces make no difference, and nothing but the ends of lines is lost.
fn lines(seed: u8, body: &[u8]) {
    let cut = |pieces: &[&[u8]]| {
        let mut cutter = LineCutter::new(1 << 20);
        let mut lines = Vec::new();
        for piece in pieces {
            lines.extend(cutter.feed(&Bytes::copy_from_slice(piece)).expect("no line is too long"));
        }
        lines.extend(cutter.finish());
        lines
    };
    let whole = cut(&[body]);
    assert_eq!(whole, cut(&pieces(seed, body)));
    let ends = body.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(whole.len(), ends + usize::from(!body.is_empty() && !body.ends_with(b"\n")));
    for (line, number) in whole.iter().zip(1..) {
        let read = cortex_xdr::api::xql::row(line, number);
        assert!(
            read.is_some() || line.iter().all(|b| *b == 0 || b.is_ascii_whitespace()),
            "{line:?} is lost"
        );
    }
}

type Parts = Result<(Vec<Bytes>, Bytes), CutError>;

/// The items and the envelope of a body that arrives in these pieces.
fn parts<'a>(paths: Paths, pieces: impl Iterator<Item = &'a [u8]>) -> Parts {
    let mut cutter = Cutter::new(paths);
    let mut items = Vec::new();
    for piece in pieces {
        items.extend(cutter.feed(&Bytes::copy_from_slice(piece))?);
    }
    Ok((items, cutter.finish()?))
}

/// Pieces of one to nineteen bytes, by a small generator of numbers.
fn pieces(seed: u8, mut body: &[u8]) -> Vec<&[u8]> {
    let (mut out, mut state) = (Vec::new(), u32::from(seed) | 1);
    while !body.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, rest) = body.split_at(((state >> 24) as usize % 19 + 1).min(body.len()));
        (body, out) = (rest, {
            out.push(piece);
            out
        });
    }
    out
}

/// A body gives the same however it falls into pieces; where exactly it is found to be damaged may differ.
fn alike(paths: Paths, seed: u8, body: &[u8]) -> Parts {
    let whole = parts(paths, std::iter::once(body));
    let split = parts(paths, pieces(seed, body).into_iter());
    match (&whole, &split) {
        (Ok(whole), Ok(split)) => assert_eq!(whole, split, "the pieces make a difference"),
        (Err(_), Err(_)) => {}
        other => panic!("the pieces make a difference: {other:?}"),
    }
    whole
}

/// JSON is cut into what serde_json finds in it.
fn cut(paths: Paths, seed: u8, body: &[u8]) {
    let found = alike(paths, seed, body);
    let Ok(Plain) = serde_json::from_slice::<Plain>(body) else { return };
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return };
    let (items, skeleton) = found.expect("valid JSON can be cut");
    let list = paths[0].iter().try_fold(&mut value, |at, key| at.get_mut(*key)).and_then(Value::as_array_mut);
    let expected = list.map(std::mem::take).unwrap_or_default();
    let read =
        |bytes: &Bytes| serde_json::from_slice::<Value>(bytes).expect("an item of valid JSON is valid");
    assert_eq!(items.iter().map(read).collect::<Vec<_>>(), expected);
    assert_eq!(read(&skeleton), value, "the envelope is not what is around the items");
}

/// JSON in which no object has the same key twice: with two there is no telling which counts.
struct Plain;

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Plain)
    }
}

macro_rules! scalars {
    ($($name:ident: $kind:ty),+) => {
        $(fn $name<E>(self, _: $kind) -> Result<Plain, E> { Ok(Plain) })+
    };
}

impl<'de> Visitor<'de> for Plain {
    type Value = Self;

    scalars! { visit_bool: bool, visit_f64: f64, visit_i64: i64, visit_str: &str, visit_u64: u64 }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(Self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some((key, Self)) = map.next_entry::<String, Self>()? {
            if !keys.insert(key) {
                map.next_value::<IgnoredAny>().ok();
                return Err(A::Error::custom("a key comes twice"));
            }
        }
        Ok(Self)
    }
}

/// What was packed once or twice comes out as it was; anything else comes out or fails.
fn gzip(seed: u8, body: &[u8]) {
    let _ = fetch(seed, body);
    if body.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let once = packed(body);
    for packed in [packed(&once), once, body.to_vec()] {
        assert_eq!(fetch(seed, &packed).as_deref(), Some(body), "what was packed does not come out");
    }
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

#[derive(Debug)]
struct Silent;

impl Dialect for Silent {
    fn judge(&self, _: &Failure<'_>) -> Verdict {
        panic!("every answer is a success")
    }
}

/// The body as a client reads it.
fn fetch(seed: u8, body: &[u8]) -> Option<Vec<u8>> {
    static READ: Operation = Operation::read("read", "nothing");
    let pieces: Vec<Bytes> = pieces(seed, body).into_iter().map(Bytes::copy_from_slice).collect();
    let transport = MemoryTransport::new(move |_| {
        let pieces = pieces.iter().cloned().map(Ok).collect();
        async move { MemoryTransport::pieces(200, pieces) }
    });
    let base = Url::parse("https://api.example.com").expect("a URL");
    let vendor = Vendor::from_static("any");
    let builder = HttpClient::builder("any".into(), vendor, base, Arc::new(transport), Arc::new(Silent));
    let client = builder.expect("a good address").policy(RetryPolicy::never()).max_body(1 << 20).build();
    block_on(client.fetch(&RequestPlan::get(&READ, "/"))).ok().map(|reply| reply.body.to_vec())
}
