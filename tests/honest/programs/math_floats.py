# entry: roots
# case: [1, -3, 2] -> [1.0, 2.0]
# case: [1, 0, 1] -> []
# case: [1, 2, 1] -> [-1.0]
# word: pass
import cmath
import math


def roots(a, b, c):
    discriminant = b ** 2 - 4 * a * c
    if discriminant < 0:
        assert cmath.sqrt(discriminant).imag > 0
        return []
    root = math.sqrt(discriminant)
    return sorted({(-b - root) / (2 * a), (-b + root) / (2 * a)})
