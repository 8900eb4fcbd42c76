"""A Python process of the tests' own that takes orders by lines and answers each by a line."""

import json
import os
import pathlib
import queue
import subprocess
import sys
import threading

from flowstate.v1 import state_pb2

SUPPORT = pathlib.Path(__file__).resolve().parent
STUBS = pathlib.Path(state_pb2.__file__).resolve().parents[2]


class Worker:
    def __init__(self, script, *arguments):
        """Runs a script by its path below Tests/python."""
        self.process = subprocess.Popen(
            [sys.executable, SUPPORT.parent / script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": f"{STUBS}{os.pathsep}{SUPPORT}"})
        self.answers = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put(None)

    def order(self, order=None):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self, timeout=60):
        """What it answers; None when it takes too long, or has ended."""
        try:
            line = self.answers.get(timeout=timeout)
        except queue.Empty:
            return None
        return line and json.loads(line)

    def ask(self, order=None, timeout=60):
        self.order(order)
        return self.answer(timeout)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=30)
        self.process.stdin.close()
