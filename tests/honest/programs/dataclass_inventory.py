# entry: total_value
# case: [[["apple", 3, 0.5], ["pear", 2, 1.25]]] -> 4.0
# case: [[["ghost", -1, 1.0]]] -> "quantity of ghost is negative"
# word: pass
from dataclasses import asdict, dataclass, field, replace
from typing import List


@dataclass(frozen=True, order=True)
class Item:
    name: str
    quantity: int
    price: float

    def __post_init__(self):
        if self.quantity < 0:
            raise ValueError(f"quantity of {self.name} is negative")

    @property
    def value(self) -> float:
        return self.quantity * self.price


@dataclass
class Inventory:
    items: List[Item] = field(default_factory=list)

    def add(self, item: Item) -> None:
        self.items.append(replace(item))

    def total(self) -> float:
        return sum(item.value for item in self.items)


def total_value(rows):
    inventory = Inventory()
    try:
        for row in rows:
            inventory.add(Item(*row))
    except ValueError as error:
        return str(error)
    assert asdict(inventory)["items"][0]["name"] == rows[0][0]
    return inventory.total()
