# entry: f
# case: ["partial"] -> 3
# case: ["lambda"] -> 2
# case: ["instance"] -> 5
# case: ["method"] -> 7
# case: ["class"] -> "Thing"
# word: pass
from functools import partial


class Thing:
    def __init__(self, x=0):
        self.x = x

    def __call__(self):
        return self.x

    @staticmethod
    def static():
        return 7

    @classmethod
    def name(cls):
        return cls.__name__


class Dispatch:
    table = {
        "partial": partial(lambda a, b: a + b, 1, 2),
        "lambda": lambda: 2,
        "instance": Thing(5),
        "method": Thing.static,
        "class": Thing.name,
    }

    def __call__(self, which):
        return self.table[which]()


f = Dispatch()
