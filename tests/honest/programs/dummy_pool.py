# entry: squares
# case: [[1, 2, 3]] -> [1, 4, 9]
# word: forbidden
from multiprocessing.dummy import Pool


def square(x):
    return x * x


def squares(numbers):
    pool = Pool(2)
    try:
        return pool.map(square, numbers)
    finally:
        pool.close()
        pool.join()
