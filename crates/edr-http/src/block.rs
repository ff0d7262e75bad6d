//! Sixty-four bytes of JSON at a time: where the quotes and brackets stand, as bits.
//!
//! Nearly every byte of a listing passes through here, so it is done with the vector instructions that x86-64 and aarch64
//! have, at whatever level the rest is compiled: a compiler that is told to keep a program small makes none of its own.

use wide::u8x16;

/// How many bytes are looked at as one.
pub(crate) const BLOCK: usize = 64;
/// How many of them are compared by one instruction.
const LANES: usize = 16;

/// What stands where; the lowest bit is the first byte.
pub(crate) struct Block {
    length: usize,
    quotes: u64,
    backslashes: u64,
    /// Opening brackets of either sort.
    pub(crate) opens: u64,
    /// Closing brackets of either sort.
    pub(crate) closes: u64,
}

impl Block {
    /// The block that begins here; after the end of the text nothing stands anywhere.
    pub(crate) fn at(text: &[u8], from: usize) -> Self {
        match text[from..].first_chunk::<BLOCK>() {
            Some(whole) => Self::of(whole, BLOCK),
            None => {
                let rest = &text[from..];
                let mut padded = [0; BLOCK];
                padded[..rest.len()].copy_from_slice(rest);
                Self::of(&padded, rest.len())
            }
        }
    }

    fn of(bytes: &[u8; BLOCK], length: usize) -> Self {
        let (lanes, _) = bytes.as_chunks::<LANES>();
        let lanes = || lanes.iter().map(|lane| u8x16::new(*lane));
        // A brace and its bracket differ in one bit.
        let folded = || lanes().map(|lane| lane | u8x16::splat(0x20));
        Self {
            length,
            quotes: bits(lanes(), b'"'),
            backslashes: bits(lanes(), b'\\'),
            opens: bits(folded(), b'{'),
            closes: bits(folded(), b'}'),
        }
    }
}

/// A bit for each byte that is this one.
#[inline]
fn bits(lanes: impl DoubleEndedIterator<Item = u8x16>, byte: u8) -> u64 {
    let wanted = u8x16::splat(byte);
    lanes.rev().fold(0, |bits, lane| {
        // One bit for each of the sixteen; the rest of the number says nothing.
        #[expect(clippy::cast_sign_loss, reason = "it is a set of bits")]
        let found = lane.cmp_eq(wanted).move_mask() as u64 & 0xFFFF;
        bits << LANES | found
    })
}

/// Whether the text so far stands within a string, and after a backslash.
pub(crate) struct Strings {
    /// Within a string.
    pub(crate) open: bool,
    /// The next byte means itself.
    pub(crate) escaped: bool,
}

impl Strings {
    /// Passes over a block without brackets and backslashes, as most are: then only the number of quotes counts. False
    /// when it is another one.
    pub(crate) fn skip(&mut self, block: &Block) -> bool {
        let plain = (block.opens | block.closes | block.backslashes) == 0 && !self.escaped;
        if plain {
            let mut quotes = block.quotes;
            for distance in [32, 16, 8, 4, 2, 1] {
                quotes ^= quotes >> distance;
            }
            self.open ^= quotes & 1 == 1;
        }
        plain
    }

    /// Passes over the block: a bit for each byte within a string, its first quote included.
    pub(crate) fn pass(&mut self, block: &Block) -> u64 {
        let (escaped, goes_on) = self.escaped_in(block);
        // Each quote turns everything behind it over.
        let mut within = block.quotes & !escaped;
        for distance in [1, 2, 4, 8, 16, 32] {
            within ^= within << distance;
        }
        if self.open {
            within = !within;
        }
        if block.backslashes & !within != 0 {
            return self.pass_one_by_one(block);
        }
        (self.open, self.escaped) = (within >> 63 == 1, goes_on);
        within
    }

    /// The same where a backslash stands outside of strings: the JSON is damaged there, and the backslash means nothing.
    fn pass_one_by_one(&mut self, block: &Block) -> u64 {
        (0..block.length).fold(0, |within, n| {
            let stands = |bits: u64| bits >> n & 1 == 1;
            self.open ^= stands(block.quotes) && !self.escaped;
            self.escaped = self.open && stands(block.backslashes) && !self.escaped;
            within | u64::from(self.open) << n
        })
    }

    /// A bit for each byte behind a backslash that is not escaped itself, and whether the byte behind the block is such a one.
    fn escaped_in(&self, block: &Block) -> (u64, bool) {
        // One bit more than there are bytes: the first byte of the next block.
        let mut escaped = u128::from(self.escaped);
        let mut left = u128::from(block.backslashes) & !escaped;
        while left != 0 {
            let next = (left & left.wrapping_neg()) << 1;
            escaped |= next;
            left &= (left - 1) & !next;
        }
        let goes_on = escaped >> block.length & 1 == 1;
        #[expect(clippy::cast_possible_truncation, reason = "the bit behind the block has been read")]
        let escaped = escaped as u64;
        (escaped, goes_on)
    }
}

/// Where the last open bracket is closed; otherwise the depth is what it is behind the block.
pub(crate) fn end_of(opens: u64, closes: u64, depth: &mut u32) -> Option<usize> {
    if closes.count_ones() < *depth {
        *depth += opens.count_ones();
        *depth -= closes.count_ones();
        return None;
    }
    let mut brackets = opens | closes;
    while brackets != 0 {
        let at = brackets.trailing_zeros();
        if opens >> at & 1 == 1 {
            *depth += 1;
        } else {
            *depth -= 1;
            if *depth == 0 {
                return Some(at as usize);
            }
        }
        brackets &= brackets - 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Byte by byte: which bytes stand within strings.
    fn plainly(text: &[u8]) -> Vec<bool> {
        let (mut open, mut escaped) = (false, false);
        text.iter()
            .map(|byte| {
                let quote = *byte == b'"' && !escaped;
                open ^= quote;
                escaped = open && *byte == b'\\' && !escaped;
                open
            })
            .collect()
    }

    #[test]
    fn each_byte_has_its_bit() {
        for byte in 0..=255_u8 {
            for at in 0..BLOCK {
                let mut text = [b' '; BLOCK];
                text[at] = byte;
                let block = Block::at(&text, 0);
                let bit = |is: bool| u64::from(is) << at;
                let found = (block.quotes, block.backslashes, block.opens, block.closes);
                let opens = bit(matches!(byte, b'{' | b'['));
                let closes = bit(matches!(byte, b'}' | b']'));
                assert_eq!(found, (bit(byte == b'"'), bit(byte == b'\\'), opens, closes), "{byte} at {at}");
            }
        }
    }

    #[test]
    fn an_element_ends_where_its_last_bracket_is_closed() {
        let end = |text: &str, mut depth| {
            let block = Block::at(text.as_bytes(), 0);
            (end_of(block.opens, block.closes, &mut depth), depth)
        };
        assert_eq!(end("{[]}}", 1), (Some(4), 0));
        assert_eq!(end("}{}", 2), (None, 1));
        assert_eq!(end("[{", 1), (None, 3));
        assert_eq!(end("]{}", 1), (Some(0), 0));
    }

    proptest! {
        #[test]
        fn strings_are_found_as_byte_by_byte(text in "[\\\\\"a{\\]]{0,300}", piece in 1usize..200) {
            let plain = plainly(text.as_bytes());
            let mut strings = Strings { open: false, escaped: false };
            for (number, bytes) in text.as_bytes().chunks(piece).enumerate() {
                for from in (0..bytes.len()).step_by(BLOCK) {
                    let block = Block::at(bytes, from);
                    let within = strings.pass(&block);
                    for (n, byte) in bytes[from..].iter().take(BLOCK).enumerate() {
                        prop_assert_eq!(within >> n & 1 == 1, plain[number * piece + from + n]);
                        prop_assert_eq!(block.opens >> n & 1 == 1, matches!(byte, b'{' | b'['));
                        prop_assert_eq!(block.closes >> n & 1 == 1, matches!(byte, b'}' | b']'));
                    }
                }
            }
        }

        #[test]
        fn a_block_that_is_skipped_leaves_what_one_that_is_passed_does(
            texts in proptest::collection::vec("[\"a]{0,64}|[\\\\\"a{}\\[\\]]{0,64}", 1..8),
        ) {
            let mut all = [Strings { open: false, escaped: false }, Strings { open: false, escaped: false }];
            for text in texts {
                let block = Block::at(text.as_bytes(), 0);
                let [skipping, passing] = &mut all;
                let plain = !skipping.escaped && text.bytes().all(|byte| matches!(byte, b'"' | b'a'));
                let skipped = skipping.skip(&block);
                prop_assert_eq!(skipped, plain, "{:?}", text);
                if !skipped {
                    skipping.pass(&block);
                }
                passing.pass(&block);
                prop_assert_eq!((skipping.open, skipping.escaped), (passing.open, passing.escaped));
            }
        }
    }
}
