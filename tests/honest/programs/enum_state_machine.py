# entry: run
# case: [["coin", "push", "push", "coin"]] -> ["UNLOCKED", "LOCKED", "LOCKED", "UNLOCKED"]
# word: pass
from enum import Enum, Flag, IntEnum, auto, unique


@unique
class State(Enum):
    LOCKED = auto()
    UNLOCKED = auto()


class Event(str, Enum):
    COIN = "coin"
    PUSH = "push"


class Permission(Flag):
    READ = auto()
    WRITE = auto()


class Level(IntEnum):
    LOW = 1
    HIGH = 2


TRANSITIONS = {
    (State.LOCKED, Event.COIN): State.UNLOCKED,
    (State.UNLOCKED, Event.PUSH): State.LOCKED,
}


def run(events):
    assert Permission.READ in (Permission.READ | Permission.WRITE) and Level.HIGH > Level.LOW
    state, history = State.LOCKED, []
    for event in events:
        state = TRANSITIONS.get((state, Event(event)), state)
        history.append(state.name)
    return history
