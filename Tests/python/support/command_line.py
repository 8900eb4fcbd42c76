"""The program `flowstate` as its users call it, and its exit codes."""

import json
import os
import pty
import select
import subprocess
import time
import uuid

CONFLICT, NOT_FOUND, INVALID, UNAVAILABLE, USAGE = 2, 3, 4, 5, 64


class Cli:
    """Runs the program as one user of a tenant of its own."""

    def __init__(self, binary, endpoint):
        self.binary = str(binary)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FLOWSTATE_")},
            "FLOWSTATE_ENDPOINT": endpoint,
            "FLOWSTATE_TENANT": "cli-" + uuid.uuid4().hex,
            "FLOWSTATE_ACTOR": "tester",
        }

    def run(self, *arguments, stdin=b"", **environment):
        return subprocess.run(
            [self.binary, *arguments], input=stdin, capture_output=True, timeout=60,
            env={**self.environment, **environment})

    def ok(self, *arguments, stdin=b""):
        """The standard output of a call that must succeed without a word on standard error, but for the progress of long work."""
        done = self.run(*arguments, stdin=stdin)
        said = [line for line in done.stderr.splitlines() if not line.endswith(b" so far")]
        assert (done.returncode, said) == (0, []), done.stderr
        return done.stdout

    def json(self, *arguments, stdin=b""):
        return json.loads(self.ok(*arguments, "--output", "json", stdin=stdin))

    def fails(self, code, *arguments, stdin=b""):
        """The error of a call that must fail with this exit code and print nothing else."""
        done = self.run(*arguments, "--output", "json", stdin=stdin)
        assert (done.returncode, done.stdout) == (code, b""), done.stderr
        error = json.loads(done.stderr)
        assert error["exit_code"] == code
        return error

    def on_terminal(self, *arguments, timeout=30):
        """Exit code and output with standard output on a terminal (its line ends turned back)."""
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [self.binary, *arguments], stdin=subprocess.DEVNULL, stdout=follower, stderr=subprocess.PIPE,
            env=self.environment)
        os.close(follower)
        output, deadline = b"", time.monotonic() + timeout
        try:
            while True:
                readable, _, _ = select.select([leader], [], [], deadline - time.monotonic())
                assert readable, "no end of output in time"
                try:
                    chunk = os.read(leader, 65536)
                except OSError:  # EIO: the other end is closed
                    break
                if not chunk:
                    break
                output += chunk
            _, errors = process.communicate(timeout=timeout)
        finally:
            os.close(leader)
            if process.poll() is None:
                process.kill()
                process.wait()
        return process.returncode, output.replace(b"\r\n", b"\n"), errors
