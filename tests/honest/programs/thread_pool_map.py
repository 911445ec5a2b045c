# entry: word_lengths
# case: [["a", "bb", "ccc"]] -> [1, 2, 3]
# case: [[]] -> []
# word: pass
from concurrent.futures import ThreadPoolExecutor


def word_lengths(words):
    with ThreadPoolExecutor() as pool:
        return list(pool.map(len, words))
