# entry: largest
# case: [[3, 9, 2]] -> 9
# case: [["pear", "apple"]] -> "pear"
# case: [[]] -> null
# word: pass
from typing import Any, Callable, Generic, List, Optional, Protocol, TypeVar, Union, overload, runtime_checkable


@runtime_checkable
class Comparable(Protocol):
    def __lt__(self, other: Any) -> bool: ...


T = TypeVar("T", bound=Comparable)


class Box(Generic[T]):
    def __init__(self) -> None:
        self._items: List[T] = []

    def put(self, item: T) -> "Box[T]":
        assert isinstance(item, Comparable)
        self._items.append(item)
        return self

    def largest(self, key: Optional[Callable[[T], Any]] = None) -> Optional[T]:
        return max(self._items, key=key, default=None)


@overload
def largest(items: List[int]) -> Optional[int]: ...
@overload
def largest(items: List[str]) -> Optional[str]: ...
def largest(items: List[Union[int, str]]) -> Union[int, str, None]:
    box = Box[Any]()
    for item in items:
        box.put(item)
    return box.largest()
