# entry: f
# case: [1] -> 2
# case: [2] -> 3
# word: exception
def f(x):
    return x + 1


assert f(1) == 3, "my own example is wrong"
