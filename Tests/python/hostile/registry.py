"""The list of attacks. One is a function of a `Peer` that goes on until the peer's time is up."""

import dataclasses
from typing import Callable

FAMILIES = ("frames", "streams", "memory", "messages", "computing")


@dataclasses.dataclass(frozen=True)
class Attack:
    name: str
    family: str
    run: Callable
    #: What must be stored before: a function of a `Flows`.
    prepare: Callable | None = None
    #: Seconds in the short form, where that must be longer than usual.
    short: float = 0
    #: The server must close the attackers' connections, each within a minute.
    closes: bool = False
    #: The share of its time that the event loop may be busy; 1: not asserted, since the flood itself is the loop's work.
    loop_share: float = 1
    #: Connections that the attackers reset at once when their time is up. NIO closes each itself, in the turn in which it hears of it.
    resets: int = 0


ATTACKS = {}


def attack(family, **options):
    assert family in FAMILIES

    def register(run):
        ATTACKS[run.__name__] = Attack(run.__name__, family, run, **options)
        return run

    return register
