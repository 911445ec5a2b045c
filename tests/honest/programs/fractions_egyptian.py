# entry: egyptian
# case: [2, 3] -> ["1/2", "1/6"]
# case: [5, 121] -> ["1/25", "1/757", "1/763309", "1/873960180913", "1/1527612795642093418846225"]
# word: pass
import math
from fractions import Fraction
from numbers import Number, Rational


def egyptian(numerator, denominator):
    rest, parts = Fraction(numerator, denominator), []
    assert isinstance(rest, Rational) and isinstance(rest, Number)
    while rest:
        part = Fraction(1, math.ceil(1 / rest))
        parts.append(str(part))
        rest -= part
    return parts
