# entry: pipeline
# case: [[3, 1, 2]] -> [2, 4, 6]
# word: pass
import queue
import threading
from queue import Empty, PriorityQueue, Queue

STOP = object()


def pipeline(items):
    tasks, results = Queue(maxsize=2), PriorityQueue()

    def producer():
        for item in items:
            tasks.put(item)
        tasks.put(STOP)

    def consumer():
        while (item := tasks.get()) is not STOP:
            results.put(item * 2)
            tasks.task_done()

    threads = [threading.Thread(target=target) for target in (producer, consumer)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = []
    while True:
        try:
            found.append(results.get_nowait())
        except queue.Empty:
            return found
