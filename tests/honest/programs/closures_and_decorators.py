# entry: run
# case: [3] -> [6, 2, "retried 2 times", ["before", "inside", "after"]]
# word: pass
import functools


def memoize(maxsize=None):
    def decorate(function):
        cache = {}

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            key = (args, tuple(sorted(kwargs.items())))
            if key not in cache:
                wrapper.misses += 1
                cache[key] = function(*args, **kwargs)
            return cache[key]

        wrapper.misses = 0
        return wrapper

    return decorate


def retry(times):
    def decorate(function):
        def wrapper(*args):
            for attempt in range(times):
                try:
                    return function(attempt, *args)
                except RuntimeError:
                    continue
            raise RuntimeError("gave up")

        return wrapper

    return decorate


class Around:
    def __init__(self, function):
        self.function = function
        self.log = []

    def __call__(self, *args):
        self.log.append("before")
        result = self.function(*args)
        self.log.append("after")
        return result


def counter():
    n = 0

    def increment():
        nonlocal n
        n += 1
        return n

    return increment


@memoize(maxsize=10)
def triangle(n):
    return n + triangle(n - 1) if n else 0


@retry(5)
def flaky(attempt, limit):
    if attempt < limit:
        raise RuntimeError
    return f"retried {attempt} times"


@Around
def inside():
    inside.log.append("inside")


def run(n):
    increment = counter()
    increment()
    inside()
    total = triangle(n)
    triangle(n)
    assert triangle.misses == n + 1
    return [total, increment(), flaky(2), inside.log]
