# entry: f
# case: [1] -> 1
# limits: {"cpu_s": 0.3}
# word: timeout
def f(x):
    return x


while True:
    f(1)
