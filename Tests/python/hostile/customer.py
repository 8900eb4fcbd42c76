"""The client that does no harm: 200 calls a second, saves and loads of small states, each on time.

Latencies count from when a call was due, so that a server that stands still is seen in full. It prints what it saw
since the last time whenever a line comes in.
"""

import contextlib
import itertools
import json
import os
import pathlib
import sys
import threading
import time

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

import grpc  # noqa: E402
from flowstate.v1 import state_pb2, state_pb2_grpc  # noqa: E402
from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: E402

RATE = 200
IN_FLIGHT = 64
FLOWS = 16
STATE = json.dumps({"messages": ["x" * 100] * 15}).encode()
METADATA = [("flowstate-tenant", "customer")]


class Customer:
    def __init__(self, endpoint):
        channel = grpc.insecure_channel(endpoint)
        self.stub, self.health = state_pb2_grpc.FlowStateServiceStub(channel), health_pb2_grpc.HealthStub(channel)
        self.lock = threading.Lock()
        self.slots = threading.BoundedSemaphore(IN_FLIGHT)
        self.waiting = {}
        for number in range(FLOWS):
            self.stub.SaveState(state_pb2.SaveStateRequest(flow_id=f"customer-{number}", state=STATE), timeout=60, metadata=METADATA)
        self.forget()

    def forget(self):
        self.taken, self.errors = {}, {}

    def window(self):
        """Milliseconds by kind of call; calls that wait count with what they have waited so far."""
        with self.lock:
            now = time.monotonic()
            for kind, due in self.waiting.values():
                self.taken.setdefault(kind, []).append(now - due)
            taken, errors = self.taken, self.errors
            self.forget()
        return {"errors": errors, **{kind: summary(sorted(times)) for kind, times in taken.items()}}

    def run(self):
        start = time.monotonic()
        for number in itertools.count():
            due = start + number / RATE
            time.sleep(max(0, due - time.monotonic()))
            if not self.slots.acquire(blocking=False):
                self.slots.acquire()  # the calls that wait tell of the stall; those that were due meanwhile are not made up for
                start += time.monotonic() - due
                due = time.monotonic()
            self.call(number, due)

    def call(self, number, due):
        flow = f"customer-{number // 2 % FLOWS}"
        if number % 20 == 19:
            kind, method, request, metadata = "check", self.health.Check, health_pb2.HealthCheckRequest(), None
        elif number % 2:
            kind, method, request, metadata = "load", self.stub.LoadState, state_pb2.LoadStateRequest(flow_id=flow), METADATA
        else:
            kind, method, request, metadata = "save", self.stub.SaveState, state_pb2.SaveStateRequest(flow_id=flow, state=STATE), METADATA
        with self.lock:
            self.waiting[number] = (kind, due)
        future = method.future(request, timeout=60, metadata=metadata)
        future.add_done_callback(lambda done: self.done(number, done))

    def done(self, number, future):
        now = time.monotonic()
        with self.lock:
            kind, due = self.waiting.pop(number)
            self.taken.setdefault(kind, []).append(now - due)
            if (code := future.code()) != grpc.StatusCode.OK:
                what = f"{code.name}: {future.details()[:100]}"
                self.errors[what] = self.errors.get(what, 0) + 1
        self.slots.release()


def summary(times):
    return {
        "count": len(times), "p50": round(times[len(times) // 2] * 1e3, 1),
        "p99": round(times[min(len(times) - 1, len(times) * 99 // 100)] * 1e3, 1), "max": round(times[-1] * 1e3, 1)}


if __name__ == "__main__":
    # As if it had a machine of its own: the attackers take none of its processor time. Linux shares processors between sessions first
    # (sched(7), autogroup).
    os.setsid()
    with contextlib.suppress(OSError):
        os.nice(-10)
        pathlib.Path("/proc/self/autogroup").write_text("-10")
    customer = Customer(sys.argv[1])
    threading.Thread(target=customer.run, daemon=True).start()
    for _ in sys.stdin:
        print(json.dumps(customer.window()), flush=True)
