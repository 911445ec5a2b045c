# entry: squares
# case: [[1, 2, 3]] -> [1, 4, 9]
# word: forbidden
"""`multiprocessing.pool.ThreadPool`: threads, whatever its module is called."""
from multiprocessing.pool import ThreadPool


def squares(numbers):
    with ThreadPool(4) as pool:
        return pool.map(lambda x: x * x, numbers)
