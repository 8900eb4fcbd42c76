"""nghttp2's load generator, one thread, and its client for a single call."""

import re
import tempfile
from pathlib import Path

from processor import per_call
from programs import Failed, run
from results import latencies

CONNECTIONS = 4
GRPC_HEADERS = ["-H", "content-type: application/grpc", "-H", "te: trailers"]


def call_once(url, body, *options):
    """Makes sure that what h2load is going to send is a gRPC call that succeeds: h2load sees no grpc-status."""
    said = run(["nghttp", "-v", "-n", *GRPC_HEADERS, *options, "-d", body, url]).decode(errors="replace")
    if not re.search(r"grpc-status: 0\b", re.sub(r"\x1b\[[\d;]*m", "", said)):
        raise Failed(f"{url} did not answer grpc-status 0:\n{said}")


def h2load(url, in_flight, seconds, warmup, clocks, body=None, times=False):
    """Requests a second, and what each took of the processor; with a body they are gRPC calls, with `times` their latencies
    are noted, which costs h2load too much above some 50,000 requests a second."""
    connections = min(CONNECTIONS, in_flight)
    grpc = [*GRPC_HEADERS, "-d", body] if body else []
    with tempfile.TemporaryDirectory(prefix="flowstate-compare-") as scratch:
        log = Path(scratch) / "requests"
        noted = [f"--log-file={log}"] if times else []
        command = ["h2load", "-t", 1, "-c", connections, "-m", in_flight // connections, *grpc, url]
        if warmup > 0:  # apart, so that its requests are in no account
            run([*command, "-D", duration(warmup)])
        clocks.start()
        said = run([*command, "-D", duration(seconds), *noted]).decode()
        spent = per_call(clocks.elapsed(), requests(said, url))
        return {"rate": rate(said, url), **spent, **(latencies(milliseconds(log.read_text())) if times else {})}


def duration(seconds):
    return f"{round(seconds * 1_000)}ms"


def rate(said, url):
    """Requests a second, of what h2load prints at the end."""
    found = re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", said)
    bad = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", said)
    if not found or not bad or any(int(number) for number in bad.groups()) or float(found[1]) == 0:
        raise Failed(f"h2load {url}:\n{said}")
    return float(found[1])


def requests(said, url):
    """How many were answered."""
    found = re.search(r"(\d+) succeeded", said)
    if not found or int(found[1]) == 0:
        raise Failed(f"h2load {url}:\n{said}")
    return int(found[1])


def milliseconds(log):
    """How long each request took: the third column of h2load's log is in microseconds."""
    return [int(line.split("\t")[2]) / 1_000 for line in log.splitlines()]
