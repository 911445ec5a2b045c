# entry: climb
# case: [[100, 90, 90, 80], [70, 80, 105]] -> [4, 3, 1]
# word: pass
from bisect import bisect_right, insort


def climb(ranked, player):
    scores = []
    for score in sorted(set(ranked)):
        insort(scores, score)
    return [len(scores) - bisect_right(scores, score) + 1 for score in player]
