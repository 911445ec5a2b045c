# entry: first_line
# case: ["helper"] -> "def helper(x: int, *rest, flag=False) -> str:"
# case: ["Thing"] -> "class Thing:"
# case: ["signature"] -> "(x: int, *rest, flag=False) -> str"
# case: ["doc"] -> "Help."
# case: ["members"] -> ["method"]
# word: pass
import inspect


def helper(x: int, *rest, flag=False) -> str:
    """Help."""
    return str(x)


class Thing:
    def method(self):
        pass


def first_line(name):
    if name == "signature":
        return str(inspect.signature(helper))
    if name == "doc":
        return inspect.getdoc(helper)
    if name == "members":
        return [name for name, _ in inspect.getmembers(Thing, inspect.isfunction)]
    return inspect.getsource(globals()[name]).splitlines()[0]
