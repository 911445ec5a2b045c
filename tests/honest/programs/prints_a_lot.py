# entry: hailstone
# case: [27] -> 111
# case: [1] -> 0
# word: pass
import sys


def hailstone(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
        print(f"step {steps}: {n}" + "." * 1000)
        print("progress", file=sys.stderr, flush=True)
        sys.stdout.write("\r")
    sys.stdout.flush()
    return steps
