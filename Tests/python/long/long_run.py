"""What the long random runs share: how long they take, their seed, callers beside each other, and what a server may answer."""

import os
import random
import threading
import time

import grpc
import xxhash

#: Each run takes so long. `make fuzz` gives each ten minutes.
SECONDS = float(os.environ.get("FLOWSTATE_LONG_SECONDS") or 10)
SEED = int(os.environ.get("FLOWSTATE_SEED") or random.randrange(1 << 32))
#: A server that answers one of these is at fault, whatever it was asked.
FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
#: Nothing is known of a call that ended like this.
UNKNOWN_OUTCOME = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


def generator(*parts):
    """Random choices that the seed and these parts fix."""
    return random.Random("/".join(map(str, (SEED, *parts))))


def digest(state):
    """What is remembered of a state: minutes of them would fill the memory."""
    return xxhash.xxh3_128_digest(state)


def percentile(times, share):
    """Of seconds, in milliseconds."""
    ordered = sorted(times)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 1) if ordered else None


class Callers:
    """Functions of `is_going`, each on a thread of its own, until the time is up or one of them fails."""

    def __init__(self, seconds, bodies):
        self.ends, self.failures = time.monotonic() + seconds, []
        self.threads = [threading.Thread(target=self._guarded, args=(body,), daemon=True) for body in bodies]

    def is_going(self):
        return time.monotonic() < self.ends and not self.failures

    def pause(self, seconds):
        ends = time.monotonic() + seconds
        while self.is_going() and time.monotonic() < ends:
            time.sleep(min(0.1, max(0, ends - time.monotonic())))

    def _guarded(self, body):
        try:
            body(self)
        except BaseException as error:
            self.failures.append(error)

    def run(self, slack=120):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join(timeout=max(0, self.ends - time.monotonic()) + slack)
            assert not thread.is_alive(), f"a caller hangs (seed {SEED})"
        if self.failures:
            raise self.failures[0]
