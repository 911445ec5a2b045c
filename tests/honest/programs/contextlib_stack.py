# entry: trace
# case: [2] -> ["enter 0", "enter 1", "body", "exit 1", "exit 0", "suppressed", "captured: hi"]
# word: pass
import contextlib
import io
import sys


def trace(depth):
    log = []

    @contextlib.contextmanager
    def level(i):
        log.append(f"enter {i}")
        try:
            yield i
        finally:
            log.append(f"exit {i}")

    with contextlib.ExitStack() as stack:
        for i in range(depth):
            stack.enter_context(level(i))
        log.append("body")
    with contextlib.suppress(ZeroDivisionError):
        1 / 0
    log.append("suppressed")
    captured = io.StringIO()
    with contextlib.redirect_stdout(captured), contextlib.redirect_stderr(sys.stdout):
        print("hi")
    log.append("captured: " + captured.getvalue().strip())
    return log
