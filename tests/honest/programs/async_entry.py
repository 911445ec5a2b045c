# entry: f
# case: [1] -> 2
# word: malformed
async def f(x):
    return x + 1
