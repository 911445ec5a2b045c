# entry: evaluate
# case: ["sum", [1, 2, 3]] -> 6
# case: ["product", [2, 3, 4]] -> 24
# case: ["compose", [5]] -> 22
# word: pass
import functools
from functools import cached_property, partial, reduce, singledispatch, total_ordering, wraps


def logged(function):
    @wraps(function)
    def wrapper(*args, **kwargs):
        print(f"calling {function.__name__} with {args} {kwargs}")
        return function(*args, **kwargs)

    return wrapper


@singledispatch
def as_number(value):
    raise TypeError(value)


@as_number.register
def _(value: int):
    return value


@as_number.register(str)
def _(value):
    return int(value)


@total_ordering
class Version:
    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return self.number == other.number

    def __lt__(self, other):
        return self.number < other.number

    @cached_property
    def squared(self):
        return self.number ** 2


def compose(*functions):
    return functools.reduce(lambda f, g: lambda x: g(f(x)), functions)


@logged
def evaluate(kind, values):
    assert Version(1) <= Version(2) and Version(3).squared == 9
    values = [as_number(value) for value in values]
    table = {
        "sum": partial(reduce, lambda a, b: a + b),
        "product": partial(reduce, lambda a, b: a * b),
        "compose": lambda xs: compose(lambda x: x * 4, lambda x: x + as_number("2"))(xs[0]),
    }
    return table[kind](values)
