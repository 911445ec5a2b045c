# entry: factorial
# case: [5] -> 120
# case: [-1] -> 1
# case: [3] -> 6
# word: pass, exception, pass
def factorial(n):
    if n == 0:
        return 1
    return n * factorial(n - 1)
