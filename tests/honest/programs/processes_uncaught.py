# entry: squares
# case: [[1, 2, 3]] -> [1, 4, 9]
# word: forbidden
import multiprocessing


def square(x):
    return x * x


def squares(numbers):
    with multiprocessing.Pool(2) as pool:
        return pool.map(square, numbers)
