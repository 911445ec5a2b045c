# entry: letter_counts
# case: ["hello"] -> {"h": 1, "e": 1, "l": 2, "o": 1}
# case: [""] -> {}
# word: pass
from collections import Counter


def letter_counts(text: str) -> Counter:
    return Counter(text)
