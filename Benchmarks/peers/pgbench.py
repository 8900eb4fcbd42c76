"""pgbench: the same statements without Flowstate, against the server's own PostgreSQL over its Unix socket."""

import os
import re
import tempfile
from pathlib import Path

from processor import Clocks, per_call
from programs import HERE, Failed, run
from results import latencies

SCRIPTS = HERE / "pgbench"
#: Rows of one statement of the scripts whose names end in _batch.
BATCH = 32
#: Of the transactions, for percentiles: to note each would cost pgbench itself too much.
NOTED_SHARE = 0.1
WARMUP_SECONDS = 1
#: As the server's own sessions have it: statements are planned once.
PLANS = "-c plan_cache_mode=force_generic_plan"


#: Of random_zipfian, which cannot go much nearer to 1: as `flowstate-bench --distribution zipf`.
ZIPF = 1.05
#: The flow of a transaction; what Zipf's law picks often does not lie beside each other.
PICKS = {
    "uniform": "random(0, :flows - 1)",
    "zipf": f"permute(random_zipfian(1, :flows, {ZIPF}) - 1, :flows)",
}


class Pgbench:
    """Flows of a tenant of its own, in the form that the server would store without compressing."""

    def __init__(self, server, state, flows=0):
        self.server, self.state, self.flows = server, state, 0
        if flows:
            self.prepare(flows)

    def prepare(self, flows):
        """So many in all."""
        self.server.sql((SCRIPTS / "prepare.sql").read_text(), first=self.flows, flows=flows, state=self.state, size=len(self.state))
        self.flows = flows

    def load(self, clients, seconds, distribution="uniform"):
        return self.transactions("load", clients, seconds, distribution)

    def save(self, clients, seconds, distribution="uniform"):
        return self.transactions("save", clients, seconds, distribution)

    def at_rate(self, script, rate, clients, seconds, distribution="uniform"):
        """Open loop: latency from when transactions were due."""
        return self.transactions(script, clients, seconds, distribution, "-R", f"{rate:.0f}")

    def load_batch(self, clients, seconds):
        return self.rows("load_batch", clients, seconds)

    def save_batch(self, clients, seconds):
        return self.rows("save_batch", clients, seconds)

    def rows(self, script, clients, seconds):
        """Rows a second, and processor time a row, where a transaction has many; a latency per row cannot be told."""
        found = self.transactions(script, clients, seconds)
        return {"rate": BATCH * found["rate"], **{name: value / BATCH for name, value in found.items() if name.endswith("_us")}}

    def transactions(self, script, clients, seconds, distribution="uniform", *options):
        # The connections are there before the time begins, so there is nothing to warm up but the caches, which are.
        with tempfile.TemporaryDirectory(prefix="flowstate-compare-") as scratch:
            file = Path(scratch) / script
            file.write_text(f"\\set pick {PICKS[distribution]}\n" + (SCRIPTS / f"{script}.sql").read_text())
            command = [
                "pgbench", *self.server.libpq, "-n", "-M", "prepared", "-f", file, "-c", clients, "-j", min(clients, 2),
                "-D", f"flows={self.flows}", "-D", f"state={self.state}", "-D", f"size={len(self.state)}", "flowstate"]
            environment = {**os.environ, "PGOPTIONS": PLANS}
            clocks = Clocks(postgres=self.server.postgres_seconds)
            run([*command, "-t", 1], env=environment)
            connecting = clocks.elapsed()  # as every session does once
            clocks.start()
            noting = ["-l", "--log-prefix", Path(scratch) / "log", "--sampling-rate", NOTED_SHARE]
            said = run([*command, *noting, *options, "-T", max(round(seconds), 2)], env=environment).decode()
            spent = {name: max(time - connecting[name], 0) for name, time in clocks.elapsed().items()}
            figures = summary(said, script)
            noted = milliseconds("".join(log.read_text() for log in Path(scratch).glob("log*")))
        return {**latencies(noted), **per_call(spent, figures.pop("count")), **figures}


def summary(said, script):
    """Transactions, how many a second and their mean latency, of what pgbench prints at the end."""
    count = re.search(r"actually processed: (\d+)", said)
    rate = re.search(r"tps = ([\d.]+) \(without", said)
    mean = re.search(r"latency average = ([\d.]+) ms", said)
    if not count or not rate or not mean or not re.search(r"number of failed transactions: 0 ", said):
        raise Failed(f"pgbench {script}:\n{said}")
    return {"count": int(count[1]), "rate": float(rate[1]), "mean_ms": float(mean[1])}


def milliseconds(log):
    """How long each noted transaction took, without those that had to wait for the connections to be made: in the
    columns of pgbench's log, microseconds and when it ended."""
    noted = [(int(took) / 1_000, int(second) + int(micro) / 1e6)
             for _, _, took, _, second, micro, *_ in map(str.split, log.splitlines())]
    begin = min((end for _, end in noted), default=0) + WARMUP_SECONDS
    return [took for took, end in noted if end >= begin]
