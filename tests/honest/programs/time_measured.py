# entry: timed_sum
# case: [100] -> 4950
# word: pass
import time
import timeit


def timer(function):
    def wrapper(*args):
        start, cpu, clock = time.time(), time.process_time(), time.monotonic_ns()
        result = function(*args)
        time.sleep(0.01)
        print(f"took {time.time() - start:.3f} s, {time.process_time() - cpu:.3f} s of CPU, {clock} {time.ctime()}")
        return result

    return wrapper


@timer
def timed_sum(n):
    assert timeit.timeit("sum(range(10))", number=10) > 0
    assert time.strftime("%Y", time.localtime(0)) == "1970"
    return sum(range(n))
