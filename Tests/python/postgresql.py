"""A PostgreSQL of the tests' own, on a Unix socket, run by a user that it accepts."""

import os
import pathlib
import shutil
import signal
import subprocess

from processes import children, eventually, kill


def binaries():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else pathlib.Path(shutil.which("postgres")).parent


class PostgreSQL:
    def __init__(self, directory):
        self.directory = directory
        self.data = directory / "data"
        self.process = None
        # PostgreSQL refuses root.
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(directory, "postgres", "postgres")
        self.url = f"host={directory} port=5432 user=postgres dbname=postgres"
        self.log = open(directory / "log", "ab")

    def start(self):
        """Starts it, on the same data every time, and waits until it takes connections."""
        if not self.data.exists():
            subprocess.run(
                [binaries() / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"],
                check=True, stdout=self.log, stderr=self.log, cwd="/", timeout=60, **self.user)
        self.process = subprocess.Popen(
            [binaries() / "postgres", "-D", self.data, "-k", self.directory, "-c", "listen_addresses="],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd="/", start_new_session=True, **self.user)
        eventually(self.is_ready, what="PostgreSQL's start")
        return self

    def is_ready(self):
        return subprocess.run(
            [binaries() / "pg_isready", "-q", "-h", self.directory, "-t", "5"], timeout=30).returncode == 0

    def query(self, sql):
        done = subprocess.run(
            ["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", sql, self.url],
            check=True, capture_output=True, timeout=30)
        return done.stdout.decode().strip()

    def stop(self, number=signal.SIGINT):
        """Ends it; SIGINT cuts connections, SIGKILL is a crash."""
        if self.process.poll() is not None:
            return
        left = list(children(self.process.pid))
        kill(self.process.pid, number)
        self.process.wait(timeout=30)
        if number == signal.SIGKILL:
            # They notice by themselves that their postmaster is gone; a new one cannot start before that.
            eventually(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in left), what="their end")
