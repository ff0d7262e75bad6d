//! Patterns of STIX, as far as they are single values: comparisons for equality, joined by OR and nothing else.

/// Why a pattern makes no indicators.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It says more than a single value can.
    Compound(String),
    /// It is no pattern.
    Wrong(String),
}

#[derive(Debug, PartialEq)]
enum Token {
    Mark(char),
    Text(String),
    Word(String),
}

/// The values of a pattern, each with its type.
pub(super) fn values(pattern: &str) -> Result<Vec<(&'static str, String)>, Why> {
    let tokens = tokens(pattern)?;
    if tokens.is_empty() {
        return Err(Why::Wrong("the indicator has no pattern".to_owned()));
    }
    let mut values = Vec::new();
    let (mut inside, mut wants_value) = (false, true);
    let mut rest = tokens.as_slice();
    while let Some((token, tail)) = rest.split_first() {
        rest = tail;
        match token {
            Token::Mark('[') if !inside && wants_value => inside = true,
            Token::Mark(']') if inside && !wants_value => inside = false,
            Token::Word(word) if word == "OR" && !wants_value => wants_value = true,
            Token::Word(word) if is_compound(word) => return Err(compound(word)),
            Token::Mark('(' | ')') => return Err(compound("parentheses")),
            Token::Word(path) if inside && wants_value => {
                rest = comparison(path, rest, &mut values)?;
                wants_value = false;
            }
            _ => return Err(wrong()),
        }
    }
    if inside || wants_value { Err(wrong()) } else { Ok(values) }
}

fn comparison<'t>(
    path: &str,
    rest: &'t [Token],
    values: &mut Vec<(&'static str, String)>,
) -> Result<&'t [Token], Why> {
    let [operator, value, rest @ ..] = rest else { return Err(wrong()) };
    match (operator, value) {
        (Token::Mark('='), Token::Text(text)) => {
            let unknown = || Why::Compound(format!("neither vendor has indicators of {path}"));
            values.push((kind(path).ok_or_else(unknown)?, text.clone()));
            Ok(rest)
        }
        (Token::Word(word), _) => Err(compound(word)),
        (Token::Mark('!' | '<' | '>'), _) => Err(compound("other comparisons than =")),
        _ => Err(wrong()),
    }
}

fn kind(path: &str) -> Option<&'static str> {
    let plain: String =
        path.to_ascii_lowercase().chars().filter(|c| !matches!(c, '\'' | '"' | '-')).collect();
    Some(match plain.as_str() {
        "domainname:value" => "domain",
        "file:hashes.md5" => "md5",
        "file:hashes.sha1" => "sha1",
        "file:hashes.sha256" => "sha256",
        "file:name" => "file_name",
        "ipv4addr:value" => "ipv4",
        "ipv6addr:value" => "ipv6",
        "url:value" => "url",
        _ => return None,
    })
}

fn is_compound(word: &str) -> bool {
    matches!(word, "AND" | "FOLLOWEDBY" | "NOT" | "REPEATS" | "START" | "STOP" | "TIMES" | "WITHIN")
}

fn compound(what: &str) -> Why {
    Why::Compound(format!("a pattern with {what} says more than a single value"))
}

fn wrong() -> Why {
    Why::Wrong("the pattern cannot be understood".to_owned())
}

fn tokens(pattern: &str) -> Result<Vec<Token>, Why> {
    let mut chars = pattern.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '[' | ']' | '(' | ')' | '=' | '!' | '<' | '>' => tokens.push(Token::Mark(c)),
            '\'' => tokens.push(Token::Text(quoted(&mut chars)?)),
            c => {
                let mut word = String::from(c);
                // A key in quotes is a part of its path: file:hashes.'SHA-256'.
                while let Some(next) = chars.next_if(|c| !c.is_whitespace() && !"[]()=!<>".contains(*c)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, Why> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\'' => return Ok(text),
            '\\' => text.push(chars.next().ok_or_else(wrong)?),
            c => text.push(c),
        }
    }
    Err(wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_values_are_read() {
        let one = |p| values(p).unwrap();
        assert_eq!(one("[domain-name:value = 'evil.example']"), [("domain", "evil.example".to_owned())]);
        assert_eq!(one("[file:hashes.'SHA-256'='ab' OR file:hashes.MD5 = 'cd']").len(), 2);
        assert_eq!(one("[ipv4-addr:value = '1.2.3.4'] OR [url:value = 'http://x/\\'y']")[1].1, "http://x/'y");
        assert_eq!(one("[file:hashes.\"SHA-1\" = 'ab']"), [("sha1", "ab".to_owned())]);
    }

    #[test]
    fn what_says_more_is_compound_and_rubbish_is_wrong() {
        for pattern in [
            "[domain-name:value = 'a' AND url:value = 'b']",
            "[url:value = 'a'] FOLLOWEDBY [url:value = 'b']",
            "[url:value LIKE 'a%']",
            "[url:value != 'a']",
            "[(url:value = 'a')]",
            "[url:value NOT = 'a']",
            "[process:command_line = 'a']",
            "[url:value = 'a'] WITHIN 5 SECONDS",
        ] {
            assert!(matches!(values(pattern), Err(Why::Compound(_))), "{pattern}");
        }
        for pattern in [
            "",
            "[",
            "[]",
            "[url:value = 'a'",
            "url:value = 'a'",
            "[url:value = 'a' OR]",
            "[url:value = 5]",
            "'",
        ] {
            assert!(matches!(values(pattern), Err(Why::Wrong(_))), "{pattern}");
        }
    }
}
