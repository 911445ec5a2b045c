//! Programs that do not end: the processor's clock and the wall's decide.

use crate::hostile;

hostile! {
    endless_loop: "timeout", "def f(x):\n    while True: pass";
    endless_loop_that_ignores_every_signal: "timeout", r"
import signal
for n in range(1, 65):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
def f(x):
    while True: pass";
    endless_loop_that_swallows_every_exception: "timeout", r"
def f(x):
    while True:
        try:
            while True: pass
        except BaseException: pass";
    handler_for_the_cpu_limit_signal: "timeout", r"
import signal
signal.signal(signal.SIGXCPU, lambda *a: None)
def f(x):
    while True: pass";
    sleep: "timeout", "import time\ndef f(x):\n    time.sleep(30)\n    return x + 1";
    many_short_sleeps: "timeout", r"
import time
def f(x):
    for _ in range(100000): time.sleep(0.001)
    return x + 1";
    sleep_in_finally: "timeout", r"
import time
def f(x):
    try: return x + 1
    finally: time.sleep(30)";
    waiting_for_a_signal: "timeout", "import signal\ndef f(x):\n    signal.pause()";
    waiting_on_select: "timeout", "import select\ndef f(x):\n    select.select([], [], [])";
    waiting_for_a_lock_that_it_holds: "timeout", r"
import threading
lock = threading.Lock()
lock.acquire()
def f(x):
    lock.acquire()
    return x + 1";
    catastrophic_regex: "timeout", "import re\ndef f(x):\n    re.match(r'(a+)+$', 'a' * 40 + 'b')\n    return x + 1";
    big_power: "timeout|memory", "def f(x):\n    y = 9 ** 9 ** 9\n    return x + 1";
    big_power_at_import: "timeout|memory, timeout|memory", "y = 9 ** 9 ** 9\ndef f(x):\n    return x + 1";
    big_factorial: "timeout|memory", "import math\ndef f(x):\n    math.factorial(10 ** 8)\n    return x + 1";
    big_number_from_text: "timeout", r"
import sys
sys.set_int_max_str_digits(0) if hasattr(sys, 'set_int_max_str_digits') else None
def f(x):
    int('9' * 5_000_000)
    return x + 1";
    sum_without_end_inside_c: "timeout", "import itertools\ndef f(x):\n    return sum(itertools.count())";
    membership_without_end_inside_c: "timeout", "import itertools\ndef f(x):\n    return -1 in itertools.cycle([1])";
    exponential_recursion: "timeout", r"
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
def f(x):
    fib(60)
    return x + 1";
    loop_in_a_destructor_of_a_local: "timeout", r"
class A:
    def __del__(self):
        while True: pass
def f(x):
    a = A()
    return x + 1";
    loop_in_a_destructor_at_exit_is_never_reached: "pass, pass", r"
class A:
    def __del__(self):
        while True: pass
a = A()
def f(x): return x + 1";
    loop_at_exit_is_never_reached: "pass, pass", r"
import atexit
def forever():
    while True: pass
atexit.register(forever)
def f(x): return x + 1";
    loop_at_import: "timeout, timeout", "while True: pass";
    loop_in_a_length: "timeout", r"
class A(list):
    def __len__(self):
        while True: pass
def f(x): return len(A())";
    slow_cases_add_up: "pass, timeout", r"
import time
def f(x):
    end = time.process_time() + 0.15
    while time.process_time() < end: pass
    return x + 1";
    endless_printing: "timeout", "def f(x):\n    while True: print('x' * 1000)";
    recursion_caught_without_end: "timeout", r"
def g(): g()
def f(x):
    while True:
        try: g()
        except RecursionError: pass";
    stopping_itself: "forbidden, forbidden", "import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGSTOP)\n    return x + 1";
    stopping_its_group: "forbidden, forbidden", "import os\ndef f(x):\n    os.kill(0, 19)\n    return x + 1";
    stopping_itself_politely: "forbidden, forbidden", "import signal\ndef f(x):\n    signal.raise_signal(signal.SIGTSTP)\n    return x + 1";
    timer_that_raises_in_the_harness: "exception|malformed|timeout|crashed, exception|malformed|timeout|crashed|not_run", r"
import signal
def tick(*a): raise RuntimeError
signal.signal(signal.SIGALRM, tick)
def f(x):
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    while True: pass";
    yielding_without_end: "timeout", "import os\ndef f(x):\n    while True: os.sched_yield()";
    sleeping_for_moments_outside_of_python: "timeout", "import ctypes\nlibc = ctypes.CDLL(None)\ndef f(x):\n    while True: libc.usleep(100)";
    waiting_for_a_signal_that_never_comes: "timeout", "import signal\ndef f(x):\n    signal.sigwait([signal.SIGUSR1])";
    waiting_on_nothing: "timeout", "import select\ndef f(x):\n    select.epoll().poll()";
    sleep_interrupted_and_taken_up_again: "timeout", r"
import signal, time
signal.signal(signal.SIGALRM, lambda *a: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
def f(x):
    while True: time.sleep(1)";
    regex_with_alternatives: "timeout", "import re\ndef f(x):\n    re.fullmatch('(a|aa)+', 'a' * 60 + 'b')\n    return x + 1";
    remainder_of_a_big_power: "timeout|memory", "def f(x):\n    pow(3, 10 ** 6000, 10 ** 5000)\n    return x + 1";
    equal_hashes: "timeout", "def f(x):\n    {i * (2 ** 61 - 1): 1 for i in range(10 ** 5)}\n    return x + 1";
    searching_a_range: "timeout", "def f(x):\n    return 1.5 in range(10 ** 12)";
    random_bytes_without_end: "timeout", "import os\ndef f(x):\n    while True: os.getrandom(1 << 20)";
    loop_in_the_destructor_of_an_exception: "timeout|exception, exception|not_run", "class A(Exception):\n    def __del__(self):\n        while True: pass\ndef f(x): raise A";
    quadratic_sort: "timeout", "def f(x):\n    a = list(range(10 ** 6))\n    while a: a.pop(0); a.insert(0, 1)\n    return x + 1";
    endless_loop_in_a_thread: "timeout", r"
import threading
def g():
    while True: pass
def f(x):
    threading.Thread(target=g).start()
    while True: pass";
    thread_that_outlives_the_answer: "pass, pass", r"
import threading, time
def f(x):
    threading.Thread(target=time.sleep, args=(60,)).start()
    return x + 1";
}
