# entry: collatz
# case: [1] -> 1
# case: [0] -> 0
# case: [2] -> 2
# limits: {"cpu_s": 0.3}
# word: pass, timeout, not_run
def collatz(n):
    steps = 1
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps
