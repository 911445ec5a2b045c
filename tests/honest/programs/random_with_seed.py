# entry: shuffle_and_pick
# case: [[1, 2, 3, 4, 5], 42] -> [[4, 2, 3, 5, 1], 2]
# case: [[1, 2, 3, 4, 5], 42] -> [[4, 2, 3, 5, 1], 2]
# word: pass
import random


def shuffle_and_pick(items, seed):
    random.seed(seed)
    items = items[:]
    random.shuffle(items)
    generator = random.Random(seed)
    assert 0 <= random.random() < 1
    return [items, generator.randint(1, 10)]
