# entry: double
# case: [4] -> 8
# word: pass
import sys


def double(x):
    return 2 * x


def main():
    print(double(int(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
