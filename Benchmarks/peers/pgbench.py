"""pgbench: the same statements without Flowstate, against the server's own PostgreSQL over its Unix socket."""

import os
import re
import tempfile
from pathlib import Path

from programs import HERE, Failed, run
from results import latencies

SCRIPTS = HERE / "pgbench"
#: Rows of one statement of the scripts whose names end in _batch.
BATCH = 32
#: Of the transactions, for percentiles: to note each would cost pgbench itself too much.
NOTED_SHARE = 0.1
#: As the server's own sessions have it: statements are planned once.
PLANS = "-c plan_cache_mode=force_generic_plan"


class Pgbench:
    """Flows of a tenant of its own, in the form that the server would store without compressing."""

    def __init__(self, server, state, flows):
        self.server, self.state, self.flows = server, state, flows

    def prepare(self):
        self.server.sql((SCRIPTS / "prepare.sql").read_text(), flows=self.flows, state=self.state)

    def load(self, clients, seconds):
        return self.transactions("load", clients, seconds)

    def save(self, clients, seconds):
        return self.transactions("save", clients, seconds)

    def load_batch(self, clients, seconds):
        return self.rows("load_batch", clients, seconds)

    def save_batch(self, clients, seconds):
        return self.rows("save_batch", clients, seconds)

    def rows(self, script, clients, seconds):
        """Rows a second, where a transaction has many; a latency per row cannot be told."""
        return {"rate": BATCH * self.transactions(script, clients, seconds)["rate"]}

    def transactions(self, script, clients, seconds):
        # The connections are there before the time begins, so there is nothing to warm up but the caches, which are.
        with tempfile.TemporaryDirectory(prefix="flowstate-compare-") as scratch:
            said = run([
                "pgbench", *self.server.libpq, "-n", "-M", "prepared", "-f", SCRIPTS / f"{script}.sql", "-T", max(round(seconds), 1),
                "-c", clients, "-j", min(clients, 2), "-D", f"flows={self.flows}", "-D", f"state={self.state}",
                "-l", "--log-prefix", Path(scratch) / "log", "--sampling-rate", NOTED_SHARE, "flowstate"],
                env={**os.environ, "PGOPTIONS": PLANS}).decode()
            noted = [time for log in Path(scratch).iterdir() for time in milliseconds(log.read_text())]
        return {**latencies(noted), **summary(said, script)}


def summary(said, script):
    """Transactions a second and their mean latency, of what pgbench prints at the end."""
    rate = re.search(r"tps = ([\d.]+) \(without", said)
    mean = re.search(r"latency average = ([\d.]+) ms", said)
    if not rate or not mean or not re.search(r"number of failed transactions: 0 ", said):
        raise Failed(f"pgbench {script}:\n{said}")
    return {"rate": float(rate[1]), "mean_ms": float(mean[1])}


def milliseconds(log):
    """How long each noted transaction took: the third column of pgbench's log is in microseconds."""
    return [int(line.split()[2]) / 1_000 for line in log.splitlines()]
