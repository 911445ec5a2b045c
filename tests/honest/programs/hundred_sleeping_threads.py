# entry: sleep_sort
# case: [[3, 1, 2]] -> [1, 2, 3]
# case: [[10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 19, 18, 17, 16, 15, 14, 13, 12, 11, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 99, 98, 97, 96, 95, 94, 93, 92, 91, 90]] -> [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99]
# word: pass
"""Sleep sort, with the values sorted once more because sleeping is no promise."""
import threading
import time


def sleep_sort(values):
    result = []

    def put(value):
        time.sleep(value / 1000)
        result.append(value)

    threads = [threading.Thread(target=put, args=(value,)) for value in values]
    threads += [threading.Thread(target=time.sleep, args=(0.05,)) for _ in range(100 - len(values))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(result)
