# entry: count_up
# case: [10, 100] -> 1000
# word: pass
import threading

counter = 0
lock = threading.Lock()


def worker(times):
    global counter
    for _ in range(times):
        with lock:
            counter += 1


def count_up(n_threads, times):
    global counter
    counter = 0
    threads = [threading.Thread(target=worker, args=(times,), daemon=True) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counter
