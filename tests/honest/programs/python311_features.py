# entry: collect
# python: 3.11
# case: [["1", "x", "-3"]] -> ["ValueError", "low: -3"]
# case: [["1"]] -> ["ok"]
# word: pass
import tomllib
from enum import StrEnum
from typing import Self


class Mood(StrEnum):
    OK = "ok"


class Collector:
    def __init__(self):
        self.errors = []

    def add(self, text) -> Self:
        try:
            if int(text) < 0:
                raise RuntimeError(f"low: {text}")
        except Exception as error:
            error.add_note(f"while reading {text}")
            self.errors.append(error)
        return self


def collect(texts):
    assert tomllib.loads("a = [1, 2]") == {"a": [1, 2]}
    collector, found = Collector(), []
    for text in texts:
        collector.add(text)
    try:
        if collector.errors:
            raise ExceptionGroup("bad", collector.errors)
    except* ValueError as group:
        found += [type(error).__name__ for error in group.exceptions]
    except* RuntimeError as group:
        found += [str(error) for error in group.exceptions]
    return found or [str(Mood.OK)]
