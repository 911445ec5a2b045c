# entry: f
# case: [1] -> 2
# case: [-1] -> 0
# case: [2] -> 3
# word: pass, exited, not_run
import sys


def f(x):
    if x < 0:
        print("invalid input")
        sys.exit(1)
    return x + 1
