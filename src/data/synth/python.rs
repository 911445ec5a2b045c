//! Just enough of Python's lexer to rename one function and to mutate a token: lossless, so that
//! joining the tokens gives the source back.
//!
//! `tokens("x+1")` is `[Name "x", Op "+", Number "1"]`.

/// What a token is. `Space` holds blanks, line ends and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    Name,
    Number,
    Text,
    Op,
    Space,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: TokenKind,
    pub text: &'a str,
}

/// Operators of more than one character, longest first.
const LONG_OPS: [&str; 22] = [
    "**=", "//=", ">>=", "<<=", "...", "**", "//", ">>", "<<", "<=", ">=", "==", "!=", "->", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", ":=",
];

/// Splits `source` into tokens whose texts, joined, are `source`.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = if let Some(length) = text_length(rest) {
            (TokenKind::Text, length)
        } else if first.is_alphabetic() || first == '_' {
            (TokenKind::Name, run_length(rest, |c| c.is_alphanumeric() || c == '_'))
        } else if first.is_ascii_digit() {
            // `1 .real` does not occur in the catalog, so a dot after digits belongs to the number.
            (TokenKind::Number, run_length(rest, |c| c.is_ascii_alphanumeric() || c == '.' || c == '_'))
        } else if first.is_whitespace() {
            (TokenKind::Space, run_length(rest, char::is_whitespace))
        } else if first == '#' {
            (TokenKind::Space, run_length(rest, |c| c != '\n'))
        } else {
            let long = LONG_OPS.iter().find(|op| rest.starts_with(**op));
            (TokenKind::Op, long.map_or(first.len_utf8(), |op| op.len()))
        };
        let (text, tail) = rest.split_at(length);
        found.push(Token { kind, text });
        rest = tail;
    }
    found
}

/// Replaces the identifier `from` by `to`, leaving strings and comments alone.
pub fn rename(source: &str, from: &str, to: &str) -> String {
    let renamed = |token: Token<'_>| {
        if token.kind == TokenKind::Name && token.text == from {
            to.to_owned()
        } else {
            token.text.to_owned()
        }
    };
    tokens(source).into_iter().map(renamed).collect()
}

/// Length in bytes of the string literal that `rest` starts with, prefix included, if it does.
fn text_length(rest: &str) -> Option<usize> {
    let prefix = run_length(rest, |c| c.is_ascii_alphabetic());
    let prefixed =
        matches!(rest[..prefix].to_ascii_lowercase().as_str(), "" | "r" | "b" | "f" | "u" | "rb" | "br");
    let body = &rest[prefix..];
    let quote = body.chars().next().filter(|c| *c == '"' || *c == '\'')?;
    if !prefixed {
        return None;
    }
    let triple = quote.to_string().repeat(3);
    let delimiter = if body.starts_with(&triple) { triple } else { quote.to_string() };
    let mut at = delimiter.len();
    while at < body.len() {
        if body[at..].starts_with(&delimiter) {
            return Some(prefix + at + delimiter.len());
        }
        let next = body[at..].chars().next()?;
        at += next.len_utf8();
        if next == '\\' {
            at += body[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    Some(rest.len())
}

fn run_length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use TokenKind::*;

    #[test]
    fn tokens_join_back_to_the_source() {
        let source =
            "def a(x):\n    # a comment\n    return x[::-1] + 'it\\'s' if x != [] else f\"{x}\" * 10**2\n";
        let joined: String = tokens(source).iter().map(|token| token.text).collect();
        assert_eq!(joined, source);
        let kinds: Vec<_> = tokens("x+10>=r'a'").iter().map(|token| (token.kind, token.text)).collect();
        assert_eq!(kinds, [(Name, "x"), (Op, "+"), (Number, "10"), (Op, ">="), (Text, "r'a'")]);
    }

    #[test]
    fn renaming_leaves_strings_and_longer_names_alone() {
        let source = "def add(x):\n    return add_all('add') + x  # add\n";
        assert_eq!(rename(source, "add", "p"), "def p(x):\n    return add_all('add') + x  # add\n");
    }
}
