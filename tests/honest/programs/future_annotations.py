# entry: flatten
# case: [[1, [2, [3, [4]]]]] -> [1, 2, 3, 4]
# case: [[]] -> []
# word: pass
from __future__ import annotations

from typing import Any, Iterator


def _walk(item: list[Any] | int) -> Iterator[int]:
    if isinstance(item, list):
        for child in item:
            yield from _walk(child)
    else:
        yield item


def flatten(nested: list[Any]) -> list[int]:
    """Flatten an arbitrarily nested list of integers."""
    return list(_walk(nested))
