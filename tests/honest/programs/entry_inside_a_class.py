# entry: twoSum
# case: [[2, 7], 9] -> [0, 1]
# word: no_entry
class Solution:
    def twoSum(self, nums, target):
        return [0, 1]
