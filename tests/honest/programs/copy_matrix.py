# entry: rotate
# case: [[[1, 2], [3, 4]]] -> [[[3, 1], [4, 2]], [[1, 2], [3, 4]]]
# word: pass
import copy


def rotate(matrix):
    """Rotate in place, on a deep copy, so that the caller's matrix stays as it is."""
    turned = copy.deepcopy(matrix)
    n = len(turned)
    for i in range(n):
        for j in range(i + 1, n):
            turned[i][j], turned[j][i] = turned[j][i], turned[i][j]
    for row in turned:
        row.reverse()
    return [turned, copy.copy(matrix)]
