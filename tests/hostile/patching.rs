//! Programs that change the interpreter they run in: they change their own answers, no more.

use crate::hostile;

hostile! {
    json_replaced: "wrong_answer, wrong_answer", "import json\njson.dumps = json.loads = lambda *a, **k: 2\ndef f(x): return 0";
    repr_replaced: "wrong_answer, wrong_answer", r"
import builtins
builtins.repr = builtins.ascii = builtins.hex = builtins.str = lambda v: '2'
def f(x): return 0";
    type_replaced: "malformed, malformed", "import builtins\nbuiltins.type = lambda v: int\ndef f(x): return object()";
    isinstance_replaced: "exception, exception", "import builtins\nbuiltins.isinstance = lambda a, b: True\ndef f(x): return 1 // 0";
    exceptions_replaced: "exception, exception", "import builtins\nbuiltins.BaseException = builtins.Exception = int\ndef f(x): return 1 // 0";
    builtins_emptied: "malformed|exception|pass|exited, malformed|exception|pass|not_run", "import builtins\nbuiltins.__dict__.clear()\ndef f(x): return x + 1";
    import_replaced: "pass, pass", "import builtins\nbuiltins.__import__ = None\ndef f(x): return x + 1";
    exit_replaced: "pass, pass", "import os\nos._exit = os.write = lambda *a: None\ndef f(x): return x + 1";
    encoder_replaced: "pass, wrong_answer", r"
import gc, types
for found in gc.get_objects():
    if isinstance(found, types.FunctionType) and found.__name__ == 'encode' and found.__module__ == '__main__':
        found.__code__ = (lambda value, room, depth=100: '2').__code__
import sys
frame = sys._getframe()
while frame:
    encode = frame.f_locals.get('encode')
    if encode: encode.__code__ = (lambda value, room, depth=100: '2').__code__
    frame = frame.f_back
def f(x): return 0";
    frames_hold_no_expected_value("[[1]]", "[918273645546372]"): "wrong_answer", r"
import gc, sys
def search(root):
    seen, queue = set(), [root]
    while queue:
        item = queue.pop()
        if id(item) in seen: continue
        seen.add(id(item))
        if type(item) is int and item == int('918273645546372'[::1]): return item
        if isinstance(item, dict): queue.extend(list(item.values()) + list(item.keys()))
        elif isinstance(item, (list, tuple, set)): queue.extend(item)
    return None
def f(x):
    frames, frame = [], sys._getframe()
    while frame:
        frames.append(dict(frame.f_locals)); frames.append(frame.f_globals)
        frame = frame.f_back
    return 'found' if search(frames) not in (None, 918273645546372 * 0) else 0";
    harness_variables_have_no_answers: "pass, pass", r"
import sys
def f(x):
    frame, names = sys._getframe(), set()
    while frame:
        names |= set(frame.f_locals)
        frame = frame.f_back
    return x + 1 if not names & {'expected', 'answer', 'solution', 'reference', 'tests'} else 0";
    arguments_hold_no_answers: "pass, pass", "import sys\ndef f(x): return x + len(sys.argv[0]) + 1";
    environment_holds_nothing: "pass, pass", "import os\ndef f(x): return x + 1 if set(os.environ) <= {'PYTHONHASHSEED', 'PYTHONUTF8', 'LC_ALL', 'LC_CTYPE', 'HOME', 'TZ'} else 0";
    tracing: "pass|exception|malformed|exited, pass|exception|malformed|exited|not_run", r"
import sys
def trace(frame, event, arg):
    if 'text' in frame.f_locals: frame.f_locals['text'] = '2'
    return trace
sys.settrace(trace)
def f(x): return x + 1";
    tracing_that_raises: "exception|malformed, exception|malformed|not_run", r"
import sys
def trace(frame, event, arg): raise ValueError
def f(x):
    sys.setprofile(trace)
    return x + 1";
    collector_callbacks: "pass|exception|malformed, pass|exception|malformed|not_run", "import gc\ngc.callbacks.append(lambda *a: 1 // 0)\ngc.set_threshold(1)\ndef f(x): return x + 1";
    /// Its 3 now is a 2, so it does return 2.
    small_integers_rewritten: "pass|crashed|malformed|exception, wrong_answer|crashed|malformed|exception|not_run", r"
import ctypes
def f(x):
    ctypes.c_long.from_address(id(3) + 24).value = 2
    return 3";
    recursion_limit_of_one: "exception|malformed|pass|exited, exception|malformed|pass|not_run", "import sys\ndef f(x):\n    sys.setrecursionlimit(5)\n    return x + 1";
    main_module_replaced: "pass, pass", "import sys\nsys.modules['__main__'] = None\nsys.modules.pop('program', None)\ndef f(x): return x + 1";
    modules_emptied: "pass|malformed|exception, pass|malformed|exception|not_run", "import sys\nsys.modules.clear()\ndef f(x): return x + 1";
    filter_rewritten_in_memory: "forbidden, forbidden", r"
import gc, ctypes, os
for found in gc.get_objects():
    filter = getattr(found, 'filter', None)
    if isinstance(filter, ctypes.Array): ctypes.memset(filter, 0, len(filter))
def f(x):
    os.fork()
    return x + 1";
    opcodes_of_the_harness_traced: "wrong_answer, wrong_answer", r"
import sys
def trace(frame, event, arg):
    frame.f_trace_opcodes = True
    return trace
def f(x):
    sys._getframe(1).f_trace = trace
    sys.settrace(trace)
    return 0";
    lines_of_the_harness_skipped: "wrong_answer|exception|malformed|exited, wrong_answer|exception|malformed|exited|not_run", r"
import sys
def trace(frame, event, arg):
    try: frame.f_lineno += 1
    except Exception: pass
    return trace
def f(x):
    sys._getframe(1).f_trace = trace
    sys.settrace(trace)
    return 0";
    methods_of_text_replaced_in_memory: "wrong_answer|crashed|malformed|exception, wrong_answer|crashed|malformed|exception|not_run", r"
import ctypes, gc
methods = gc.get_referents(str.__dict__)[0]
methods['encode'] = lambda self, *a: b'0=3\n'
ctypes.pythonapi.PyType_Modified(ctypes.py_object(str))
def f(x): return 0";
    audit_hook_that_exits: "exited|malformed|exception|pass, exited|malformed|exception|pass|not_run", r"
import sys
def hook(*a): raise SystemExit
sys.addaudithook(hook)
def f(x): return x + 1";
    import_hook_that_exits: "pass, pass", "import sys
class A:
    def find_spec(self, *a): raise SystemExit
sys.meta_path.insert(0, A())
def f(x): return x + 1";
    codecs_replaced: "pass, pass", "import codecs, encodings.ascii
encodings.ascii.Codec.encode = None
codecs.register(lambda name: 1 / 0)
def f(x): return x + 1";
    warnings_are_errors: "pass, pass", "import warnings
warnings.simplefilter('error')
def f(x): return x + 1";
    streams_closed: "pass, pass", "import sys
sys.stdout.close(); sys.stderr.close(); sys.stdin.close()
def f(x): return x + 1";
    pickled_command: "pass, pass", r#"import pickle
def f(x): return x + 1 if pickle.loads(b"""cos
system
(S'true'
tR.""") != 0 else "it happened""#;
    name_of_the_entry_taken: "pass, exception", "def f(x):
    global f
    f = None
    return x + 1 if x == 1 else None + 1";
    excepthook: "exception, exception", "import sys\nsys.excepthook = sys.unraisablehook = lambda *a: print('0=2')\ndef f(x): return 1 // 0";
    finalizers: "pass, pass", "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, lambda: 1 // 0)\ndef f(x): return x + 1";
    entry_replaced_between_cases: "pass, wrong_answer", r"
def g(x): return 0
def f(x):
    f.__code__ = g.__code__
    return x + 1";
    main_guard_is_not_run: "pass, pass", "def f(x): return x + 1\nif __name__ == '__main__':\n    while True: pass";
}

/// What one program leaves in its interpreter, the next does not find.
#[test]
fn nothing_stays_for_the_next_program() {
    let mark = "import builtins, fcntl, sys, random, os\nfor fd in (0, 1, 2): fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)\nbuiltins.mark = sys.mark = 1\nsys.path.append('/tmp')\nrandom.seed(5)\nos.environ['MARK'] = '1'\nint.__doc__\ndef f(x): return x + 1";
    let look = "import builtins, fcntl, sys, random, os\ndef f(x): return x + 1 + any(fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_NONBLOCK | os.O_APPEND) for fd in (0, 1, 2)) + hasattr(builtins, 'mark') + hasattr(sys, 'mark') + ('/tmp' in sys.path) + ('MARK' in os.environ)";
    let sandbox = crate::a_sandbox();
    let run = |program: &str| crate::job(program, "[[1],[5]]", "[2,6]", "{}");
    let verdicts = crate::serve(&sandbox, &[run(mark), run(look)]);
    assert_eq!(verdicts[0]["passed"], true, "{}", verdicts[0]);
    assert_eq!(verdicts[1]["passed"], true, "{}", verdicts[1]);
}

/// Random numbers, hashes and the order of sets are the same in every child.
#[test]
fn chance_is_the_same_in_every_child() {
    let program = "import random\ndef f(x): return [random.random(), hash('a'), list({'b', 'c', 'd', 'e'})]";
    let sandbox = crate::a_sandbox();
    let jobs = vec![
        sft_vs_rl::Job {
            program: program.to_owned(),
            entry: "f".to_owned(),
            inputs: vec![vec![1.into()]],
            expected: vec![1.into()],
            limits: Default::default(),
            stop_at_first_failure: false,
        };
        3
    ];
    let outputs = sandbox.outputs(&jobs);
    assert!(outputs[0].is_ok());
    assert!(outputs.iter().all(|output| *output == outputs[0]), "{outputs:?}");
}
