# entry: pair_sums
# case: [[1, 2, 3]] -> [3, 4, 5]
# case: [[10]] -> []
# word: pass
import itertools
import operator


def pair_sums(numbers):
    pairs = itertools.combinations(numbers, 2)
    return sorted(itertools.starmap(operator.add, pairs))


# Example usage:
numbers = [1, 2, 3]
print("Pair sums:", pair_sums(numbers))
for key, group in itertools.groupby(sorted(["ab", "ac", "b"]), key=operator.itemgetter(0)):
    print(key, list(group))
