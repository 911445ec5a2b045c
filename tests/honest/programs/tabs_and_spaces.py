# entry: f
# case: [1] -> 2
# word: syntax
def f(x):
	if x:
        x += 1
	return x
