# entry: add
# case: [1, 2] -> 3
# case: [0, 0] -> null
# word: wrong_answer, pass
def add(a, b):
    print(a + b)
