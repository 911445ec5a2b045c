# entry: first_primes
# case: [5] -> [2, 3, 5, 7, 11]
# case: [0] -> []
# word: pass
from itertools import count, islice, takewhile


def sieve(numbers):
    prime = next(numbers)
    yield prime
    yield from sieve(n for n in numbers if n % prime)


def averager():
    total, n, average = 0, 0, None
    while True:
        value = yield average
        if value is None:
            return total
        total, n = total + value, n + 1
        average = total / n


def first_primes(n):
    coroutine = averager()
    next(coroutine)
    assert coroutine.send(10) == 10 and coroutine.send(20) == 15
    try:
        coroutine.send(None)
    except StopIteration as stop:
        assert stop.value == 30
    assert list(takewhile(lambda x: x < 3, count(1))) == [1, 2]
    return list(islice(sieve(count(2)), n))
