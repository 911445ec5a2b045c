# entry: answer
# case: ["int for float"] -> 2.0
# case: ["bool for int"] -> 1
# case: ["text for int"] -> 3
# case: ["tuple for list"] -> [1, 2]
# case: ["tuple in a list"] -> [[1, 2]]
# word: wrong_answer
def answer(which):
    return {
        "int for float": 2,
        "bool for int": True,
        "text for int": "3",
        "tuple for list": (1, 2),
        "tuple in a list": [(1, 2)],
    }[which]
