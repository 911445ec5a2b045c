# entry: ackermann
# case: [2, 3] -> 9
# case: [3, 7] -> 1021
# word: pass
import sys

sys.setrecursionlimit(10 ** 9)


def ackermann(m, n):
    if m == 0:
        return n + 1
    if n == 0:
        return ackermann(m - 1, 1)
    return ackermann(m - 1, ackermann(m, n - 1))
