"""A PostgreSQL of the tests' own, on a Unix socket, run by a user that it accepts."""

import os
import pathlib
import re
import shutil
import signal
import subprocess

from processes import children, eventually, kill


def binaries():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return found[-1] if found else pathlib.Path(shutil.which("postgres")).parent


class PostgreSQL:
    def __init__(self, directory, settings=None, primary=None):
        """`settings` come over PostgreSQL's defaults; with `primary`, another one of these, it is its standby."""
        self.directory = directory
        self.data = directory / "data"
        self.process = None
        self.settings = {"listen_addresses": "", **(settings or {})}
        self.primary = primary
        # PostgreSQL refuses root. (Not Popen's `user`: it forks, which threads inside gRPC do not survive; vfork they do.)
        is_root = os.geteuid() == 0
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if is_root else []
        if is_root:
            shutil.chown(directory, "postgres", "postgres")
        self.url = f"host={directory} port=5432 user=postgres dbname=postgres"
        self.log = open(directory / "log", "ab")

    def start(self):
        """Starts it, on the same data every time, and waits until it takes connections."""
        if not self.data.exists() and self.primary:
            subprocess.run(
                [*self.user, binaries() / "pg_basebackup", "-D", self.data, "-h", self.primary.directory, "-p",
                 str(self.primary.settings.get("port", 5432)), "-U", "postgres", "-R", "-X", "stream", "-c", "fast"],
                check=True, stdout=self.log, stderr=self.log, cwd="/", timeout=60)
        if not self.data.exists():
            subprocess.run(
                [*self.user, binaries() / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"],
                check=True, stdout=self.log, stderr=self.log, cwd="/", timeout=60)
        self.process = subprocess.Popen(
            [*self.user, binaries() / "postgres", "-D", self.data, "-k", self.directory,
             *(word for name, value in self.settings.items() for word in ("-c", f"{name}={value}"))],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd="/", start_new_session=True)
        eventually(self.is_ready, what="PostgreSQL's start")
        return self

    def is_ready(self):
        port = str(self.settings.get("port", 5432))
        return subprocess.run(
            [binaries() / "pg_isready", "-q", "-h", self.directory, "-p", port, "-t", "5"], timeout=30).returncode == 0

    def logged(self, message, most=10):
        """What the log has of each error of this message: the line, and the DETAIL, CONTEXT and STATEMENT behind it; `most` of them whole."""
        records = re.split(r"\n(?=\d{4}-\d\d-\d\d )", (self.directory / "log").read_text(errors="replace"))
        errors, open_of = [], {}
        for record in records:
            found = re.match(r"\S+ \S+ \S+ \[(\d+)\] (\w+): ", record)
            if not found:
                continue
            process, severity = found.groups()
            if severity in {"DETAIL", "HINT", "CONTEXT", "STATEMENT"}:
                if process in open_of:
                    open_of[process].append(record)
                continue
            open_of.pop(process, None)
            if message in record:
                errors.append(open_of.setdefault(process, [record]))
        return ["\n".join(error if place < most else error[:1]) for place, error in enumerate(errors)]

    def promote(self):
        """Makes a standby the primary; returns when it takes writes."""
        subprocess.run(
            [*self.user, binaries() / "pg_ctl", "-D", self.data, "-w", "promote"], check=True, stdout=self.log, cwd="/", timeout=60)

    def execute(self, *statements):
        with Session(self.url) as session:
            return [session.execute(sql) for sql in statements][-1]

    def send_signal(self, number):
        """To all of its processes."""
        for pid in [self.process.pid, *children(self.process.pid)]:
            kill(pid, number)

    def stop(self, number=signal.SIGINT):
        """Ends it; SIGINT cuts connections, SIGKILL is a crash."""
        if self.process is None or self.process.poll() is not None:
            return
        left = list(children(self.process.pid))
        kill(self.process.pid, number)
        self.process.wait(timeout=30)
        if number == signal.SIGKILL:
            # They notice by themselves that their postmaster is gone; a new one cannot start before that.
            eventually(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in left), what="their end")


class Session:
    """One connection to a PostgreSQL, through psql."""

    def __init__(self, conninfo):
        self.conninfo = conninfo

    def __enter__(self):
        self.process = subprocess.Popen(
            [binaries() / "psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", self.conninfo],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=30)

    def execute(self, sql):
        """Runs statements and returns the lines that they answer."""
        self.process.stdin.write(sql + ";\n\\echo done\n")
        lines = []
        for line in self.process.stdout:
            if line == "done\n":
                return lines
            lines.append(line.rstrip("\n"))
        raise AssertionError(f"psql ended at: {sql}")

    def wait_for_blocked(self):
        """Until another session waits for a lock that this one holds."""
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        eventually(lambda: self.execute(waiting) != ["0"], what="a session that waits")


def session(server):
    """With the database that a server runs itself."""
    return Session(f"host={server.data}/socket port=5432 user=flowstate dbname=flowstate")
