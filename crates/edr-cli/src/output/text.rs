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
        used += c.width().unwrap_or(0);
        used < room
    });
    let mut cut: String = kept.collect();
    if room > 0 {
        cut.push('…');
    }
    Cow::Owned(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

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
