# entry: fib
# case: [15] -> 610
# case: [60] -> 1548008755920
# limits: {"cpu_s": 0.3}
# word: pass, timeout
def fib(n):
    if n <= 1:
        return n
    return fib(n - 1) + fib(n - 2)
