# entry: f
# case: [1] -> 2
# word: syntax
def f(x):
    y = x + 1
return y
