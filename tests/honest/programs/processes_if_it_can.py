# entry: squares
# case: [[1, 2, 3]] -> [1, 4, 9]
# word: pass
import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def square(x):
    return x * x


def squares(numbers):
    try:
        with multiprocessing.Pool(2) as pool:
            return pool.map(square, numbers)
    except (OSError, ImportError):
        pass
    try:
        with ProcessPoolExecutor(2) as executor:
            return list(executor.map(square, numbers))
    except (OSError, NotImplementedError, ImportError):
        return [square(number) for number in numbers]
