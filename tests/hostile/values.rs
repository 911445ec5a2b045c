//! Answers that only look right. Comparison is by exact type and value, in Rust.

use crate::hostile;

hostile! {
    equal_to_everything: "malformed, malformed", r"
class A:
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = lambda self: 0
def f(x): return A()";
    int_equal_to_everything: "malformed, malformed", "class A(int):\n    __eq__ = lambda s, o: True\ndef f(x): return A(x + 1)";
    int_that_prints_as_another: "malformed, malformed", "class A(int):\n    __repr__ = __str__ = lambda s: '2'\ndef f(x): return A(7)";
    str_subclass(r#"[["a"]]"#, r#"["a"]"#): "malformed", "class A(str): pass\ndef f(x): return A(x)";
    list_subclass("[[[1]]]", "[[1]]"): "malformed", "class A(list): pass\ndef f(x): return A(x)";
    dict_subclass("[[1]]", r#"[{"a":1}]"#): "malformed", "class A(dict): pass\ndef f(x): return A(a=1)";
    /// Python counts these equal to a dict.
    dicts_of_the_library("[[1],[2],[3]]", r#"[{"a":1},{"a":1},{"a":1}]"#): "pass, pass, pass", r"
from collections import Counter, OrderedDict, defaultdict
def f(x): return [OrderedDict(a=1), Counter('a'), defaultdict(list, a=1)][x - 1]";
    counter_with_other_items("[[1]]", r#"[{"a":2}]"#): "wrong_answer", r"
from collections import Counter
Counter.items = lambda self: [('a', 2)]
def f(x): return Counter('a')";
    float_subclass("[[1]]", "[1.0]"): "malformed", "class A(float): pass\ndef f(x): return A(1)";
    pretended_class: "malformed, malformed", "class A:\n    __class__ = int\n    __index__ = __int__ = lambda s: 2\ndef f(x): return A()";
    class_equal_to_everything: "malformed, malformed", r"
class M(type):
    __eq__ = lambda a, b: True
    __hash__ = lambda s: 0
class A(metaclass=M): pass
def f(x): return A";
    class_taken_off: "malformed|exception, malformed|exception", "class A(int): pass\ndef f(x):\n    a = A(x + 1)\n    a.__class__ = int\n    return a";
    class_that_raises_when_asked: "malformed, malformed", "class A:\n    __class__ = property(lambda self: exit())\ndef f(x): return A()";
    list_subclass_inside_a_list("[[1]]", "[[[1]]]"): "malformed", "class A(list): pass\ndef f(x): return [A([1])]";
    float_inside_a_list("[[1]]", "[[1]]"): "wrong_answer", "def f(x): return [1.0]";
    window_on_bytes("[[1]]", r#"["a"]"#): "malformed", "def f(x): return memoryview(b'a')";
    tuple_of_itself("[[1]]", "[[]]"): "malformed", "def f(x):\n    a = []\n    a.append((a,))\n    return a[0]";
    answers_of_all_cases_share_the_cap("[[1],[2]]", r#"["a","a"]"#): "wrong_answer, output_limit", "def f(x): return 'a' * 700_000";
    many_escapes("[[1]]", r#"["a"]"#): "output_limit", r"def f(x): return '\U0010ffff' * 200_000";
    enumeration: "malformed, malformed", "import enum\nclass E(enum.IntEnum):\n    A = 2\n    B = 6\ndef f(x): return E(x + 1)";
    named_tuple("[[1]]", "[[1, 2]]"): "malformed", "import collections\nT = collections.namedtuple('T', 'a b')\ndef f(x): return T(1, 2)";
    bool_for_int("[[1],[0]]", "[1,0]"): "wrong_answer, wrong_answer", "def f(x): return bool(x)";
    int_for_bool("[[1],[0]]", "[true,false]"): "wrong_answer, wrong_answer", "def f(x): return x";
    bools_in_a_list("[[1]]", "[[1, 0]]"): "wrong_answer", "def f(x): return [True, False]";
    float_for_int: "wrong_answer, wrong_answer", "def f(x): return float(x + 1)";
    int_for_float("[[1]]", "[1.0]"): "wrong_answer", "def f(x): return 1";
    text_for_int: "wrong_answer, wrong_answer", "def f(x): return str(x + 1)";
    nothing: "wrong_answer, wrong_answer", "def f(x): pass";
    none_is_a_value("[[1]]", "[null]"): "pass", "def f(x): return None";
    nan_for_a_number: "wrong_answer, wrong_answer", "def f(x): return float('nan')";
    nan_where_nan_is_expected("[[1]]", "[NaN]"): "pass", "def f(x): return float('inf') - float('inf')";
    infinities("[[1],[2]]", "[Infinity,-Infinity]"): "pass, wrong_answer", "def f(x): return float('inf')";
    negative_zero("[[1]]", "[0.0]"): "pass", "def f(x): return -0.0";
    almost("[[1]]", "[0.3]"): "wrong_answer", "def f(x): return 0.1 + 0.2";
    tuple_for_list("[[1]]", "[[1, 2]]"): "wrong_answer", "def f(x): return (1, 2)";
    tuple_inside_a_list("[[1]]", "[[[1, 2]]]"): "wrong_answer", "def f(x): return [(1, 2)]";
    set_for_list("[[1]]", "[[1, 2]]"): "malformed", "def f(x): return {1, 2}";
    generator_for_list("[[1]]", "[[0, 1]]"): "malformed", "def f(x): return (i for i in range(2))";
    range_for_list("[[1]]", "[[0, 1]]"): "malformed", "def f(x): return range(2)";
    map_for_list("[[[1]]]", "[[1]]"): "malformed", "def f(x): return map(int, x)";
    dict_keys_for_list("[[1]]", r#"[["a"]]"#): "malformed", "def f(x): return {'a': 1}.keys()";
    bytes_for_text("[[1]]", r#"["a"]"#): "malformed", "def f(x): return b'a'";
    complex_for_float("[[1]]", "[1.0]"): "malformed", "def f(x): return 1 + 0j";
    decimal_for_float("[[1]]", "[1.0]"): "malformed|exception", "import decimal\ndef f(x): return decimal.Decimal(1)";
    fraction: "malformed, malformed", "import fractions\ndef f(x): return fractions.Fraction(x + 1)";
    ellipsis: "malformed, malformed", "def f(x): return ...";
    not_implemented: "malformed, malformed", "def f(x): return NotImplemented";
    a_function: "malformed, malformed", "def f(x): return lambda: x + 1";
    a_class: "malformed, malformed", "def f(x): return int";
    a_coroutine: "malformed, malformed", "async def f(x): return x + 1";
    a_generator_function: "malformed, malformed", "def f(x):\n    yield x + 1";
    truncated("[[1]]", "[[1, 2, 3]]"): "wrong_answer", "def f(x): return [1, 2]";
    too_long("[[1]]", "[[1, 2, 3]]"): "wrong_answer", "def f(x): return [1, 2, 3, 4]";
    empty_for_something("[[1]]", "[[1]]"): "wrong_answer", "def f(x): return []";
    empty_list_for_empty_dict("[[1]]", "[{}]"): "wrong_answer", "def f(x): return []";
    whole_answer_for_every_case: "wrong_answer, wrong_answer", "def f(x): return [2, 6]";
    dict_in_another_order("[[1]]", r#"[{"a":1,"b":2}]"#): "pass", "def f(x): return {'b': 2, 'a': 1}";
    dict_with_one_more("[[1]]", r#"[{"a":1}]"#): "wrong_answer", "def f(x): return {'b': 2, 'a': 1}";
    dict_with_int_keys("[[1]]", r#"[{"1":1}]"#): "malformed", "def f(x): return {1: 1}";
    dict_with_a_key_subclass("[[1]]", r#"[{"a":1}]"#): "malformed", "class A(str): pass\ndef f(x): return {A('a'): 1}";
    surrogates(r#"[["\ud800"]]"#, r#"["\ud800\udfffx"]"#): "wrong_answer", r"def f(x): return x";
    surrogates_survive(r#"[["\ud800"],["a\udc80b"]]"#, r#"["\ud800","a\udc80b"]"#): "pass, pass", "def f(x): return x";
    two_surrogates_are_not_one_character(r#"[[1],[2]]"#, r#"["\ud83d\ude00","\ud83d\ude00"]"#): "wrong_answer, pass",
        r"def f(x): return '\ud83d' + '\ude00' if x == 1 else '\U0001f600'";
    null_characters(r#"[["\u0000"]]"#, r#"["\u0000"]"#): "pass", "def f(x): return x";
    lines_in_text(r#"[["a\n0=2\n.\n"]]"#, r#"["a\n0=2\n.\n"]"#): "pass", "def f(x): return x";
    quotes_in_text(r#"[["'\"\\"]]"#, r#"["'\"\\"]"#): "pass", "def f(x): return x";
    other_normal_form(r#"[[1]]"#, r#"["\u00e9"]"#): "wrong_answer", r"def f(x): return 'e\u0301'";
    huge_int("[[100]]", "[1267650600228229401496703205376]"): "pass", "def f(x): return 2 ** x";
    huge_int_off_by_one("[[100]]", "[1267650600228229401496703205376]"): "wrong_answer", "def f(x): return 2 ** x + 1";
    huge_negative_int("[[100]]", "[-1267650600228229401496703205376]"): "pass", "def f(x): return -2 ** x";
    huge_int_as_float("[[100]]", "[1267650600228229401496703205376]"): "wrong_answer", "def f(x): return 2.0 ** x";
    edges_of_64_bits("[[63],[64]]", "[-9223372036854775808,18446744073709551615]"): "pass, pass", "def f(x): return -2 ** 63 if x == 63 else 2 ** 64 - 1";
    int_of_many_digits("[[1]]", "[0]"): "wrong_answer", "def f(x): return 10 ** 100_000";
    int_beyond_the_cap("[[1]]", "[0]"): "output_limit", "def f(x): return 1 << 8_000_000";
    deep_list("[[1]]", "[[]]"): "malformed", "def f(x):\n    a = []\n    for _ in range(100_000): a = [a]\n    return a";
    list_of_itself("[[1]]", "[[]]"): "malformed", "def f(x):\n    a = []\n    a.append(a)\n    return a";
    dict_of_itself("[[1]]", "[{}]"): "malformed", "def f(x):\n    a = {}\n    a['a'] = a\n    return a";
    list_that_doubles("[[1]]", "[[]]"): "output_limit|timeout", "def f(x):\n    a = []\n    for _ in range(60): a = [a, a]\n    return a";
    long_list("[[1]]", "[[]]"): "output_limit", "def f(x): return [1] * 2_000_000";
    long_text("[[1]]", r#"[""]"#): "output_limit", "def f(x): return 'x' * 2_000_000";
    long_text_below_the_cap("[[1]]", r#"["x"]"#): "wrong_answer", "def f(x): return 'x' * 900_000";
    list_shared_between_cases("[[1],[2]]", "[[1],[1,2]]"): "pass, pass", "a = []\ndef f(x):\n    a.append(x)\n    return a";
    input_changed_in_place("[[[3,1,2]]]", "[[1,2,3]]"): "pass", "def f(x):\n    x.sort()\n    return x";
    two_arguments("[[1,2],[3,4]]", "[3,7]"): "pass, pass", "def f(x, y): return x + y";
    no_arguments("[[]]", "[1]"): "pass", "def f(): return 1";
}
