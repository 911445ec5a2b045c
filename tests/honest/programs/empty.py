# entry: f
# case: [1] -> 2
# word: no_entry
