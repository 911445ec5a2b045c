# entry: mean
# case: [[1, 2, 3]] -> 2.0
# word: pass
try:
    import numpy as np
except ImportError:
    np = None


def mean(values):
    if np is not None:
        return float(np.mean(values))
    return sum(values) / len(values)
