# entry: f
# case: [1] -> 2
# word: pass
def f(x):    return x + 1