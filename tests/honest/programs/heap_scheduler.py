# entry: least_interval
# case: [["A", "A", "A", "B", "B", "B"], 2] -> 8
# case: [["A", "A", "A", "B", "B", "B"], 0] -> 6
# word: pass
import heapq
from collections import Counter, deque


def least_interval(tasks, n):
    heap = [-count for count in Counter(tasks).values()]
    heapq.heapify(heap)
    queue, time = deque(), 0
    while heap or queue:
        time += 1
        if heap:
            count = heapq.heappop(heap) + 1
            if count:
                queue.append((count, time + n))
        if queue and queue[0][1] == time:
            heapq.heappush(heap, queue.popleft()[0])
    return time
