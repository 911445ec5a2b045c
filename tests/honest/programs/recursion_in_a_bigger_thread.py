# entry: depth
# case: [100000] -> 100000
# word: pass
import sys
import threading

sys.setrecursionlimit(10 ** 6)
threading.stack_size(2 ** 27)


def depth(n):
    result = []

    def down(i):
        return 0 if i == 0 else 1 + down(i - 1)

    thread = threading.Thread(target=lambda: result.append(down(n)))
    thread.start()
    thread.join()
    return result[0]
