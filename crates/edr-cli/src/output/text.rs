//! Text that is safe to print: nothing that a vendor sends can move the cursor, colour the screen,
//! or turn the direction of writing.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The text with every control character replaced by a visible stand-in.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_unsafe) {
        Cow::Owned(text.chars().map(|c| if is_unsafe(c) { stand_in(c) } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// As [`safe`], as an owned string.
pub(crate) fn plain(text: &str) -> String {
    safe(text).into_owned()
}

/// As [`safe`], with line breaks and tabs as spaces: a cell of a delimited file.
pub(crate) fn cell(text: &str) -> Cow<'_, str> {
    if text.contains(['\t', '\n', '\r']) {
        let spaced = text.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
        return Cow::Owned(plain(&spaced));
    }
    safe(text)
}

fn is_unsafe(c: char) -> bool {
    c.is_control() || is_format(c)
}

/// Marks that turn or hide text: bidirectional controls, zero-width characters, line separators.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
        || matches!(c, '\u{061C}' | '\u{00AD}' | '\u{E0000}'..='\u{E007F}')
}

/// C0 controls have pictures; everything else becomes the replacement character.
fn stand_in(c: char) -> char {
    match u32::from(c) {
        code @ 0..=0x1F => char::from_u32(0x2400 + code).unwrap_or('\u{FFFD}'),
        0x7F => '\u{2421}',
        _ => '\u{FFFD}',
    }
}

/// How many columns of a terminal the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text cut to `room` columns, with `…` where something was left out.
pub(crate) fn fit(text: &str, room: usize) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let mut used = 0;
    let kept = text.chars().take_while(|c| {
        used += most(*c);
        used < room
    });
    let mut cut: String = kept.collect();
    if room > 0 {
        cut.push('…');
    }
    Cow::Owned(cut)
}

/// The most columns that a character adds. A variation selector may widen the one before it: `❤` takes one column, and with
/// U+FE0F behind it two.
fn most(c: char) -> usize {
    match c {
        '\u{FE00}'..='\u{FE0F}' => 1,
        c => c.width().unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What is wider or narrower than its characters: emoji, what makes one of several, and scripts that join.
    const ODD: &str = "\u{26A0}\u{2764}1#\u{231A}\u{FE0F}\u{FE0E}\u{FE01}\u{200D}\u{20E3}\u{1F469}\u{1F3FD}\u{1F1FA}\u{2018}\u{6F22}\u{FF21}\u{301}\
                       \u{644}\u{627}\u{17D2}\u{1780}\u{A4F8}\u{A4FC}\u{1100}\u{1161}\u{16D67}\r\n\u{1b}a ";

    fn odd() -> impl Strategy<Value = String> {
        let of_those = prop::sample::select(ODD.chars().collect::<Vec<char>>());
        let some = vec(prop_oneof![4 => of_those, 1 => any::<char>()], 0..24);
        some.prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn a_cut_text_is_never_wider_than_its_room(text in odd(), room in 0_usize..20) {
            let cut = fit(&text, room);
            prop_assert!(width(&cut) <= room, "{text:?} in {room}: {cut:?}");
            prop_assert!(cut == text || text.starts_with(cut.trim_end_matches('…')), "{text:?}: {cut:?}");
        }
    }

    #[test]
    fn controls_become_pictures() {
        assert_eq!(safe("a\u{1b}[31mred\u{7}"), "a␛[31mred␇");
        assert_eq!(safe("\u{9b}31m"), "\u{FFFD}31m");
        assert_eq!(safe("safe\u{202E}exe.doc"), "safe\u{FFFD}exe.doc");
        assert_eq!(safe("two\nlines\r"), "two␊lines␍");
        assert!(matches!(safe("plain ü 漢字"), Cow::Borrowed(_)));
    }

    #[test]
    fn cells_have_no_breaks() {
        assert_eq!(cell("a\tb\r\nc\u{1b}"), "a b c␛");
    }

    #[test]
    fn text_is_cut_by_columns() {
        assert_eq!(fit("hostname", 8), "hostname");
        assert_eq!(fit("hostname", 5), "host…");
        assert_eq!(fit("漢字漢字", 5), "漢字…");
        assert_eq!(fit("ab", 0), "");
        assert_eq!(width(&fit("漢字漢字", 4)), 3);
    }
}
