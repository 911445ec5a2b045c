# entry: describe
# case: [] -> {"x": "int", "y": "float", "label": "str"}
# word: pass
from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Point:
    dimensions: ClassVar[int] = 2
    x: int
    y: float = 0.0
    label: str = field(default="origin", compare=False)


def describe() -> dict[str, str]:
    hints = get_type_hints(Point)
    return {item.name: hints[item.name].__name__ for item in fields(Point)}
