# entry: total
# case: [4] -> 4
# word: forbidden
"""`multiprocessing`'s own locks are files in shared memory, which lasts longer than a program."""
import multiprocessing
import threading

counter = multiprocessing.Value("i", 0)


def total(n):
    def add():
        with counter.get_lock():
            counter.value += 1

    threads = [threading.Thread(target=add) for _ in range(n)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return counter.value
