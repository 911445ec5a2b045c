# entry: gcd
# case: [12, 18] -> 6
# case: [7, 0] -> 7
# word: pass
import doctest


def gcd(a, b):
    """Greatest common divisor.

    >>> gcd(12, 18)
    6
    >>> gcd(0, 0)
    0
    """
    while b:
        a, b = b, a % b
    return a


results = doctest.testmod()
assert results.attempted == 2 and results.failed == 0
