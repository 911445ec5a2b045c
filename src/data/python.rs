//! Programs as text: just enough of Python's lexer to rename a function and to mutate a token, and the
//! form in which a chain of functions is written.
//!
//! A chain of `double` and `add_one` is
//!
//! ```python
//! def p(x):
//!     return x * 2
//! def q(x):
//!     return x + 1
//! def f(x):
//!     return q(p(x))
//! ```
//!
//! One function alone takes the same form, with one helper: what is learned from atoms is then written as
//! it is needed in chains (`docs/regime.md`, attempt 6).

/// The function that the hidden cases call.
pub const ENTRY: &str = "f";

/// Names of the helper functions, in order of application.
pub const HELPERS: [&str; 6] = ["p", "q", "u", "k", "z", "h"];

/// Deepest chain that may be asked for: one step too many still has a name.
pub const MAX_DEPTH: usize = HELPERS.len() - 1;

/// The program that applies functions from first to last, each of them one `def`. No newline at the end.
///
/// # Panics
/// Where there are none or more than there are [`HELPERS`]; requests are checked before they get here.
pub fn assemble<'a>(sources: impl IntoIterator<Item = &'a str>) -> String {
    let (mut program, mut call) = (String::new(), "x".to_owned());
    let mut helpers = HELPERS.iter();
    for source in sources {
        // Requests are checked for their depth before they get here (see Panics).
        let helper = helpers.next().expect("a chain has at most MAX_DEPTH steps, a wrong one one more");
        let name = source.trim_start_matches("def ").split('(').next().unwrap_or_default();
        program += &rename(source.trim_end(), name, helper);
        program.push('\n');
        call = format!("{helper}({call})");
    }
    assert_ne!(call, "x", "a chain has at least one step");
    program + &format!("def {ENTRY}(x):\n    return {call}")
}

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

/// Splits `source` into tokens whose texts, joined, are `source`: `x+1` is `Name`, `Op`, `Number`.
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
    let renamed = |token: &Token| (token.kind == TokenKind::Name && token.text == from).then_some(to);
    tokens(source).iter().map(|token| renamed(token).unwrap_or(token.text)).collect()
}

/// Length in bytes of the string literal that `rest` starts with, if it does. A prefix such as `f` is a
/// name in front of it.
fn text_length(rest: &str) -> Option<usize> {
    let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'')?.to_string();
    let triple = quote.repeat(3);
    let delimiter = if rest.starts_with(&triple) { triple } else { quote };
    let mut escaped = false;
    let mut ends = |(at, c): &(usize, char)| {
        let ends = !escaped && rest[*at..].starts_with(&delimiter);
        escaped = !escaped && *c == '\\';
        ends
    };
    let end = rest.char_indices().skip(delimiter.len()).find(|place| ends(place));
    Some(end.map_or(rest.len(), |(at, _)| at + delimiter.len()))
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
        let kinds: Vec<_> = tokens("x+10>='a'").iter().map(|token| (token.kind, token.text)).collect();
        assert_eq!(kinds, [(Name, "x"), (Op, "+"), (Number, "10"), (Op, ">="), (Text, "'a'")]);
    }

    const DOUBLE: &str = "def double(x):\n    return x * 2\n";
    const ADD_ONE: &str = "def add_one(x):\n    return x + 1";

    #[test]
    fn one_step_takes_the_form_of_several() {
        assert_eq!(assemble([DOUBLE]), "def p(x):\n    return x * 2\ndef f(x):\n    return p(x)");
    }

    #[test]
    fn steps_become_helpers_in_order_of_application() {
        let expected =
            "def p(x):\n    return x * 2\ndef q(x):\n    return x + 1\ndef f(x):\n    return q(p(x))";
        assert_eq!(assemble([DOUBLE, ADD_ONE]), expected);
    }

    #[test]
    fn renaming_leaves_strings_and_longer_names_alone() {
        let source = "def add(x):\n    return add_all('add') + x  # add\n";
        assert_eq!(rename(source, "add", "p"), "def p(x):\n    return add_all('add') + x  # add\n");
    }
}
