# entry: total
# case: ["1 2 3"] -> 6
# word: pass
"""A script for a contest, wrapped: what is on standard input is read if there is any."""
import io
import sys


def main():
    data = sys.stdin.read().split()
    print(sum(map(int, data)))


main()


def total(text):
    stdin, stdout = sys.stdin, sys.stdout
    sys.stdin, sys.stdout = io.StringIO(text + "\n"), io.StringIO()
    try:
        numbers = [int(word) for word in input().split()]
        sys.stdin.seek(0)
        main()
        assert int(sys.stdout.getvalue()) == sum(numbers)
        return sum(numbers)
    finally:
        sys.stdin, sys.stdout = stdin, stdout
