# entry: depth
# python: 3.11
# case: [998] -> 998
# case: [999] -> 999
# case: [998] -> 998
# word: pass, exception, pass
"""Since 3.11 a plain script gets one deeper, and no further."""


def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
