//! Programs that leave, or die, before they answer: never a success.

use crate::hostile;

hostile! {
    sys_exit: "exited", "import sys\ndef f(x):\n    sys.exit(0)";
    sys_exit_with_the_answer: "exited", "import sys\ndef f(x):\n    sys.exit(x + 1)";
    exit_of_the_console: "exited", "def f(x):\n    exit()";
    quit_of_the_console: "exited", "def f(x):\n    quit(0)";
    system_exit: "exited", "def f(x):\n    raise SystemExit";
    hard_exit: "exited", "import os\ndef f(x):\n    os._exit(0)";
    hard_exit_with_a_status: "exited", "import os\ndef f(x):\n    os._exit(3)";
    hard_exit_after_one_answer: "pass, exited", "import os\ndef f(x):\n    if x == 5: os._exit(0)\n    return x + 1";
    raw_exit: "exited", "import ctypes\ndef f(x):\n    ctypes.CDLL(None).exit(0)";
    exit_at_import: "exited, exited", "import sys\nsys.exit(0)\ndef f(x): return x + 1";
    hard_exit_at_import: "exited, exited", "import os\nos._exit(0)";
    exit_in_a_destructor: "exited", "import os\nclass A:\n    def __del__(self): os._exit(0)\ndef f(x):\n    A()\n    return x + 1";
    at_exit_cannot_answer: "pass, pass", "import atexit, os\natexit.register(os._exit, 0)\ndef f(x): return x + 1";
    abort: "crashed", "import os\ndef f(x):\n    os.abort()";
    abort_at_import: "crashed, crashed", "import os\nos.abort()";
    null_pointer: "crashed", "import ctypes\ndef f(x):\n    ctypes.string_at(0)";
    segfault: "crashed", "import faulthandler\ndef f(x):\n    faulthandler._sigsegv()";
    c_stack: "crashed", "import faulthandler\ndef f(x):\n    faulthandler._stack_overflow()";
    deep_c_recursion: "crashed|exception|memory|timeout, crashed|exception|memory|timeout|not_run", r"
import sys
sys.setrecursionlimit(10 ** 8)
class A:
    def __repr__(self): return repr(self)
def f(x): return repr(A())";
    killing_itself: "crashed", "import os\ndef f(x):\n    os.kill(os.getpid(), 9)";
    ending_itself: "crashed", "import os\ndef f(x):\n    os.kill(os.getpid(), 15)";
    interrupting_itself: "exception|crashed, exception|not_run", "import os\ndef f(x):\n    os.kill(os.getpid(), 2)\n    return x + 1";
    alarm: "crashed", "import signal, time\ndef f(x):\n    signal.alarm(1)\n    signal.setitimer(signal.ITIMER_REAL, 0.01)\n    time.sleep(9)";
    cpu_signal_to_itself: "timeout", "import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGXCPU)";
    filter_signal_to_itself: "forbidden", "import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGSYS)";
    exception: "exception, exception", "def f(x):\n    return 1 // 0";
    exception_in_one_case: "exception, pass", "def f(x):\n    return 6 // (x - 1) + 5 if x != 5 else 6";
    exception_that_is_not_one: "exception, exception", "def f(x):\n    raise BaseException('0=2')";
    keyboard_interrupt: "exception, exception", "def f(x):\n    raise KeyboardInterrupt";
    generator_exit: "exception, exception", "def f(x):\n    raise GeneratorExit";
    exception_that_pretends_to_be_another: "exception, exception", r"
class A(Exception):
    __class__ = property(lambda self: 1 / 0)
    __str__ = __repr__ = lambda self: 1 / 0
def f(x): raise A";
    exception_with_a_loop_in_its_text: "exception, exception", r"
class A(Exception):
    def __str__(self):
        while True: pass
def f(x): raise A";
    exception_group: "exception, exception", "def f(x):\n    raise ExceptionGroup('x', [SystemExit()]) if x < 0 else ValueError(2)";
    recursion: "exception, exception", "def f(x):\n    return f(x)";
    assertion: "exception, exception", "def f(x):\n    assert False, x + 1";
}
