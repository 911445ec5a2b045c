# entry: depth
# case: [100] -> 100
# case: [100000] -> -1
# case: [101] -> 101
# word: pass
def depth(n):
    def down(i):
        return 0 if i == 0 else 1 + down(i - 1)

    try:
        return down(n)
    except RecursionError:
        return -1
