# entry: f
# case: [1] -> 2
# word: syntax
def f(x):
    print "x is", x
    return x + 1
