# entry: norm
# python: 3.10
# case: [3, 4] -> 5.0
# word: pass
import math
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Vector:
    x: float
    y: float

    def __abs__(self) -> float:
        return math.hypot(self.x, self.y)


def norm(x: int | float, y: int | float) -> float:
    vector = Vector(x=x, y=y)
    assert isinstance(x, int | float) and not hasattr(vector, "__dict__")
    return abs(vector)
