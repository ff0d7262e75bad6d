//! Bodies that are compressed once more than their headers say.
//!
//! The HTTP client undoes `Content-Encoding`. Cortex's exports come with a layer of their own inside
//! it, and proxies are known to drop the header; so a body that begins with the mark of gzip is
//! unpacked, up to two layers.

use std::io::Write as _;

use bytes::{Bytes, BytesMut};
use flate2::write::GzDecoder;
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::transport::{BodyStream, TransportError, TransportErrorKind};

pub(crate) const MARK: [u8; 2] = [0x1f, 0x8b];

/// The body without up to two layers of gzip that its headers do not mention.
pub(crate) fn gunzipped(body: BodyStream) -> BodyStream {
    layer(layer(body))
}

/// Gzip can grow a thousandfold, so a piece is unpacked in steps of this size: what comes out of one
/// is a few MiB at most, and the reader's own limits are looked at in between.
const STEP: usize = 4 << 10;

enum State {
    /// The decoder, and what it has not been given yet.
    Gzip(Box<GzDecoder<Vec<u8>>>, Bytes),
    Plain,
    /// Too few bytes to tell.
    Unknown(BytesMut),
}

fn layer(body: BodyStream) -> BodyStream {
    let start = Some((body, State::Unknown(BytesMut::new())));
    stream::unfold(start, |state| async move {
        let (mut body, mut state) = state?;
        loop {
            if let Some(out) = state.step() {
                let state = out.is_ok().then_some((body, state));
                return Some((out, state));
            }
            match body.next().await {
                Some(Ok(piece)) => {
                    let out = state.take(piece);
                    if !out.is_empty() {
                        return Some((Ok(out), Some((body, state))));
                    }
                }
                Some(Err(error)) => return Some((Err(error), None)),
                None => return state.finish().map(|last| (last, None)),
            }
        }
    })
    .boxed()
}

impl State {
    /// Takes a piece in; returns what needs no unpacking.
    fn take(&mut self, piece: Bytes) -> Bytes {
        match self {
            Self::Plain => piece,
            Self::Gzip(_, waiting) => {
                *waiting = piece;
                Bytes::new()
            }
            Self::Unknown(seen) => {
                let whole = if seen.is_empty() && piece.len() >= MARK.len() {
                    piece
                } else {
                    seen.extend_from_slice(&piece);
                    if seen.len() < MARK.len() {
                        return Bytes::new();
                    }
                    std::mem::take(seen).freeze()
                };
                if !whole.starts_with(&MARK) {
                    *self = Self::Plain;
                    return whole;
                }
                *self = Self::Gzip(Box::new(GzDecoder::new(Vec::new())), whole);
                Bytes::new()
            }
        }
    }

    /// The next unpacked bytes of what was taken in; `None` when all of it is used up.
    fn step(&mut self) -> Option<Result<Bytes, TransportError>> {
        let Self::Gzip(decoder, waiting) = self else { return None };
        while !waiting.is_empty() {
            let piece = waiting.split_to(waiting.len().min(STEP));
            match unpack(decoder, &piece) {
                Ok(out) if out.is_empty() => {}
                other => return Some(other),
            }
        }
        None
    }

    fn finish(self) -> Option<Result<Bytes, TransportError>> {
        match self {
            Self::Plain => None,
            Self::Unknown(seen) => (!seen.is_empty()).then(|| Ok(seen.freeze())),
            Self::Gzip(decoder, _) => match decoder.finish() {
                Ok(rest) => (!rest.is_empty()).then(|| Ok(Bytes::from(rest))),
                Err(_) => Some(Err(TransportError::new(TransportErrorKind::Body))),
            },
        }
    }
}

fn unpack(decoder: &mut GzDecoder<Vec<u8>>, piece: &[u8]) -> Result<Bytes, TransportError> {
    decoder.write_all(piece).map_err(|_| TransportError::new(TransportErrorKind::Body))?;
    Ok(Bytes::from(std::mem::take(decoder.get_mut())))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::{FutureExt as _, TryStreamExt as _};

    use super::*;

    fn packed(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn read(body: &[u8], piece: usize) -> Result<Vec<u8>, TransportError> {
        let pieces: Vec<_> = body.chunks(piece).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        let body = gunzipped(stream::iter(pieces).boxed());
        body.try_collect::<Vec<Bytes>>().now_or_never().unwrap().map(|all| all.concat())
    }

    #[test]
    fn up_to_two_layers_are_undone_wherever_the_pieces_break() {
        let plain = br#"{"reply":{"data":[1,2,3]}}"#.repeat(50);
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(read(&plain, piece).unwrap(), plain);
            assert_eq!(read(&packed(&plain), piece).unwrap(), plain);
            assert_eq!(read(&packed(&packed(&plain)), piece).unwrap(), plain);
        }
        assert_eq!(read(b"{", 1).unwrap(), b"{");
        assert_eq!(read(b"", 1).unwrap(), b"");
    }

    #[test]
    fn a_bomb_comes_out_in_small_pieces() {
        let bomb = packed(&packed(&vec![b'0'; 64 << 20]));
        let mut body = gunzipped(stream::iter([Ok(Bytes::from(bomb))]).boxed());
        let first = body.next().now_or_never().unwrap().unwrap().unwrap();
        assert!(first.len() <= 8 << 20, "{} bytes at once", first.len());
    }

    #[test]
    fn a_broken_layer_is_an_error() {
        let body = packed(&br#"{"reply":true}"#.repeat(50));
        assert!(read(&body[..body.len() - 9], 5).is_err());
        assert!(read(&[0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9], 5).is_err());
    }
}
