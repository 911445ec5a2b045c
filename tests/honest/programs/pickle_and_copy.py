# entry: round_trip
# case: [{"x": 1, "children": [{"x": 2, "children": []}]}] -> [1, 2, true]
# word: pass
import copy
import pickle
from dataclasses import dataclass, field


@dataclass
class Node:
    x: int
    children: list = field(default_factory=list)

    @classmethod
    def from_dict(cls, data):
        return cls(data["x"], [cls.from_dict(child) for child in data["children"]])


def round_trip(data):
    node = Node.from_dict(data)
    again = pickle.loads(pickle.dumps(node))
    assert pickle.loads(pickle.dumps(round_trip)) is round_trip
    return [again.x, again.children[0].x, again == node == copy.deepcopy(node)]
