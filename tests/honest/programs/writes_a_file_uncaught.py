# entry: save
# case: [1] -> 1
# case: [2] -> 2
# word: forbidden
def save(number):
    with open("result.txt", "w") as file:
        file.write(str(number))
    return number
