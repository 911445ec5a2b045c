# entry: fib
# case: [10] -> 55
# case: [100] -> 354224848179261915075
# case: [300] -> 222232244629420445529739893461909967206666939096499764990979600
# word: pass
from functools import lru_cache


@lru_cache(maxsize=None)
def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)
