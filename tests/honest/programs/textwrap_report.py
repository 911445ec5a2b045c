# entry: report
# case: ["the quick brown fox jumps", 10] -> "> the quick\n> brown fox\n> jumps\n"
# word: pass
import pprint
import textwrap


def report(text, width):
    lines = textwrap.wrap(text, width)
    pprint.pprint(lines)
    usage = textwrap.dedent("""\
        usage:
            report TEXT WIDTH
        """)
    print(usage)
    return textwrap.indent("\n".join(lines) + "\n", "> ")
