"""The programs that compare.py runs beside each other: the server, flowstate-bench, h2load, nghttpd, pgbench."""

import json
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVICE = "flowstate.v1.FlowStateService"
GRPC_HEADERS = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
SERVER_START_SECONDS = 120


class Failed(Exception):
    """A program did not do what it was asked; the text says which and why."""


def run(command, **options):
    """Standard output of a program that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, **options)
    if done.returncode != 0:
        raise Failed(f"{command[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A program in the background that ends with the `with` block."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen([str(word) for word in command], **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Server(Process):
    """`flowstate serve` with a PostgreSQL of its own in a temporary directory."""

    def __init__(self, binaries, log):
        self.binaries = Path(binaries)
        self.directory = tempfile.TemporaryDirectory(prefix="flowstate-compare-")
        Path(self.directory.name).chmod(0o711)  # PostgreSQL's user must get through.
        self.data = Path(self.directory.name) / "data"
        super().__init__(
            [self.binaries / "flowstate", "serve", "--port", 0, "--data-directory", self.data, "--log-level", "warning",
             # pgbench has a connection for each of its clients.
             "--postgres-setting", "max_connections=200"],
            stdout=subprocess.PIPE, stderr=log, text=True)

    def __enter__(self):
        for line in self.process.stdout:
            if match := re.match(r"flowstate is serving on (\S+)", line):
                self.endpoint = match[1]
                return self
        raise Failed("the server ended before it served; see its log")

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self.directory.cleanup()

    @property
    def libpq(self):
        return ["-h", self.data / "socket", "-U", "flowstate"]

    def sql(self, text, **variables):
        assignments = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        return run(["psql", *self.libpq, "-qAtX", "-v", "ON_ERROR_STOP=1", *assignments, "flowstate"],
                   input=text.encode()).decode().strip()

    def bench(self, *arguments):
        """A run of flowstate-bench; its operations, as the JSON report has them."""
        command = [self.binaries / "flowstate-bench", *arguments, "--endpoint", self.endpoint, "--json", "-"]
        done = subprocess.run([str(word) for word in command], capture_output=True)
        if done.returncode not in (0, 1):
            raise Failed(f"flowstate-bench {arguments}: {done.stderr.decode(errors='replace')}")
        return json.loads(done.stdout)["operations"]

    def body(self, message, path):
        """Writes a framed gRPC request to a file."""
        path.write_bytes(run([self.binaries / "flowstate-bench", "encode", message]))
        return path

    def call_once(self, path, body):
        """Makes sure that what h2load is going to send is a gRPC call that succeeds."""
        said = run(["nghttp", "-v", "-n", *GRPC_HEADERS, "-d", body, f"http://{self.endpoint}{path}"]).decode(errors="replace")
        if not re.search(r"grpc-status: 0\b", re.sub(r"\x1b\[[\d;]*m", "", said)):
            raise Failed(f"{path} did not answer grpc-status 0:\n{said}")


def h2load(url, seconds, connections, in_flight, body=None):
    """Requests a second of nghttp2's load generator, one thread."""
    grpc = [*GRPC_HEADERS, "-d", body] if body else []
    said = run(["h2load", "-t", 1, "-c", connections, "-m", in_flight // connections, "-D", seconds,
                "--warm-up-time", 1, *grpc, url]).decode()
    rate = re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", said)
    bad = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", said)
    if not rate or not bad or any(int(number) for number in bad.groups()):
        raise Failed(f"h2load {url}:\n{said}")
    return float(rate[1])


class Nghttpd(Process):
    """nghttp2's own server with one thread and a file of two bytes."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="flowstate-compare-")
        (Path(self.directory.name) / "ok").write_bytes(b"\x08\x01")
        self.port = free_port()
        super().__init__(["nghttpd", "--no-tls", "-n", 1, "-d", self.directory.name, self.port],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{self.port}/ok"

    def __enter__(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise Failed("nghttpd does not listen")

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self.directory.cleanup()


def pgbench(server, script, seconds, clients, flows, state):
    """Transactions a second of prepared statements over PostgreSQL's Unix socket."""
    said = run(["pgbench", *server.libpq, "-n", "-M", "prepared", "-f", HERE / "pgbench" / script, "-T", seconds,
                "-c", clients, "-j", 2, "-D", f"flows={flows}", "-D", f"state={state}", "flowstate"]).decode()
    if not re.search(r"number of failed transactions: 0 ", said):
        raise Failed(f"pgbench {script}:\n{said}")
    return float(re.search(r"tps = ([\d.]+) \(without", said)[1])
