//! Small pure hashing: every value of the estate is a function of (seed, tenant, index, field).

/// The finaliser of splitmix64: a bijection of 64-bit words that mixes well.
#[must_use]
pub const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Mixes two words.
#[must_use]
pub const fn mix2(a: u64, b: u64) -> u64 {
    mix(mix(a) ^ b.wrapping_mul(0xD6E8_FEB8_6659_FD93))
}

/// Mixes a word and a name.
#[must_use]
pub fn mix_str(a: u64, name: &str) -> u64 {
    name.bytes().fold(mix(a), |h, byte| mix2(h, u64::from(byte)))
}

/// An element of a slice chosen by `h`; the tables of this crate are never empty.
#[must_use]
pub fn pick<T: Copy>(items: &[T], h: u64) -> T {
    items[below(h, items.len() as u64) as usize]
}

/// A number below `n` (0 when `n` is 0).
#[must_use]
pub const fn below(h: u64, n: u64) -> u64 {
    ((h as u128 * n as u128) >> 64) as u64
}

/// Bytes as lower-case hex.
#[must_use]
pub fn hex_of(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    push_hex(&mut out, bytes);
    out
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// `words` 64-bit words of hex digits grown from one hash: 2 make an MD5, 4 a SHA-256.
#[must_use]
pub fn hex_words(h: u64, words: u64) -> String {
    let mut out = String::with_capacity(16 * words as usize);
    (0..words).for_each(|i| push_hex(&mut out, &mix2(h, i).to_be_bytes()));
    out
}

/// 32 lower-case hex digits.
#[must_use]
pub fn hex32(h: u64) -> String {
    hex_words(h, 2)
}

/// A text of `len` characters drawn from `alphabet`.
#[must_use]
pub fn text(h: u64, len: u64, alphabet: &[u8]) -> String {
    (0..len).map(|i| char::from(pick(alphabet, mix2(h, i)))).collect()
}

/// A UUID (version 4 in form) grown from one hash.
#[must_use]
pub fn uuid(h: u64) -> String {
    let x = hex32(h);
    format!("{}-{}-4{}-a{}-{}", &x[..8], &x[8..12], &x[13..16], &x[17..20], &x[20..])
}

/// A keyed bijection of 32-bit words (four Feistel rounds over 16-bit halves).
#[must_use]
pub fn permute32(key: u64, x: u32) -> u32 {
    (0..4).fold(x, |x, round| {
        let (left, right) = (x >> 16, x & 0xFFFF);
        let f = (mix2(key ^ round, u64::from(right)) & 0xFFFF) as u32;
        (right << 16) | (left ^ f)
    })
}

/// The inverse of [`permute32`].
#[must_use]
pub fn unpermute32(key: u64, x: u32) -> u32 {
    (0..4).rev().fold(x, |x, round| {
        let (right, mixed) = (x >> 16, x & 0xFFFF);
        let f = (mix2(key ^ round, u64::from(right)) & 0xFFFF) as u32;
        ((mixed ^ f) << 16) | right
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn permutation_has_an_inverse(key: u64, x: u32) {
            prop_assert_eq!(unpermute32(key, permute32(key, x)), x);
        }

        #[test]
        fn below_stays_below(h: u64, n in 1..u64::MAX) {
            prop_assert!(below(h, n) < n);
        }
    }

    #[test]
    fn forms() {
        assert_eq!(hex32(7).len(), 32);
        assert_eq!(uuid(7).len(), 36);
        assert_eq!(text(1, 40, b"ab").len(), 40);
        assert_eq!(hex_of(&[0, 255, 16]), "00ff10");
    }
}
