# entry: depth
# case: [900] -> 900
# case: [5000] -> 5000
# word: pass
"""A thread whose stack is what threads get by themselves."""
import sys
import threading


def depth(n):
    sys.setrecursionlimit(10_000)
    result = []

    def down(i):
        return 0 if i == 0 else 1 + down(i - 1)

    thread = threading.Thread(target=lambda: result.append(down(n)))
    thread.start()
    thread.join()
    return result[0]
