# entry: f
# case: [0] -> 0
# case: [60] -> 60
# limits: {"wall_s": 0.5}
# word: pass, timeout
import time


def f(seconds):
    time.sleep(seconds)
    return seconds
