"""The server under test, and what is asked of it: by flowstate-bench, by h2load, by SQL."""

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from peers.h2load import call_once, h2load
from processor import Clocks, own, tree
from programs import Background, run, wait_until

SERVICE = "flowstate.v1.FlowStateService"
CONNECTIONS = 4
#: The calls that h2load makes: the message of `flowstate-bench encode`, and where it goes.
CALLS = {
    "Health.Check": ("health", "/grpc.health.v1.Health/Check"),
    "LoadState": ("load", f"/{SERVICE}/LoadState"),
    "SaveState": ("save", f"/{SERVICE}/SaveState"),
    "CreateFlow": ("create", f"/{SERVICE}/CreateFlow"),
}
MISSED = 1  # flowstate-bench: the p99 limit is missed, which is for our own thresholds to judge


class Server(Background):
    """`flowstate serve` with a PostgreSQL of its own in a temporary directory."""

    def __init__(self, binaries, *arguments):
        super().__init__()
        self.binaries = Path(binaries)
        self.arguments = arguments
        self.data = self.directory / "data"

    def ready(self):
        self.start(
            [self.binaries / "flowstate", "serve", "--port", 0, "--data-directory", self.data, "--log-level", "warning",
             # pgbench has a connection for each of its clients.
             "--postgres-setting", "max_connections=200", *self.arguments],
            stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if match := re.match(r"flowstate is serving on (\S+)", line):
                self.endpoint = match[1]
                return
        raise self.failure("it ended before it served")

    def restart(self):
        """With the same data, and none of it in memory but what the operating system keeps."""
        self.stop()
        self.ready()

    def stop(self):
        super().stop()
        # A server that was killed, or died, leaves its PostgreSQL; the first line of this file is its process.
        pid_file = self.data / "postgres" / "postmaster.pid"
        if pid_file.exists():
            with suppress(ProcessLookupError):
                os.kill(int(pid_file.read_text().split("\n", 1)[0]), signal.SIGQUIT)
            wait_until(lambda: not pid_file.exists())

    def settle(self):
        """Before each measurement: every writer begins at the same distance from PostgreSQL's next checkpoint."""
        self.check_running()
        self.sql("CHECKPOINT")

    @property
    def libpq(self):
        return ["-h", self.data / "socket", "-U", "flowstate"]

    def sql(self, text, **variables):
        """What psql prints, unaligned."""
        assignments = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        return run(["psql", *self.libpq, "-qAtX", "-v", "ON_ERROR_STOP=1", *assignments, "flowstate"],
                   input=text.encode()).decode().strip()

    def bench(self, command, in_flight, seconds, warmup, **more):
        """The JSON report of a run of flowstate-bench. Its operations are beside those of other runs, whatever their
        latency; a call that failed is a failure."""
        words = []
        for name, value in more.items():
            option = "--" + name.replace("_", "-")
            words += [option] if value is True else [option, value]
        words = [self.binaries / "flowstate-bench", command, "--endpoint", self.endpoint, "--server-process", self.process.pid, "--json", "-",
                 "--connections", min(CONNECTIONS, in_flight), "--in-flight", in_flight,
                 "--duration", seconds, "--warmup", warmup, *words]
        return json.loads(run(words, allowed=(0, MISSED)))

    def state(self, size):
        """A state such as flowstate-bench saves."""
        return run([self.binaries / "flowstate-bench", "encode", "save", "--state-size", size])[-size:].decode()

    def body(self, call):
        """A file with the framed request of one of CALLS."""
        path = self.directory / call
        if not path.exists():
            path.write_bytes(run([self.binaries / "flowstate-bench", "encode", CALLS[call][0]]))
            call_once(self.url(call), path)
        return path

    def clocks(self):
        """Of the server and of its PostgreSQL apart."""
        return Clocks(server=lambda: own(self.process.pid), postgres=self.postgres_seconds)

    def postgres_seconds(self):
        """Processor time of its PostgreSQL until now, ended sessions included."""
        return tree(self.process.pid) - own(self.process.pid)

    def url(self, call):
        return f"http://{self.endpoint}{CALLS[call][1]}"

    def h2load(self, call, in_flight, seconds, warmup):
        """The same request again and again: of one flow, and for CreateFlow of a new one each time."""
        return h2load(self.url(call), in_flight, seconds, warmup, self.clocks(), self.body(call))
