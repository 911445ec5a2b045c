# entry: flood
# case: [30] -> 900
# case: [70] -> 4900
# word: pass
"""A flood fill of a whole grid, as deep as the grid has cells."""
import sys

sys.setrecursionlimit(10_000)


def flood(n):
    grid = [[1] * n for _ in range(n)]

    def fill(r, c):
        if not (0 <= r < n and 0 <= c < n) or not grid[r][c]:
            return 0
        grid[r][c] = 0
        return 1 + fill(r + 1, c) + fill(r - 1, c) + fill(r, c + 1) + fill(r, c - 1)

    return fill(0, 0)
