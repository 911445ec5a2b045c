# entry: shout
# case: ["a"] -> "A!"
# case: [""] -> "two\nlines"
# word: pass
"""Written on Windows."""
from typing import Optional


def shout(text: Optional[str]) -> str:
    if not text:
        return """two
lines"""
    return text.upper() + \
        "!"
