//! From text to an expression. What oslo.policy would take for a silent "no" is an error here, with its reason.

use crate::caller::CALLER_ATTRIBUTES;
use crate::expression::{Expression, Operand, Side};

/// How deep parentheses and `not` may nest, so that no text exhausts the stack.
const DEPTH_MAX: usize = 64;

/// A word of the language.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word<'t> {
    Open,
    Close,
    And,
    Or,
    Not,
    Check(&'t str),
}

/// The expression that a text says.
pub(crate) fn parse(text: &str) -> Result<Expression, String> {
    let words = words(text);
    if words.is_empty() {
        return Ok(Expression::True);
    }
    let mut parser = Parser { words: &words, at: 0, depth: 0 };
    let expression = parser.any()?;
    match parser.peek() {
        None => Ok(expression),
        Some(Word::Close) => Err("a `)` closes nothing".to_owned()),
        Some(word) => Err(format!("{} follows a check without `and` or `or`", said(word))),
    }
}

/// Words are parted by spaces; parentheses count at a word's ends only, for `%(name)s` has some inside.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for part in text.split_whitespace() {
        let inner = part.trim_start_matches('(');
        words.extend((inner.len()..part.len()).map(|_| Word::Open));
        let check = inner.trim_end_matches(')');
        match check.to_ascii_lowercase().as_str() {
            "" => {}
            "and" => words.push(Word::And),
            "or" => words.push(Word::Or),
            "not" => words.push(Word::Not),
            _ => words.push(Word::Check(check)),
        }
        words.extend((check.len()..inner.len()).map(|_| Word::Close));
    }
    words
}

fn said(word: &Word<'_>) -> String {
    match word {
        Word::Open => "`(`".to_owned(),
        Word::Close => "`)`".to_owned(),
        Word::And => "`and`".to_owned(),
        Word::Or => "`or`".to_owned(),
        Word::Not => "`not`".to_owned(),
        Word::Check(text) => format!("`{text}`"),
    }
}

struct Parser<'w, 't> {
    words: &'w [Word<'t>],
    at: usize,
    depth: usize,
}

impl<'w, 't> Parser<'w, 't> {
    fn peek(&self) -> Option<&'w Word<'t>> {
        self.words.get(self.at)
    }

    fn takes(&mut self, word: &Word<'_>) -> bool {
        let there = self.peek() == Some(word);
        self.at += usize::from(there);
        there
    }

    fn any(&mut self) -> Result<Expression, String> {
        let first = self.all()?;
        let mut parts = vec![first];
        while self.takes(&Word::Or) {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, String> {
        let first = self.one()?;
        let mut parts = vec![first];
        while self.takes(&Word::And) {
            parts.push(self.one()?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn one(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("it nests deeper than {DEPTH_MAX} levels"));
        }
        let word = self.peek();
        self.at += 1;
        let expression = match word {
            Some(Word::Not) => Expression::Not(Box::new(self.one()?)),
            Some(Word::Open) => {
                let inner = self.any()?;
                if !self.takes(&Word::Close) {
                    return Err("a `(` is not closed".to_owned());
                }
                inner
            }
            Some(Word::Check(text)) => check(text)?,
            Some(word) => return Err(format!("{} stands where a check is expected", said(word))),
            None => return Err("it ends where a check is expected".to_owned()),
        };
        self.depth -= 1;
        Ok(expression)
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            many(parts)
        }
    }
}

fn check(text: &str) -> Result<Expression, String> {
    match text {
        "@" => return Ok(Expression::True),
        "!" => return Ok(Expression::False),
        _ => {}
    }
    let Some((kind, right)) = text.split_once(':') else {
        return Err(format!("`{text}` is no check: write `role:{text}` or `rule:{text}`, `@` or `!`"));
    };
    if kind.is_empty() || right.is_empty() {
        return Err(format!("`{text}` lacks a side of its `:`"));
    }
    match kind {
        "rule" => Ok(Expression::Rule(right.to_owned())),
        "role" => Ok(Expression::Role(operand(right)?)),
        "http" | "https" => Err(format!("`{text}` asks another server, which is not built")),
        _ => Ok(Expression::Equal(side(kind)?, operand(right)?)),
    }
}

fn side(kind: &str) -> Result<Side, String> {
    let quoted = ['\'', '"'].iter().find_map(|q| kind.strip_prefix(*q)?.strip_suffix(*q));
    if let Some(text) = quoted {
        return Ok(Side::Text(text.to_owned()));
    }
    if kind == "None" {
        return Ok(Side::Null);
    }
    if kind == "True" || kind == "False" || kind.parse::<i64>().is_ok() {
        return Ok(Side::Bare(kind.to_owned()));
    }
    let known = CALLER_ATTRIBUTES.iter().find(|(name, _)| *name == kind);
    known.map(|(_, attribute)| Side::Caller(*attribute)).ok_or_else(|| {
        let names: Vec<&str> = CALLER_ATTRIBUTES.iter().map(|(name, _)| *name).collect();
        format!("`{kind}` is nothing that is known of a caller; known are role, rule, {}", names.join(", "))
    })
}

fn operand(text: &str) -> Result<Operand, String> {
    if text == "None" {
        return Ok(Operand::Null);
    }
    if !text.contains('%') {
        return Ok(Operand::Text(text.to_owned()));
    }
    let name = text.strip_prefix("%(").and_then(|rest| rest.strip_suffix(")s"));
    match name {
        Some(name) if !name.is_empty() && !name.contains(['%', '(', ')']) => {
            Ok(Operand::Attribute(name.to_owned()))
        }
        _ => Err(format!("`{text}` is no attribute of a target: write `%(name)s`")),
    }
}
