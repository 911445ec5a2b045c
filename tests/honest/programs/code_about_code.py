# entry: names_in
# case: ["x = y + f(z)"] -> ["f", "x", "y", "z"]
# case: ["x ="] -> ["SyntaxError"]
# word: pass
import ast
import builtins
import dis
import importlib
import io
import keyword
import token
import tokenize


def names_in(text):
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return [type(error).__name__]
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    assert names <= {item.string for item in tokens if item.type == token.NAME}
    assert ast.literal_eval("{'a': [1, 2.0, None]}") == {"a": [1, 2.0, None]}
    dis.dis(compile(tree, "<text>", "exec"), file=io.StringIO())
    scope = {}
    exec("def g(x): return x * 2", scope)
    assert scope["g"](4) == 8 and importlib.import_module("math").pi > 3 and "print" in dir(builtins)
    return sorted(name for name in names if not keyword.iskeyword(name))
