# entry: group_anagrams
# case: [["eat", "tea", "tan"]] -> {"aet": ["eat", "tea"], "ant": ["tan"]}
# word: pass
from collections import defaultdict


def group_anagrams(words):
    groups = defaultdict(list)
    for word in words:
        groups["".join(sorted(word))].append(word)
    return groups
