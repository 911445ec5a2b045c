# entry: add
# case: [1, 2] -> 3
# word: exception
def add(a, b):
    return a + b


a = int(input("first number: "))
b = int(input("second number: "))
print(add(a, b))
