"""What of a server or a PostgreSQL is running, and waiting for it to change."""

import os
import pathlib
import signal
import time


def eventually(condition, timeout=30, what="the condition"):
    """Waits until `condition()` is true and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(0.01)


def working_in(directory):
    """Processes whose working directory is in this one: PostgreSQL's are in their data directory."""
    root = str(pathlib.Path(directory).resolve())
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                cwd = os.readlink(f"/proc/{entry.name}/cwd")
                is_zombie = pathlib.Path(f"/proc/{entry.name}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except OSError:  # it has ended meanwhile
                continue
            if not is_zombie and (cwd == root or cwd.startswith(root + "/")):
                found.append(int(entry.name))
    return found


def kill_all_in(directory):
    """Ends by force what works in a directory of the test's own."""
    def none_left():
        left = working_in(directory)
        for pid in left:
            kill(pid)
        return not left
    eventually(none_left, what=f"the end of all processes in {directory}")


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def children(pid):
    """The processes whose parent is this one, with their command lines."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = pathlib.Path(f"/proc/{entry.name}/stat").read_text()
                if int(stat.rpartition(")")[2].split()[1]) == pid:
                    found[int(entry.name)] = pathlib.Path(f"/proc/{entry.name}/cmdline").read_bytes().decode()
            except OSError:
                continue
    return found


def memory_bytes(pid):
    """Resident memory of a process."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")
