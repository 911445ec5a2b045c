# entry: explain
# case: ["1/0"] -> "ZeroDivisionError: division by zero"
# case: ["[][1]"] -> "IndexError: list index out of range"
# case: ["2+2"] -> "4"
# word: pass
import sys
import traceback
import types
import warnings


class Chained(Exception):
    pass


def explain(text):
    warnings.warn("eval is evil", UserWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return str(eval(text, {"__builtins__": {}}))
        except Exception as error:
            try:
                raise Chained("wrapped") from error
            except Chained as chained:
                report = traceback.format_exc()
                assert "the direct cause" in report and "explain" in report and chained.__cause__ is error
                assert 'raise Chained("wrapped") from error' in report
            traceback.print_exc(file=sys.stdout)
            assert isinstance(error.__traceback__, types.TracebackType)
            return traceback.format_exception_only(type(error), error)[-1].strip()
