# entry: reachable
# case: [12000000] -> 12000000
# case: [1000] -> 1000
# word: pass
"""A hundred megabytes at once, given back between cases."""


def reachable(n):
    table = [False] * n
    for i in range(0, n, 1000):
        table[i] = True
    return len(table)
