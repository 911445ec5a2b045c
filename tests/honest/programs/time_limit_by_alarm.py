# entry: within
# case: [0.0] -> "done"
# case: [5.0] -> "too slow"
# word: pass
import contextlib
import signal
import time


class TooSlow(Exception):
    pass


@contextlib.contextmanager
def time_limit(seconds):
    def handler(signum, frame):
        raise TooSlow

    previous = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def within(seconds):
    try:
        with time_limit(0.1):
            time.sleep(seconds)
        return "done"
    except TooSlow:
        return "too slow"
