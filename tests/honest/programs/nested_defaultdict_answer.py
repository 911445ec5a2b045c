# entry: index
# case: [[["fruit", "apple", 3], ["fruit", "pear", 1], ["nut", "almond", 7]]] -> {"fruit": {"apple": 3, "pear": 1}, "nut": {"almond": 7}}
# word: pass
import collections


def index(rows):
    tree = collections.defaultdict(lambda: collections.defaultdict(int))
    for kind, name, amount in rows:
        tree[kind][name] += amount
    return tree
