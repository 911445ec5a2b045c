# entry: f
# case: [1] -> 2
# case: [2] -> 3
# word: syntax
def f(x)
    return x + 1
