# entry: add32
# case: [2147483647, 1] -> -2147483648
# case: [1, 2] -> 3
# word: pass
import ctypes


def add32(a, b):
    return ctypes.c_int32(a + b).value
