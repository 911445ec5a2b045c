# entry: answer
# case: [1] -> 1
# word: exception
answer = 1
