# entry: pythagorean
# case: [20] -> [[3, 4, 5], [5, 12, 13], [6, 8, 10], [8, 15, 17], [9, 12, 15], [12, 16, 20]]
# word: pass
def pythagorean(n):
    squares = {i * i: i for i in range(1, n + 1)}
    table = [[x * y for y in range(3)] for x in range(3)]
    assert [cell for row in table for cell in row if cell] == [1, 2, 2, 4]
    assert {letter: {letter.upper() for _ in range(2)} for letter in "ab"} == {"a": {"A"}, "b": {"B"}}
    return [[a, b, squares[c]] for a in range(1, n) for b in range(a, n) if (c := a * a + b * b) in squares]
