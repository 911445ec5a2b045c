# entry: summary
# case: [] -> ["Help on function add", "    Add two numbers.", true]
# word: pass
import contextlib
import io
import pydoc


def add(a, b):
    """Add two numbers."""
    return a + b


help(add)
print(copyright, credits, license)


def summary():
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        help(add)
    lines = output.getvalue().splitlines()
    text = pydoc.plain(pydoc.render_doc(add))
    return [lines[0].split(" in module")[0], lines[3], "Add two numbers." in text]
