# entry: total
# case: [0] -> 0
# case: [4] -> 10
# word: pass, wrong_answer
def total(n):
    return sum(range(n))
