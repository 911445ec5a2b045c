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
    hard_exit_with_an_odd_status: "exited", "import os\ndef f(x):\n    os._exit(97)";
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
    exception_that_keeps_its_attributes: "exception, exception", r"
class A(Exception):
    def __setattr__(self, name, value): raise SystemExit
def f(x): raise A";
    exception_that_keeps_its_attributes_at_import: "exception, exception", r"
class A(Exception):
    def __setattr__(self, name, value): raise SystemExit
raise A";
    exception_with_a_traceback_of_its_own: "exception, exception", "class A(Exception):\n    __traceback__ = property(lambda self: 1 / 0)\ndef f(x): raise A";
    exit_that_keeps_its_attributes: "exited", r"
class A(SystemExit):
    def __setattr__(self, name, value): raise ValueError
def f(x): raise A";
    exception_whose_class_claims_all_subclasses: "exception, exception", r"
class M(type):
    __subclasscheck__ = __instancecheck__ = lambda c, s: True
class A(Exception, metaclass=M): pass
def f(x): raise A";
    exception_with_another_order_of_bases: "exception, exception", r"
class M(type):
    def mro(c): return [c, Exception, BaseException, object]
class A(Exception, metaclass=M): pass
def f(x): raise A";
    exception_that_exits_when_compared: "exception, exception", "class A(Exception):\n    __eq__ = __hash__ = lambda *a: exit()\ndef f(x): raise A";
    exception_that_is_a_number: "exception, exception", "def f(x):\n    raise 2";
    error_number_that_raises: "exception, exception", "class A(OSError):\n    errno = property(lambda self: 1 / 0)\ndef f(x): raise A";
    end_of_an_iteration: "exception, exception", "def f(x):\n    raise StopIteration(x + 1)";
    callable_that_exits: "exited", "class A:\n    def __call__(self, x): raise SystemExit(0)\nf = A()";
    kept_object_that_exits_at_the_end: "pass, pass", "import os\nclass A:\n    def __del__(self): os._exit(0)\nkept = A()\ndef f(x): return x + 1";
    illegal_instruction: "crashed", r"
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(b'\x0f\x0b')
call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
def f(x): call()";
    abort_that_is_ignored: "crashed", "import os, signal\nsignal.signal(signal.SIGABRT, signal.SIG_IGN)\ndef f(x):\n    os.abort()";
    segfault_that_is_ignored: "crashed|timeout", "import ctypes, signal\nsignal.signal(signal.SIGSEGV, signal.SIG_IGN)\ndef f(x):\n    ctypes.string_at(0)";
    segfault_that_is_handled: "crashed|timeout", "import ctypes, signal\nsignal.signal(signal.SIGSEGV, lambda *a: None)\ndef f(x):\n    ctypes.string_at(0)";
    real_time_signal_to_itself: "crashed", "import os\ndef f(x):\n    os.kill(os.getpid(), 40)";
    signal_of_the_harness_to_itself: "malformed|crashed", "import os\ndef f(x):\n    os.kill(os.getpid(), 63)";
    bytes_that_are_no_code: "crashed|exception|timeout|wrong_answer, crashed|exception|timeout|wrong_answer|not_run", "def f(x): pass\nf.__code__ = f.__code__.replace(co_code=bytes([100, 255] * 50), co_stacksize=1)";
    exception_with_a_loop_in_its_text: "exception, exception", r"
class A(Exception):
    def __str__(self):
        while True: pass
def f(x): raise A";
    exception_group: "exception, exception", "def f(x):\n    raise ExceptionGroup('x', [SystemExit()]) if x < 0 else ValueError(2)";
    recursion: "exception, exception", "def f(x):\n    return f(x)";
    assertion: "exception, exception", "def f(x):\n    assert False, x + 1";
}
