"""Programs that a run starts: one that must succeed, and one in the background that ends with its `with` block."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processor import Clocks, tree

HERE = Path(__file__).resolve().parent
END_SECONDS = 60
LONGEST_SECONDS = 3_600


class Failed(Exception):
    """A program did not do what it was asked; the text says which and what it said."""


def run(command, allowed=(0,), **options):
    """Standard output of a program that must succeed, or end with another code that is allowed."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LONGEST_SECONDS, **options)
    except OSError as error:
        raise Failed(f"{command[0]} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(command)[:200]} did not end within {LONGEST_SECONDS} s") from error
    if done.returncode not in allowed:
        said = done.stderr.decode(errors="replace").strip()[-2_000:]
        raise Failed(f"{' '.join(command)[:200]} ended with {done.returncode}: {said}")
    return done.stdout


def end_on_sigterm():
    """SIGTERM as Ctrl-C, so that what was started is ended and what was made is removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=10):
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


class Background:
    """A program with a temporary directory; subclasses say how to start it and when it is ready."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="flowstate-compare-")
        self.directory = Path(self.scratch.name)
        self.directory.chmod(0o711)  # PostgreSQL's user must get through.
        self.log = self.directory / "log"
        self.process = None

    def start(self, command, **options):
        with open(self.log, "a") as log:
            try:
                self.process = subprocess.Popen(
                    [str(word) for word in command], stdin=subprocess.DEVNULL, **{"stdout": log, "stderr": log, **options})
            except OSError as error:
                raise Failed(f"{command[0]} cannot be run: {error.strerror}") from error

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None

    def ready(self):
        """Starts it, and returns when it answers. Subclasses have it."""
        raise NotImplementedError

    def __enter__(self):
        try:
            self.ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        self.scratch.cleanup()

    def clocks(self):
        """Of this program, and of who asks it."""
        return Clocks(server=lambda: tree(self.process.pid))

    def wait_for_port(self, port):
        if not wait_until(lambda: self.check_running() or listens(port), seconds=20):
            raise self.failure("it does not listen")

    def check_running(self):
        if self.process.poll() is not None:
            raise self.failure(f"it ended with {self.process.returncode}")

    def failure(self, what):
        """With the program's name and the end of what it wrote."""
        name = Path(str(self.process.args[0])).name
        return Failed(f"{name}: {what}; it wrote: {self.log.read_text(errors='replace')[-2_000:].strip() or 'nothing'}")
