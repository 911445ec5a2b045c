//! A verdict depends on its job alone: not on what ran before it, not on which worker it went to, not on who
//! started the kit.

use std::io::Cursor;

use sft_vs_rl::{Job, Sandbox, serve_jsonl};

use crate::{alone, job, mixed, sandbox};

/// What a program can see of the state that it starts from.
const LOOK: &str = "
import gc, sys
class A: pass
def f(x):
    objects = [A() for _ in range(20)]
    order = [objects.index(found) for found in set(objects)]
    return [id(object()), id(A()), hash((None, 1)), order, gc.get_count()[0] < 700, sys.getrecursionlimit()]";

fn look(sandbox: &Sandbox) -> String {
    let outputs = sandbox.outputs(&[job(LOOK.trim_start())]);
    format!("{:?}", outputs[0])
}

#[test]
fn every_child_starts_from_the_same_state() {
    let _turn = alone();
    let (one, three) = (sandbox(1), sandbox(3));
    let first = look(&one);
    assert!(first.contains("Value"), "{first}");
    for round in 0..12 {
        // Whatever else runs in between: programs that fail, overrun, answer much.
        let (jobs, _) = mixed(7 * round % 20 + 1);
        one.judge(&jobs);
        three.judge(&jobs);
        assert_eq!(look(&one), first, "after {} jobs", jobs.len());
        assert_eq!(look(&three), first, "with three workers, after {} jobs", jobs.len());
    }
}

/// The kit itself, started by someone with other limits, blocked signals and another mask for files.
#[test]
fn who_starts_the_kit_changes_nothing() {
    let _turn = alone();
    let programs = [
        "import resource\ndef f(x): return [resource.getrlimit(r)[0] for r in range(10) if r != 6]",
        "import signal\ndef f(x): return sorted(int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, []))",
        "import os\ndef f(x):\n    old = os.umask(0)\n    return old",
        "import signal\ndef f(x): return [str(signal.getsignal(n)) for n in range(1, 32)]",
        LOOK.trim_start(),
    ];
    let shown = |prefix: &str| -> Vec<String> {
        let lines: String = programs.iter().map(|program| line(&format!("{program}\n"))).collect();
        let kit = env!("CARGO_BIN_EXE_sft-vs-rl");
        let script = format!("{prefix}\nexec {kit} sandbox --workers 1");
        let output = duct::cmd("bash", ["-c", &script]).dir(env!("CARGO_MANIFEST_DIR"));
        let output =
            output.stdin_bytes(lines).stdout_capture().stderr_capture().unchecked().run().expect("bash");
        assert!(output.status.success(), "{prefix}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).lines().map(cases).collect()
    };
    let usual = shown("");
    assert_eq!(usual.len(), programs.len());
    for prefix in [
        "ulimit -Ss 1024",
        "ulimit -Ss 65536",
        "ulimit -Sd 150000; ulimit -Sn 300",
        "umask 077",
        "trap '' INT USR1 PIPE",
    ] {
        assert_eq!(shown(prefix), usual, "{prefix}");
    }
}

/// A line whose program answers with a digest of what it sees, compared with nothing: `wrong_answer` tells
/// two states apart only together with the value, so the program raises it instead.
fn line(program: &str) -> String {
    let wrapped = format!(
        "{program}\ng = f\ndef f(x):\n    import hashlib\n    return int(hashlib.sha256(repr(g(x)).encode()).hexdigest(), 16) % 2 ** x == 0"
    );
    let inputs: Vec<[u8; 1]> = (1..9).map(|bit| [bit]).collect();
    let expected = [true; 8];
    format!(
        "{}\n",
        serde_json::json!({"id": 1, "program": wrapped, "entry": "f", "inputs": inputs, "expected": expected})
    )
}

fn cases(line: &str) -> String {
    let verdict: serde_json::Value = serde_json::from_str(line).expect("a verdict is JSON");
    verdict["cases"].to_string()
}

/// Limits that leave too little room are named, with what is needed, before anything runs.
#[test]
fn limits_that_are_too_low_are_named() {
    let _turn = alone();
    for (limit, number) in
        [("ulimit -s 1000", "8388608"), ("ulimit -d 500000", "ulimit -d"), ("ulimit -n 100", "256")]
    {
        let script = format!("{limit}; exec {} doctor", env!("CARGO_BIN_EXE_sft-vs-rl"));
        let output = duct::cmd("bash", ["-c", &script]).dir(env!("CARGO_MANIFEST_DIR")).stdout_null();
        let output = output.stderr_capture().unchecked().run().expect("bash");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{limit}: {said}");
        assert!(said.contains("hard limit") && said.contains(number), "{limit}: {said}");
    }
}

/// A reader of access times learns nothing of what another program has read, where the sandbox says so: it takes
/// the right to mount, which root has outside of most containers.
#[test]
fn access_times_carry_no_message() {
    let _turn = alone();
    let sandbox = sandbox(1);
    let may_mount = duct::cmd!("unshare", "--mount", "true").stderr_null().unchecked().run();
    let may_mount = may_mount.is_ok_and(|output| output.status.success());
    let said = sandbox.isolation().enforced.iter().any(|line| line.contains("no access times"));
    assert_eq!(said, may_mount, "what the sandbox says of access times");
    if !said {
        return; // docs/sandbox.md, "Not covered"
    }
    let find = "import os\ndef f(x): return os.path.join(os.path.dirname(os.__file__), 'this.py')";
    let read =
        "import os\ndef f(x): return len(open(os.path.join(os.path.dirname(os.__file__), 'this.py')).read())";
    let ask = |program: &str| format!("{:?}", sandbox.outputs(&[job(program)])[0]);
    let when = "import os\ndef f(x): return os.stat(os.path.join(os.path.dirname(os.__file__), 'this.py')).st_atime_ns";
    assert!(ask(find).contains("this.py"));
    // Older than its change: the next reading anywhere else would be noted.
    let path = ask(find).split('"').find(|part| part.ends_with("this.py")).expect("a path").to_owned();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    let file = std::fs::File::options().append(true).open(&path).expect("root may");
    file.set_times(std::fs::FileTimes::new().set_accessed(old)).expect("root may");
    let before = ask(when);
    assert!(ask(read).contains("Value"));
    assert_eq!(ask(when), before);
}

/// Jobs that cannot pass are errors of the job, and the program does not run.
#[test]
fn jobs_that_cannot_pass_are_named() {
    let _turn = alone();
    let deep = format!("{}{}", "[".repeat(205), "]".repeat(205));
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    let line = |expected: &str| {
        format!(
            r#"{{"id":1,"program":"def f(x): return x","entry":"f","inputs":[[1]],"expected":[{expected}]}}"#
        )
    };
    let input = [line(&deep), line(&long), line("1")].join("\n");
    let mut output = Vec::new();
    serve_jsonl(&sandbox(1), Cursor::new(input), &mut output).expect("memory can be read and written");
    let text = String::from_utf8(output).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("line 1: the expected value of case 0 is nested deeper"), "{}", lines[0]);
    assert!(lines[1].contains("line 2: the expected values are 1048578 bytes"), "{}", lines[1]);
    assert!(lines[2].contains(r#""passed":true"#), "{}", lines[2]);
}

/// An answer may be nested as deep as an input.
#[test]
fn deep_values_go_through() {
    let _turn = alone();
    let deep = (0..190).fold(serde_json::Value::Null, |inner, _| vec![inner].into());
    let job = Job { inputs: vec![vec![deep.clone()]], expected: vec![deep], ..job("def f(x): return x") };
    assert_eq!(sandbox(1).judge(&[job])[0].passed(), Some(true));
}
