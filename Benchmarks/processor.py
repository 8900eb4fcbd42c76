"""Processor time, user and system, that programs take: the kernel's accounts (proc(5), getrusage(2)), in seconds.

On a noisy machine it varies far less than rates do.
"""

import os
import resource
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def stat(pid):
    """Fields of /proc/PID/stat from the state on; the name before it may contain anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def own(pid):
    """Of one process."""
    return sum(map(int, stat(pid)[11:13])) / TICKS


def tree(root):
    """Of a process and all that it started, the ended ones as well."""
    parents, times = {}, {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = stat(entry.name)
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
    return total / TICKS


def ended():
    """Of the programs that this one ran and waited for: clients."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Clocks:
    """Readings by name, and what they say a call took: `server_us`, in microseconds."""

    def __init__(self, **clocks):
        self.clocks = {"client": ended, **clocks}
        self.start()

    def start(self):
        self.began = self.read()

    def read(self):
        return {name: clock() for name, clock in self.clocks.items()}

    def elapsed(self):
        return {name: now - self.began[name] for name, now in self.read().items()}


def per_call(seconds, calls):
    """Figures: microseconds a call, of seconds by name; None is what was not measured."""
    return {f"{name}_us": time * 1e6 / calls for name, time in seconds.items() if time is not None} if calls else {}
