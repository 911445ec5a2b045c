# entry: pick
# case: [[1, 2], 0] -> 1
# case: [[1, 2], 5] -> null
# case: [{"a": 1}, "b"] -> null
# case: [[1, 2], 1] -> 2
# word: pass, exception, exception, pass
def pick(items, index):
    return items[index]
