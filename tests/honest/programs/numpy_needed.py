# entry: mean
# case: [[1, 2, 3]] -> 2.0
# word: exception
import numpy as np


def mean(values):
    return float(np.mean(values))
