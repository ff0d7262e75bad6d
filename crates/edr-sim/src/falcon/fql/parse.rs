//! The lexer and parser of FQL.

use std::fmt;

/// Where and why a filter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {why}")]
pub struct Syntax {
    /// The byte at which reading stopped.
    pub at: usize,
    /// What was expected.
    pub why: &'static str,
}

/// The operator of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// No operator: equal.
    Eq,
    /// `!`: not equal.
    Ne,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `~`: the words of the value occur.
    Words,
    /// `!~`: they do not.
    NotWords,
    /// `*`: wildcard.
    Glob,
    /// `!*`: negated wildcard.
    NotGlob,
}

impl Op {
    fn sign(self) -> &'static str {
        match self {
            Self::Eq => "",
            Self::Ne => "!",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Words => "~",
            Self::NotWords => "!~",
            Self::Glob => "*",
            Self::NotGlob => "!*",
        }
    }
}

/// A value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// In quotes.
    Quoted(String),
    /// Bare: a number, `true`, `false`, `now-7d`.
    Bare(String),
    /// `null`
    Null,
}

/// `property:[op]value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The property.
    pub property: String,
    /// The operator.
    pub op: Op,
    /// The values: one, or those of a list.
    pub values: Vec<Literal>,
}

/// A filter as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// All of them.
    And(Vec<Expr>),
    /// One of them.
    Or(Vec<Expr>),
    /// One term.
    Term(Term),
}

/// Reads a filter.
///
/// # Errors
/// Where and why it cannot be read.
pub fn parse(text: &str) -> Result<Expr, Syntax> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expr = parser.or()?;
    parser.blank();
    if parser.at == text.len() { Ok(expr) } else { Err(parser.fail("expected + or , or the end")) }
}

/// Deeper nesting than this is refused, so that hostile input cannot exhaust the stack.
const MAX_DEPTH: usize = 64;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn fail(&self, why: &'static str) -> Syntax {
        Syntax { at: self.at, why }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches(' ').len();
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn or(&mut self) -> Result<Expr, Syntax> {
        let mut parts = vec![self.and()?];
        loop {
            self.blank();
            if !self.eat(",") {
                return Ok(join(parts, Expr::Or));
            }
            parts.push(self.and()?);
        }
    }

    fn and(&mut self) -> Result<Expr, Syntax> {
        let mut parts = vec![self.primary()?];
        loop {
            self.blank();
            if !self.eat("+") {
                return Ok(join(parts, Expr::And));
            }
            parts.push(self.primary()?);
        }
    }

    fn primary(&mut self) -> Result<Expr, Syntax> {
        self.blank();
        if !self.eat("(") {
            return self.term();
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fail("nested too deeply"));
        }
        let inner = self.or()?;
        self.blank();
        self.depth -= 1;
        if self.eat(")") { Ok(inner) } else { Err(self.fail("expected )")) }
    }

    fn term(&mut self) -> Result<Expr, Syntax> {
        let property = self.word(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        if !property.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(self.fail("expected a property"));
        }
        if !self.eat(":") {
            return Err(self.fail("expected :"));
        }
        let op = self.op();
        let values = if self.eat("[") { self.list()? } else { vec![self.value()?] };
        Ok(Expr::Term(Term { property, op, values }))
    }

    fn word(&mut self, keep: impl Fn(char) -> bool) -> String {
        let word: String = self.rest().chars().take_while(|c| keep(*c)).collect();
        self.at += word.len();
        word
    }

    fn op(&mut self) -> Op {
        const SIGNED: [Op; 9] =
            [Op::NotWords, Op::NotGlob, Op::Ge, Op::Le, Op::Gt, Op::Lt, Op::Ne, Op::Words, Op::Glob];
        SIGNED.into_iter().find(|op| self.eat(op.sign())).unwrap_or(Op::Eq)
    }

    fn list(&mut self) -> Result<Vec<Literal>, Syntax> {
        let mut values = Vec::new();
        loop {
            self.blank();
            values.push(self.value()?);
            self.blank();
            if self.eat("]") {
                return Ok(values);
            }
            if !self.eat(",") {
                return Err(self.fail("expected , or ]"));
            }
        }
    }

    fn value(&mut self) -> Result<Literal, Syntax> {
        match self.peek() {
            Some(quote @ ('\'' | '"')) => self.quoted(quote).map(Literal::Quoted),
            _ => {
                let word = self.word(|c| c.is_ascii_alphanumeric() || "_.-:".contains(c));
                match word.as_str() {
                    "" => Err(self.fail("expected a value")),
                    "null" => Ok(Literal::Null),
                    _ => Ok(Literal::Bare(word)),
                }
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Syntax> {
        let mut out = String::new();
        let mut chars = self.text[self.at + 1..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '\n' | '\r' => return Err(self.fail("a line break in a value")),
                // A backslash takes the next character as it is.
                '\\' => out.extend(chars.next().map(|(_, next)| next)),
                c if c == quote => {
                    self.at += i + 2;
                    return Ok(out);
                }
                c => out.push(c),
            }
        }
        Err(self.fail("a quote that does not end"))
    }
}

fn join(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quoted(text) => write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            Self::Bare(word) => f.write_str(word),
            Self::Null => f.write_str("null"),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.property, self.op.sign())?;
        match self.values.as_slice() {
            [one] => write!(f, "{one}"),
            many => {
                let list: Vec<String> = many.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", list.join(","))
            }
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, sign) = match self {
            Self::Term(term) => return write!(f, "{term}"),
            Self::And(parts) => (parts, "+"),
            Self::Or(parts) => (parts, ","),
        };
        let inner: Vec<String> = parts
            .iter()
            .map(|p| if matches!(p, Self::Term(_)) { p.to_string() } else { format!("({p})") })
            .collect();
        f.write_str(&inner.join(sign))
    }
}
