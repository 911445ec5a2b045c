# entry: classify
# case: ["/home/me/archive.tar.gz"] -> ["/home/me", "archive.tar", ".gz", "../me/archive.tar.gz", false]
# word: pass
import os
import os.path
import pathlib
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath


def classify(name):
    path = PurePosixPath(name)
    assert str(path.parent) == os.path.dirname(name)
    assert os.path.splitext(name)[1] == path.suffix
    assert PureWindowsPath("C:/a/b").drive == "C:"
    assert Path("no-such-file").exists() is False and not os.path.isfile(name)
    base = os.path.dirname(os.path.abspath(__file__)) if "__file__" in globals() else os.getcwd()
    sys.path.append(os.path.join(base, "lib"))
    assert pathlib.Path.cwd() and os.path.expanduser("~")
    return [str(path.parent), path.stem, path.suffix, os.path.relpath(name, "/home/you"), os.path.exists(name)]
