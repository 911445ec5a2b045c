# entry: solve
# case: [["--count", "3", "abc"]] -> "abcabcabc"
# case: [["abc"]] -> "abc"
# word: pass
import argparse
import sys


def build_parser():
    parser = argparse.ArgumentParser(prog="repeat", description="Repeat a word.")
    parser.add_argument("word")
    parser.add_argument("--count", "-c", type=int, default=1, help="how often")
    return parser


def solve(arguments):
    options = build_parser().parse_args(arguments)
    return options.word * options.count


def main(argv=None):
    print(solve(sys.argv[1:] if argv is None else argv))
    return 0


if __name__ == "__main__":
    sys.exit(main())
