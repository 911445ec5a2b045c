# entry: play
# case: [[3, 1, 2]] -> {"first": 3, "rotated": [2, 3, 1], "merged": 1, "named": [3, 1]}
# word: pass
from collections import ChainMap, deque, namedtuple, UserDict
from collections.abc import Mapping, Sequence

Pair = namedtuple("Pair", ["left", "right"], defaults=[0])


class Loud(UserDict):
    def __setitem__(self, key, value):
        super().__setitem__(key.upper(), value)


def play(numbers):
    assert isinstance(numbers, Sequence) and not isinstance(numbers, Mapping)
    line = deque(numbers, maxlen=5)
    line.rotate(1)
    loud = Loud()
    loud["x"] = 1
    merged = ChainMap({"a": 2}, loud)
    return {"first": numbers[0], "rotated": list(line), "merged": merged["X"], "named": list(Pair(*numbers[:2]))}
