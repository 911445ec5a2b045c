# entry: f
# case: [1] -> 2
# word: exited
def f(x):
    return x + 1


print(f(1))
exit()
