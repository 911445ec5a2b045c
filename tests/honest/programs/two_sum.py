# entry: two_sum
# case: [[2, 7, 11, 15], 9] -> [0, 1]
# case: [[3, 2, 4], 6] -> [1, 2]
# case: [[], 1] -> []
# word: pass
"""Two Sum.

Given a list of numbers and a target, return the indices of the two numbers that add up to it.
"""
from typing import Dict, List


def two_sum(nums: List[int], target: int) -> List[int]:
    """Return the indices of two numbers that add up to ``target``.

    >>> two_sum([2, 7, 11, 15], 9)
    [0, 1]
    """
    seen: Dict[int, int] = {}
    for i, num in enumerate(nums):
        complement = target - num
        if complement in seen:
            return [seen[complement], i]
        seen[num] = i
    return []


if __name__ == "__main__":
    print(two_sum([2, 7, 11, 15], 9))  # Output: [0, 1]
