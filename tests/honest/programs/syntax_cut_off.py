# entry: f
# case: [1] -> 2
# word: syntax
def f(x):
    """Cut off in the middle of
