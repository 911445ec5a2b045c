# entry: depth
# case: [900] -> 900
# case: [990] -> 990
# word: pass
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
