# entry: k_closest
# case: [[[1, 3], [-2, 2]], 1] -> [[-2, 2]]
# case: [[[3, 3], [5, -1], [-2, 4]], 2] -> [[-2, 4], [3, 3]]
# word: pass
from typing import *
from collections import *
from itertools import *
from functools import *
from heapq import *
from bisect import *
from math import *
import sys, os, re, string, random

sys.setrecursionlimit(10 ** 6)
MOD = 10 ** 9 + 7
INF = float("inf")


class Solution:
    def kClosest(self, points: List[List[int]], k: int) -> List[List[int]]:
        heap = []
        for x, y in points:
            heappush(heap, (-(x * x + y * y), x, y))
            if len(heap) > k:
                heappop(heap)
        return sorted([[x, y] for _, x, y in heap])


k_closest = Solution().kClosest
