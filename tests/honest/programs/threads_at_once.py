# entry: meet
# case: [50] -> 50
# word: pass
"""Fifty threads that are all alive at the same time: they wait for each other."""
import threading


def meet(n):
    barrier = threading.Barrier(n)
    arrived = []

    def come(i):
        barrier.wait()
        arrived.append(i)

    threads = [threading.Thread(target=come, args=(i,)) for i in range(n)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return len(set(arrived))
