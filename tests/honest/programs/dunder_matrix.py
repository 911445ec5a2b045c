# entry: power
# case: [[[1, 1], [1, 0]], 10] -> [[89, 55], [55, 34]]
# case: [[[2]], 0] -> [[1]]
# word: pass
class Matrix:
    __slots__ = ("rows",)

    def __init__(self, rows):
        self.rows = [list(row) for row in rows]

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        return iter(self.rows)

    def __getitem__(self, index):
        i, j = index
        return self.rows[i][j]

    def __contains__(self, value):
        return any(value in row for row in self)

    def __bool__(self):
        return bool(self.rows)

    def __hash__(self):
        return hash(tuple(map(tuple, self.rows)))

    def __eq__(self, other):
        return isinstance(other, Matrix) and self.rows == other.rows

    def __matmul__(self, other):
        columns = list(zip(*other))
        return Matrix([sum(a * b for a, b in zip(row, column)) for column in columns] for row in self)

    def __pow__(self, exponent):
        result, base = Matrix([int(i == j) for j in range(len(self))] for i in range(len(self))), self
        while exponent:
            if exponent & 1:
                result @= base
            base @= base
            exponent >>= 1
        return result

    def __call__(self, *vector):
        return [sum(a * b for a, b in zip(row, vector)) for row in self]

    def __repr__(self):
        return f"Matrix({self.rows!r})"


def power(rows, exponent):
    result = Matrix(rows) ** exponent
    print(result, f"{result!s:>40}", result[0, 0], 1 in result, {result: 1})
    return result.rows
