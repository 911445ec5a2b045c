# entry: answer
# case: ["set"] -> [1, 2]
# case: ["generator"] -> [0, 1]
# case: ["map"] -> ["1"]
# case: ["range"] -> [0, 1]
# case: ["bytes"] -> "a"
# case: ["complex"] -> 1
# case: ["integer keys"] -> {"1": 2}
# case: ["deque"] -> [1]
# word: malformed
from collections import deque


def answer(which):
    return {
        "set": {1, 2},
        "generator": (i for i in range(2)),
        "map": map(str, [1]),
        "range": range(2),
        "bytes": b"a",
        "complex": 1 + 0j,
        "integer keys": {1: 2},
        "deque": deque([1]),
    }[which]
