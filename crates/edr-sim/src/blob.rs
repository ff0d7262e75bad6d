//! Files of any size that nobody stores: their bytes are made while they are sent, and are the same each time.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::estate::hash::{hex_of, mix2};

/// The bytes are made in blocks, which begin with their number.
const BLOCK: u64 = 64 << 10;

/// The last bytes tell one file from another.
const MARK: u64 = 8;

/// No file is smaller.
const LEAST: u64 = 1 << 10;

/// A file: so many bytes, told from others of the size by its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blob {
    size: u64,
    mark: u64,
}

fn filler() -> &'static [u8] {
    static FILLER: OnceLock<Vec<u8>> = OnceLock::new();
    FILLER.get_or_init(|| (0..BLOCK / 8).flat_map(|n| mix2(0xB10B, n).to_le_bytes()).collect())
}

impl Blob {
    pub(crate) fn new(size: u64, mark: u64) -> Self {
        Self { size: size.max(LEAST), mark }
    }

    pub(crate) fn size(self) -> u64 {
        self.size
    }

    /// Where the part begins that no other file of the size has.
    fn own(self) -> u64 {
        self.size - MARK
    }

    /// Bytes of this range, up to the end of the block in which it begins.
    fn some(self, range: Range<u64>) -> Vec<u8> {
        let end = range.end.min((range.start / BLOCK + 1) * BLOCK);
        let byte = |at: u64| match at % BLOCK {
            _ if at >= self.own() => self.mark.to_le_bytes()[(at - self.own()) as usize],
            within @ 0..8 => (at / BLOCK).to_le_bytes()[within as usize],
            within => filler()[within as usize],
        };
        let plain = range.start % BLOCK >= 8 && end <= self.own();
        if plain {
            let start = (range.start % BLOCK) as usize;
            return filler()[start..start + (end - range.start) as usize].to_vec();
        }
        let head = range.start..end.min(range.start + 8);
        let middle = head.end..end.min(self.own()).max(head.end);
        let start = (middle.start % BLOCK) as usize;
        let mut out: Vec<u8> = head.map(byte).collect();
        if !middle.is_empty() {
            out.extend_from_slice(&filler()[start..start + (middle.end - middle.start) as usize]);
        }
        out.extend((middle.end..end).map(byte));
        out
    }

    /// All bytes of a range, block by block.
    pub(crate) fn pieces(self, range: Range<u64>) -> impl Iterator<Item = Vec<u8>> + Send {
        let mut at = range.start;
        std::iter::from_fn(move || {
            let piece = (at < range.end).then(|| self.some(at..range.end))?;
            at += piece.len() as u64;
            Some(piece)
        })
    }

    /// The SHA-256. What files of a size have in common is hashed once.
    pub(crate) fn sha256(self) -> String {
        type Begun = Mutex<HashMap<u64, Arc<OnceLock<Sha256>>>>;
        static BEGUN: OnceLock<Begun> = OnceLock::new();
        let slot = {
            let mut all = BEGUN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(self.size).or_default().clone()
        };
        let begun = slot.get_or_init(|| {
            self.pieces(0..self.own()).fold(Sha256::new(), |hash, piece| hash.chain_update(piece))
        });
        hex_of(&begun.clone().chain_update(self.mark.to_le_bytes()).finalize())
    }

    /// The file as an answer, or the part of it that is asked for, where parts are served at all.
    pub(crate) fn answer(self, headers: &HeaderMap, serves_parts: bool) -> Response {
        Wrapped { head: Vec::new(), blob: self, tail: Vec::new() }.answer(headers, serves_parts)
    }

    /// The CRC-32 of ZIP archives.
    fn crc(self) -> u32 {
        let mut crc = flate2::Crc::new();
        self.pieces(0..self.size).for_each(|piece| crc.update(&piece));
        crc.sum()
    }

    /// An archive of this one file, stored as it is.
    pub(crate) fn zipped(self, name: &str) -> Wrapped {
        let size = u32::try_from(self.size).unwrap_or(u32::MAX).to_le_bytes();
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes();
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 33, 0];
        common.extend(self.crc().to_le_bytes());
        common.extend([size, size].concat());
        common.extend(length);
        common.extend([0, 0]);
        let head = [b"PK\x03\x04".as_slice(), &common, name.as_bytes()].concat();
        let central = [b"PK\x01\x02\x14\x00".as_slice(), &common, &[0; 14], name.as_bytes()].concat();
        let place = u32::try_from(head.len() as u64 + self.size).unwrap_or(u32::MAX).to_le_bytes();
        let extent = u32::try_from(central.len()).unwrap_or(u32::MAX).to_le_bytes();
        let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0".as_slice(), &extent, &place, &[0, 0]].concat();
        Wrapped { head, blob: self, tail: [central, end].concat() }
    }
}

/// A file with something before and behind it.
pub(crate) struct Wrapped {
    head: Vec<u8>,
    blob: Blob,
    tail: Vec<u8>,
}

impl Wrapped {
    fn size(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.blob.size
    }

    /// All bytes of a range, piece by piece.
    fn pieces(self, range: Range<u64>) -> impl Iterator<Item = Vec<u8>> + Send {
        let head = self.head.len() as u64;
        let (blob, tail) = (head..head + self.blob.size, head + self.blob.size..self.size());
        // What of a stretch lies in the range, counted from the stretch's beginning.
        let within = move |stretch: Range<u64>| {
            let (start, end) =
                (range.start.clamp(stretch.start, stretch.end), range.end.clamp(stretch.start, stretch.end));
            start - stretch.start..end.max(start) - stretch.start
        };
        let cut = |bytes: Vec<u8>, part: Range<u64>| bytes[part.start as usize..part.end as usize].to_vec();
        let first = cut(self.head, within(0..head));
        let last = cut(self.tail, within(tail));
        let middle = self.blob.pieces(within(blob));
        std::iter::once(first).chain(middle).chain(std::iter::once(last)).filter(|piece| !piece.is_empty())
    }

    /// The file as an answer, or the part of it that is asked for, where parts are served at all.
    pub(crate) fn answer(self, headers: &HeaderMap, serves_parts: bool) -> Response {
        let size = self.size();
        let tag = format!("\"{:016x}-{size:x}\"", self.blob.mark);
        let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        let same = text(IF_RANGE).is_none_or(|wanted| wanted == tag);
        let asked = text(RANGE).filter(|_| serves_parts && same).and_then(|range| asked(range, size));
        let (status, range) = match asked {
            None => (StatusCode::OK, 0..size),
            Some(Some(range)) => (StatusCode::PARTIAL_CONTENT, range),
            Some(None) => {
                let all = format!("bytes */{size}");
                return (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, all)]).into_response();
            }
        };
        let pieces = self.pieces(range.clone()).map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
        let mut answer = (status, Body::from_stream(stream::iter(pieces))).into_response();
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
        let mut put = |name, value: String| {
            HeaderValue::from_str(&value).map(|value| headers.insert(name, value)).ok();
        };
        if serves_parts {
            put(ETAG, tag);
            put(ACCEPT_RANGES, "bytes".to_owned());
        }
        if status == StatusCode::PARTIAL_CONTENT {
            put(CONTENT_RANGE, format!("bytes {}-{}/{}", range.start, range.end - 1, size));
        }
        answer
    }
}

/// The range of `bytes=FIRST-` or `bytes=FIRST-LAST`; other forms are not understood, and one that begins behind the
/// end is none.
fn asked(header: &str, size: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let end = if last.is_empty() { size } else { last.parse::<u64>().ok()?.saturating_add(1) };
    Some((first < size && first < end).then(|| first..end.min(size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(blob: Blob) -> Vec<u8> {
        blob.pieces(0..blob.size).flatten().collect()
    }

    #[test]
    fn every_part_is_a_part_of_the_whole() {
        for size in [LEAST, BLOCK - 3, BLOCK, BLOCK + 5, 3 * BLOCK + 77] {
            let blob = Blob::new(size, 0xABCD);
            let whole = all(blob);
            assert_eq!(whole.len() as u64, size);
            assert_eq!(blob.sha256(), hex_of(&Sha256::digest(&whole)));
            for start in [0, 3, 8, 9, 1000, size / 2, size - 9, size - 8, size - 1] {
                for end in [start, start + 1, start + 9, size] {
                    let end = end.min(size);
                    let part: Vec<u8> = blob.pieces(start..end).flatten().collect();
                    assert_eq!(part, whole[start as usize..end as usize], "{start}..{end} of {size}");
                }
            }
        }
    }

    #[test]
    fn an_archive_is_a_file_with_something_around_it() {
        let blob = Blob::new(BLOCK + 5, 1);
        let whole: Vec<u8> = blob.zipped("a.txt").pieces(0..u64::MAX).flatten().collect();
        assert_eq!(whole.len() as u64, blob.zipped("a.txt").size());
        assert!(whole.starts_with(b"PK\x03\x04"));
        let head = 30 + "a.txt".len();
        assert_eq!(whole[head..head + blob.size as usize], all(blob));
        for start in [0, 3, head, head + 9, whole.len() - 30, whole.len() - 1, whole.len()] {
            let part: Vec<u8> = blob.zipped("a.txt").pieces(start as u64..u64::MAX).flatten().collect();
            assert_eq!(part, whole[start..], "{start}");
        }
    }

    #[test]
    fn files_differ_and_so_do_their_blocks() {
        let (one, two) = (Blob::new(3 * BLOCK, 1), Blob::new(3 * BLOCK, 2));
        assert_ne!(one.sha256(), two.sha256());
        let whole = all(one);
        assert_ne!(whole[..BLOCK as usize], whole[BLOCK as usize..2 * BLOCK as usize]);
    }

    #[test]
    fn ranges_are_answered_as_they_are_asked() {
        let blob = Blob::new(LEAST, 1);
        let status = |range: &'static str, if_range: Option<&'static str>, parts: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, HeaderValue::from_static(range));
            if_range.map(|tag| headers.insert(IF_RANGE, HeaderValue::from_static(tag)));
            let answer = blob.answer(&headers, parts);
            let range = answer.headers().get(CONTENT_RANGE).map(|v| v.to_str().unwrap().to_owned());
            (answer.status().as_u16(), range)
        };
        assert_eq!(status("bytes=24-", None, true), (206, Some("bytes 24-1023/1024".to_owned())));
        assert_eq!(status("bytes=0-9", None, true), (206, Some("bytes 0-9/1024".to_owned())));
        assert_eq!(status("bytes=1024-", None, true), (416, Some("bytes */1024".to_owned())));
        assert_eq!(status("bytes=24-", Some("\"old\""), true), (200, None));
        assert_eq!(status("bytes=24-", None, false), (200, None));
        assert_eq!(status("bytes=x-", None, true), (200, None));
    }
}
