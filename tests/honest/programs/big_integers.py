# entry: factorial_digits
# case: [25] -> 15511210043330985984000000
# case: [100] -> 93326215443944152681699238856266700490715968264381621468592963895217599993229915608941463976156518286253697920827223758251185210916864000000000000000000000000
# word: pass
import math
import sys

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)


def factorial_digits(n):
    assert len(str(math.factorial(3000))) == 9131
    return math.factorial(n)
