"""Keeps what else runs on the machine out of the figures: waits for a quiet moment, and measures again when it was not.

Times are of /proc/stat and /proc/PID/stat, in clock ticks (proc(5)).
"""

import os
import sys
import time
from pathlib import Path

#: Of the whole machine, for everything that is not measured. PostgreSQL's and the kernel's own helpers are in it too.
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


class Quiet:
    """Runs measurements of programs that are descendants of this process."""

    def __init__(self, patience):
        #: Seconds to go on trying for each measurement; 0 takes what comes.
        self.patience = patience

    def measure(self, what, body):
        """The result of `body()` from a time when the machine was left to it, or the last one after the patience."""
        deadline = time.monotonic() + self.patience
        while True:
            self.wait(deadline)
            before = self.reading()
            result = body()
            busy, total, own = (b - a for a, b in zip(before, self.reading()))
            foreign = max(busy - own, 0) / max(total, 1)
            if foreign <= FOREIGN_SHARE or self.patience == 0:
                return result
            late = time.monotonic() >= deadline
            print(f"  {what}: other programs took {foreign:.0%} of the machine; "
                  f"{'kept all the same' if late else 'measured again'}", file=sys.stderr, flush=True)
            if late:
                return result

    @staticmethod
    def reading():
        return (*machine(), tree(os.getpid()))

    @staticmethod
    def wait(deadline):
        """Until two seconds pass in which nearly nothing runs."""
        while time.monotonic() < deadline:
            busy, total = machine()
            time.sleep(2)
            later_busy, later_total = machine()
            if later_busy - busy <= FOREIGN_SHARE * (later_total - total):
                return
