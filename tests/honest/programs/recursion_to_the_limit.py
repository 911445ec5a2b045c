# entry: depth
# case: [997] -> 997
# case: [2000] -> "RecursionError"
# word: pass, exception
"""As deep as a plain script gets under the usual limit of 1000, on the oldest Python here."""


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
