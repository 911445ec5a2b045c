# entry: f
# case: [3] -> 3
# case: [10000000000] -> 0
# case: [4] -> 4
# word: pass, memory, pass
def f(n):
    table = [0] * n
    return len(table)
