# entry: run_cache
# case: [2, [["put", "a", 1], ["put", "b", 2], ["get", "a", 0], ["put", "c", 3]]] -> {"a": 1, "c": 3}
# word: pass
from collections import OrderedDict


class LRUCache:
    """A least-recently-used cache."""

    def __init__(self, capacity):
        self.capacity = capacity
        self.cache = OrderedDict()

    def get(self, key):
        if key not in self.cache:
            return -1
        self.cache.move_to_end(key)
        return self.cache[key]

    def put(self, key, value):
        self.cache[key] = value
        self.cache.move_to_end(key)
        if len(self.cache) > self.capacity:
            self.cache.popitem(last=False)


def run_cache(capacity, operations):
    cache = LRUCache(capacity)
    for name, key, value in operations:
        cache.get(key) if name == "get" else cache.put(key, value)
    return cache.cache
