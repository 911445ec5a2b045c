# entry: group_by_length
# case: [["a", "bb", "cc", "ddd"]] -> {"1": ["a"], "2": ["bb", "cc"], "3": ["ddd"]}
# word: pass
def group_by_length(words: list[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    pairs: list[tuple[int, str]] = [(len(word), word) for word in words]
    for length, word in pairs:
        groups.setdefault(str(length), []).append(word)
    return groups
