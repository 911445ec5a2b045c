# entry: describe
# case: [["circle", 2]] -> "Circle(2): 12.57"
# case: [["square", 2]] -> "Square(2): 4.00"
# case: [["shape", 2]] -> "TypeError"
# word: pass
import math
from abc import ABC, abstractmethod


class Shape(ABC):
    registry = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        Shape.registry[cls.__name__.lower()] = cls

    def __init__(self, size):
        self.size = size

    @abstractmethod
    def area(self) -> float:
        """The area of the shape."""

    def __repr__(self):
        return f"{type(self).__name__}({self.size!r})"


class Circle(Shape):
    def area(self):
        return math.pi * self.size ** 2


class Square(Shape):
    def area(self):
        return float(self.size ** 2)


def describe(spec):
    name, size = spec
    try:
        shape = Shape.registry.get(name, Shape)(size)
    except TypeError as error:
        return type(error).__name__
    return f"{shape}: {shape.area():.2f}"
