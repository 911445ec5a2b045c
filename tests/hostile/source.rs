//! Source text that is no program, or is hard on the compiler.

use crate::hostile;

/// `before` and `after` around a 1, so many times.
macro_rules! concat_deep {
    ($before:expr, $after:expr, $times:expr) => {
        &format!("y = {}1{}\ndef f(x): return x + 1", $before.repeat($times), $after.repeat($times))
    };
}

hostile! {
    empty: "no_entry, no_entry", "";
    not_python: "exception, exception", "this is not python";
    half_a_function: "syntax, syntax", "def f(x):";
    unclosed: "syntax, syntax", "def f(x): return (x + 1";
    entry_missing: "no_entry, no_entry", "def g(x): return x + 1";
    entry_not_callable: "exception, exception", "f = 2";
    entry_deleted: "no_entry, no_entry", "def f(x): return x + 1\ndel f";
    entry_with_other_arguments: "exception, exception", "def f(x, y): return x + 1";
    entry_without_arguments: "exception, exception", "def f(): return 2";
    error_at_import: "exception, exception", "1 // 0\ndef f(x): return x + 1";
    missing_module: "exception, exception", "import no_such_module\ndef f(x): return x + 1";
    missing_name: "exception, exception", "def f(x): return y + 1";
    bad_indent: "syntax, syntax", "def f(x):\n    return x + 1\n  y = 2";
    tabs_and_spaces: "syntax, syntax", "def f(x):\n\tif x:\n        return x + 1\n\treturn 0";
    bad_escape: "syntax, syntax", r"def f(x): return '\N{NO SUCH NAME}'";
    deep_parentheses: "syntax|memory, syntax|memory", concat_deep!("(", ")", 10_000);
    deep_lists: "syntax|memory, syntax|memory", concat_deep!("[", "]", 10_000);
    deep_calls: "syntax|memory|crashed, syntax|memory|crashed", concat_deep!("f(", ")", 50_000);
    deep_negation: "exception|memory|crashed, exception|memory|crashed", concat_deep!("-", "", 100_000);
    long_sum: "syntax|memory|crashed|pass, syntax|memory|crashed|pass", concat_deep!("1+", "", 100_000);
    deep_blocks: "syntax, syntax", deep_blocks_source();
    folded_constants: "memory|timeout|exception, memory|timeout|exception", "y = (1 << 10 ** 9) * (1 << 10 ** 9) ** 3\ndef f(x): return x + 1";
    folded_text: "memory, memory", "y = ('a' * 10 ** 6) * 10 ** 6\ndef f(x): return x + 1";
    long_identifier: "pass, pass", long_identifier_source();
    many_lines: "pass|timeout, pass|timeout", many_lines_source();
    deep_format: "syntax|memory|crashed, syntax|memory|crashed", concat_deep!("f'{", "}'", 500);
    chain_of_lambdas: "exception|memory|crashed|malformed, exception|memory|crashed|malformed", chain_of_lambdas_source();
    folded_tuple: "memory, memory", "y = (1,) * 10 ** 11\ndef f(x): return x + 1";
    folded_shift: "memory|timeout|exception, memory|timeout|exception", "y = 1 << 10 ** 12\ndef f(x): return x + 1";
    evaluated_text: "exception|memory|crashed, exception|memory|crashed|not_run", "def f(x): return eval('(' * 10 ** 5 + ')' * 10 ** 5)";
    evaluated_literal: "exception|memory|crashed, exception|memory|crashed|not_run", "import ast\ndef f(x): return ast.literal_eval('-' * 10 ** 6 + '1')";
    deep_json: "exception|crashed, exception|crashed|not_run", "import json\ndef f(x): return json.loads('[' * 10 ** 6)";
    entry_is_a_class: "malformed, malformed", "class f:\n    def __init__(self, x): pass";
    entry_is_a_class_of_numbers: "malformed, malformed", "class f(int):\n    def __new__(cls, x): return int.__new__(cls, x + 1)";
    entry_is_a_builtin: "wrong_answer, wrong_answer", "f = abs";
    entry_is_exec: "exception, exception", "f = exec";
    entry_made_up_by_the_module: "no_entry, no_entry", "def __getattr__(name): return lambda x: x + 1";
    another_encoding: "exception|pass, exception|pass", "# coding: utf-7\ndef f(x): return x + 1";
    byte_order_mark: "exception|pass, exception|pass", "\u{feff}def f(x): return x + 1";
    carriage_returns: "pass, pass", "def f(x):\r\n    return x + 1\r\n";
    form_feed: "pass, pass", "\u{c}def f(x):\n    return x + 1";
    wide_letters: "pass, pass", "def ｆ(x): return x + 1";
    callable_object: "pass, pass", "class A:\n    def __call__(self, x): return x + 1\nf = A()";
    lambda_entry: "pass, pass", "f = lambda x: x + 1";
    decorated: "pass, pass", "import functools\n@functools.lru_cache\ndef f(x): return x + 1";
    dataclass: "pass, pass", "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    a: int\ndef f(x): return P(x).a + 1";
    typed: "pass, pass", "from typing import List, Optional\ndef f(x: Optional[int]) -> List[int]: return x + 1";
}

fn deep_blocks_source() -> &'static str {
    let mut text = String::new();
    for depth in 0..150 {
        text += &format!("{}if True:\n", " ".repeat(depth));
    }
    text += &format!("{}y = 1\ndef f(x): return x + 1", " ".repeat(150));
    text.leak()
}

fn long_identifier_source() -> &'static str {
    let name = "y".repeat(100_000);
    format!("{name} = 1\ndef f(x): return x + {name}").leak()
}

fn chain_of_lambdas_source() -> &'static str {
    format!("f = {}1", "lambda: ".repeat(5_000)).leak()
}

fn many_lines_source() -> &'static str {
    format!("{}def f(x): return x + 1", "y = 1\n".repeat(20_000)).leak()
}

/// A null byte in a program is bad input on the command line, and does not compile for the library.
#[test]
fn null_byte() {
    let sandbox = crate::a_sandbox();
    let verdicts =
        crate::serve(&sandbox, &[crate::job("def f(x): return 1\0", "[[1]]", "[1]", "{}"), crate::honest()]);
    assert_eq!(verdicts[0]["error"], "line 1: `program` contains a null byte");
    assert_eq!(verdicts[1]["passed"], true);
    let job = sft_vs_rl::Job {
        program: "def f(x): return 1\0".to_owned(),
        entry: "f".to_owned(),
        inputs: vec![vec![1.into()]],
        expected: vec![1.into()],
        limits: Default::default(),
        stop_at_first_failure: false,
    };
    let syntax = sft_vs_rl::Verdict::Cases(vec![sft_vs_rl::CaseWord::Syntax]);
    assert_eq!(sandbox.judge(&[job]), [syntax]);
}

/// Lone surrogates in a program (JSON can carry them) do not compile.
#[test]
fn surrogates_in_the_source() {
    let sandbox = crate::a_sandbox();
    let line =
        r#"{"id":"t","program":"def f(x): return '\ud800'","entry":"f","inputs":[[1]],"expected":[1]}"#;
    let verdicts = crate::serve(&sandbox, &[line.to_owned(), crate::honest()]);
    assert_eq!(verdicts[0]["cases"], serde_json::json!(["syntax"]));
    assert_eq!(verdicts[1]["passed"], true);
}
