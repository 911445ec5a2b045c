# entry: add
# case: [1, 2] -> 3
# case: [3, 4] -> 7
# word: exception
def add(a, b):
    a, b = map(int, input().split())
    return a + b
