# entry: chunks
# python: 3.12
# case: [[1, 2, 3, 4, 5], 2] -> ["1-2", "3-4", "5"]
# word: pass
from itertools import batched

type Rows[T] = list[tuple[T, ...]]


class Stack[T]:
    def __init__(self) -> None:
        self.items: list[T] = []

    def push(self, item: T) -> None:
        self.items.append(item)


def split[T](values: list[T], size: int) -> Rows[T]:
    return list(batched(values, size))


def chunks(values: list[int], size: int) -> list[str]:
    stack = Stack[str]()
    for row in split(values, size):
        stack.push(f"{"-".join(f"{value}" for value in row)}")
    return stack.items
