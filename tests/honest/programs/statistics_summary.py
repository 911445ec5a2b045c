# entry: summary
# case: [[1, 2, 2, 3]] -> {"mean": 2, "median": 2.0, "mode": 2, "stdev": 0.816}
# word: pass
import statistics
from statistics import mean, median, mode, stdev


def summary(data):
    return {
        "mean": mean(data),
        "median": median(data),
        "mode": mode(data),
        "stdev": round(statistics.stdev(data), 3),
    }
