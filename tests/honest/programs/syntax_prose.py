# entry: f
# case: [1] -> 2
# word: syntax
Here is the function you asked for:

def f(x):
    return x + 1

It adds one to its argument.
