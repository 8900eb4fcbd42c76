"""Keeps what else runs on the machine out of the figures: waits for a quiet moment, and tells when it was not one.

Times are of /proc/stat and /proc/PID/stat, in clock ticks (proc(5)).
"""

import os
import time
from pathlib import Path

#: Of the whole machine, for everything that is not measured. The kernel's own helpers are in it too.
FOREIGN_SHARE = 0.10


def machine():
    """Busy and total time of all processors; interrupts count as idle, for they are the measured programs' own."""
    user, nice, system, idle, iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    return user + nice + system, user + nice + system + idle + iowait + irq + softirq + steal


def tree(root):
    """Time of a process and all that it started, the ended ones as well."""
    parents, times = {}, {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(f"/proc/{entry.name}/stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            parents[int(entry.name)] = int(fields[1])
            times[int(entry.name)] = sum(map(int, fields[11:15]))
    total = 0
    for pid, time_used in times.items():
        ancestor = pid
        while ancestor not in (root, 0, 1) and ancestor in parents:
            ancestor = parents[ancestor]
        total += time_used if ancestor == root else 0
    return total


def undisturbed(deadline, body):
    """Waits for a quiet moment, until the deadline at most, and runs `body`, all of whose programs descend from this
    process. Its result, and the share of the machine that others took meanwhile."""
    wait(deadline)
    before = reading()
    result = body()
    busy, total, own = (late - early for early, late in zip(before, reading()))
    return result, max(busy - own, 0) / max(total, 1)


def reading():
    return *machine(), tree(os.getpid())


def wait(deadline):
    """Until a second passes in which nearly nothing runs."""
    while time.monotonic() < deadline:
        busy, total = machine()
        time.sleep(1)
        later_busy, later_total = machine()
        if later_busy - busy <= FOREIGN_SHARE * (later_total - total):
            return
