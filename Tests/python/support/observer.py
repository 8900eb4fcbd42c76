"""A server process as /proc shows it: memory, processor time of its event loops, open sockets."""

import contextlib
import os
import pathlib

TICKS = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1 << 20
LOOP = "NIO-ELT-"


class Observer:
    def __init__(self, pid):
        self.proc = pathlib.Path(f"/proc/{pid}")

    def forget_peak(self):
        with contextlib.suppress(OSError):
            (self.proc / "clear_refs").write_text("5")

    def memory(self):
        """Resident megabytes: now, and at most since the peak was forgotten."""
        fields = dict(line.split(":", 1) for line in (self.proc / "status").read_text().splitlines())
        return tuple(int(fields[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM"))

    def loop_seconds(self):
        """Processor time of the busiest event loop so far."""
        return max((seconds for name, seconds in self._threads() if name.startswith(LOOP)), default=0)

    def seconds(self):
        """Processor time of the whole process so far."""
        return sum(seconds for _, seconds in self._threads())

    def sockets(self):
        count = 0
        for entry in (self.proc / "fd").iterdir():
            with contextlib.suppress(OSError):
                count += os.readlink(entry).startswith("socket:")
        return count

    def _threads(self):
        for task in (self.proc / "task").iterdir():
            with contextlib.suppress(OSError):
                head, _, rest = (task / "stat").read_text().rpartition(")")
                fields = rest.split()
                yield head.partition("(")[2], (int(fields[11]) + int(fields[12])) / TICKS
