# entry: squares
# case: [64] -> 85344
# word: pass
"""As many workers as `ThreadPoolExecutor` takes by itself on a large machine, all of them busy."""
import time
from concurrent.futures import ThreadPoolExecutor


def squares(n):
    def slow_square(x):
        time.sleep(0.005)
        return x * x

    with ThreadPoolExecutor(max_workers=32) as executor:
        return sum(executor.map(slow_square, range(n)))
