# entry: process
# case: [[5, 3, 8, 1]] -> {"first": 5, "middle": [3, 8], "last": 1, "big": [25, 64], "text": "n=4, ratio=0.33, hex=0xff, [a b]"}
# word: pass
def join(*parts, sep=" ", **options):
    return options.get("open", "") + sep.join(parts) + options.get("close", "")


def positional(a, b, /, c, *, d):
    return a + b + c + d


def process(numbers):
    first, *middle, last = numbers
    big = [square for n in numbers if (square := n * n) > 20]
    if (n := len(numbers)) > 3:
        text = f"{n=}, ratio={1 / 3:.2f}, hex={255:#x}, {join(*'ab', **{'open': '[', 'close': ']'})}"
    assert positional(1, 2, c=3, d=4) == 10
    merged = {**{"first": first}, **dict(middle=middle, last=last)}
    print(*numbers, sep=", ", end="!\n", flush=True)
    return {**merged, "big": big, "text": text}
