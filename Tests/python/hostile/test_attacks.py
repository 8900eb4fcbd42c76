"""Hostile peers beside a client that does no harm: it is served, memory is bounded, attackers are let go, SIGTERM ends the server.

The short form makes two attacks of a kind at once, for a second or a few, and asserts what no noise of a machine disturbs.
`FLOWSTATE_LONG_SECONDS=30` makes each attack alone, by two processes, for so long, and asserts latencies and the event loop's turns too.
Latencies need a machine without autogroup (sched(7)), set by `sysctl kernel.sched_autogroup_enabled=0`: with it Linux divides processors
between sessions, of which each of PostgreSQL's processes is one, and threads wait for up to 160 ms whatever the server does.
"""

import itertools
import pathlib
import random
import threading

import pytest

import compressed  # noqa: F401
import computing  # noqa: F401
import frames  # noqa: F401
import messages  # noqa: F401
import streams  # noqa: F401
from arena import (
    AFTER, CLOSE_SECONDS, GRACE_SECONDS, IDLE, IS_LONG, LONG_SECONDS, OVERLOADED, P99, P99_ABOVE_BASELINE, PEAK, TURN,
    TURN_RESET, Arena)
from flowstate_server import Server
from registry import ATTACKS, FAMILIES
from worker import Worker

SEED = random.randrange(1 << 32)
#: A load average above which latencies say more about the machine than about the server.
BUSY = 4
AUTOGROUP = pathlib.Path("/proc/sys/kernel/sched_autogroup_enabled")
TELLS_LATENCIES = IS_LONG and not (AUTOGROUP.exists() and AUTOGROUP.read_text().strip() == "1")


def rounds():
    """The attacks one by one, or by twos of a family."""
    for family in FAMILIES:
        names = [attack.name for attack in ATTACKS.values() if attack.family == family]
        yield from ((name,) for name in names) if IS_LONG else itertools.zip_longest(names[::2], names[1::2], fillvalue=names[0])


def mixed():
    """Attacks of different families at once."""
    fixed = [
        ("hpack_bomb", "not_listed_of_60000_in_60000"), ("unread_8MiB_on_200_connections", "rapid_reset"),
        ("saves_of_15MiB_of_JSON", "merge_patches_of_14_bytes_of_13MiB"),
        ("definition_with_3000_phases", "half_sent_48MiB_on_32_connections")]
    rng = random.Random(SEED)
    return fixed + [tuple(rng.sample(sorted(ATTACKS), 2)) for _ in range(20 if IS_LONG else 0)]


def terminated():
    if IS_LONG:
        return [(name,) for name in ATTACKS]
    return [
        ("hpack_bomb", "rapid_reset"), ("health_watch_1000_on_20_connections", "streams_never_ended_1000_on_10_connections"),
        ("unread_reflection_1000_on_40_connections", "half_sent_48MiB_on_32_connections"),
        ("not_listed_of_60000_in_60000", "merge_patch_of_900000_members"), ("definition_with_790_patterns", "patterns_that_are_slow")]


def named(names):
    return "+".join(names)


@pytest.fixture(scope="module")
def arena(flowstate_bin, scratch):
    arena = Arena(flowstate_bin, scratch)
    yield arena
    arena.reset()


@pytest.fixture(scope="module", autouse=True)
def holders(flowstate_bin, scratch):
    """Connections of every kind that hold something, on a server of their own, kept while the other tests run."""
    server = Server(flowstate_bin, scratch())
    worker = Worker("hostile/attacker.py")
    answer = []
    try:
        server.start()
        worker.ask({"do": "prepare", "name": "unread_sockets_1MiB_100_times_on_40_connections", "endpoint": server.endpoint})
        worker.order({"do": "hold", "endpoint": server.endpoint, "seconds": CLOSE_SECONDS + 10})
        thread = threading.Thread(target=lambda: answer.append(worker.answer(timeout=CLOSE_SECONDS + 60)), daemon=True)
        thread.start()
        yield thread, answer
    finally:
        worker.kill()
        server.destroy()


def faults(row, names):
    """What was not right."""
    if not row["alive"]:
        return ["the server is dead"]
    found = []
    if row["p99"] > P99:
        found.append(f"p99 of the customer is {row['p99']} ms")
    if TELLS_LATENCIES and row["load_average"] < BUSY and row["p99"] > row["baseline"] + P99_ABOVE_BASELINE:
        found.append(f"p99 of the customer is {row['p99']} ms, {row['baseline']} ms without the attack")
    if wrong := {error: count for error, count in row["errors"].items() if not error.startswith(OVERLOADED)}:
        found.append(f"calls of the customer failed: {wrong}")
    if row["peak"] >= PEAK:
        found.append(f"{row['peak']} MB at the peak")
    if row["after"] >= AFTER:
        found.append(f"{row['after']} MB {row['after_seconds']} s after the attack")
    share = max(ATTACKS[name].loop_share for name in names)
    if row["loop_share"] > share:
        found.append(f"the event loop was busy for {row['loop_share']} of the time, more than {share}")
    if IS_LONG and (row["turn"] is None or row["turn"] > TURN + max(ATTACKS[name].resets for name in names) * TURN_RESET):
        found.append(f"the event loop's longest turn took {row['turn']} ms of processor time")
    if row["works_on"] >= IDLE:
        found.append(f"{row['works_on']} processors are busy though the attackers are gone")
    if not row["serves"]:
        found.append("it does not serve afterwards")
    for share, answer in enumerate(row["attackers"]):
        name = names[share % len(names)]
        if answer is None or "error" in answer:
            found.append(f"the attacker of {name} failed: {answer}")
        elif ATTACKS[name].closes and (not answer["answer"]["closed"] or answer["answer"]["longest"] > CLOSE_SECONDS + 1):
            found.append(f"{name}: {answer['answer']['closed']} of {answer['answer']['opened']} connections were closed")
    return found


@pytest.mark.parametrize("names", [*rounds(), *mixed()], ids=named)
def test_a_customer_beside(arena, figures, names):
    row = arena.run(names)
    figures.append(row)
    found = faults(row, names)
    if found:
        arena.reset()
    assert not found, "; ".join(found) + f" (seed {SEED}, {LONG_SECONDS:.0f} s)" * IS_LONG


@pytest.mark.parametrize("names", terminated(), ids=named)
def test_SIGTERM_amid(arena, figures, names):
    row = arena.terminate(names)
    figures.append(row)
    arena.reset()
    assert row["exit_code"] == 0 and row["seconds"] < GRACE_SECONDS + 2, row
    assert row["left"] == 0, "processes are left"


def test_what_is_held_is_let_go_within_a_minute(holders, figures):
    """Unread answers, halves of requests and of header sections: their streams are ended, or their connections closed."""
    thread, answer = holders
    thread.join()
    assert answer[0] and "answer" in answer[0], answer
    released = answer[0]["answer"]
    figures.extend({"attack": "held: " + name, "seconds": seconds} for name, seconds in released.items())
    late = [name for name, seconds in released.items() if seconds is None or seconds > CLOSE_SECONDS + 2]  # looked at once a second
    assert not late, "after a minute the server still keeps: " + ", ".join(late)
