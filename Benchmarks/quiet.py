"""Keeps what else runs on the machine out of the figures: waits for a quiet moment, and measures again when it was not one.

Times are in seconds.
"""

import os
import time
from pathlib import Path

from processor import TICKS, tree

#: Of the whole machine, for everything that is not measured. The kernel's own helpers are in it too.
FOREIGN_SHARE = 0.10
#: How long the machine must have been quiet, and how long one measurement may wait for that and be repeated.
QUIET_SECONDS = 0.3
MOST_SECONDS = 60


def machine():
    """Busy and total time of all processors; interrupts count as idle, for they are the measured programs' own."""
    user, nice, system, idle, iowait, irq, softirq, steal = (
        int(ticks) / TICKS for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    return user + nice + system, user + nice + system + idle + iowait + irq + softirq + steal


class Quiet:
    """Has patience, in seconds, for all measurements of a run together."""

    def __init__(self, patience):
        self.patience = patience

    def measure(self, body):
        """Runs `body`, all of whose programs descend from this process, until others took little enough of the machine
        meanwhile. Its result, and the share that others took: above FOREIGN_SHARE patience was at its end."""
        allowance = min(self.patience, MOST_SECONDS)
        deadline = time.monotonic() + allowance
        try:
            while True:
                self.wait(deadline)
                before = self.reading()
                began = time.monotonic()
                result = body()
                busy, total, own = (late - early for early, late in zip(before, self.reading()))
                foreign = max(busy - own, 0) / max(total, 1 / TICKS)
                if foreign <= FOREIGN_SHARE or time.monotonic() >= deadline:
                    deadline += time.monotonic() - began  # This time was not lost.
                    return result, foreign
        finally:
            self.patience -= min(max(allowance - (deadline - time.monotonic()), 0), self.patience)

    @staticmethod
    def reading():
        return *machine(), tree(os.getpid())

    @staticmethod
    def wait(deadline):
        """Until a moment passes in which nearly nothing runs."""
        while time.monotonic() < deadline:
            busy, total = machine()
            time.sleep(QUIET_SECONDS)
            later_busy, later_total = machine()
            if later_busy - busy <= FOREIGN_SHARE * (later_total - total):
                return
