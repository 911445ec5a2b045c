# entry: depth
# case: [50000] -> 50000
# word: pass
"""The idiom of competitive programming: a thread with a stack of its own."""
import sys
import threading

sys.setrecursionlimit(1 << 20)
threading.stack_size(1 << 26)


def depth(n):
    result = []

    def down(i):
        return 0 if i == 0 else 1 + down(i - 1)

    thread = threading.Thread(target=lambda: result.append(down(n)))
    thread.start()
    thread.join()
    return result[0]
