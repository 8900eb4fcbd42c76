"""Random definitions × states × deadlines: the event loop's turns stay short, deadlines hold, work ends with its callers."""

import collections
import pathlib
import time

import grpc
from flowstate.v1 import definition_pb2, lifecycle_pb2, state_pb2

import definitions
from long_run import FAULTS, SECONDS, SEED, Callers, generator
from observer import Observer
from processes import eventually
from wire import Closed, Wire, message
from worker import Worker

CALLERS = 4
TENANTS = ["one", "two"]
TYPES = [f"type-{number}" for number in range(8)]
#: Milliseconds of the event loop at a time; a build without optimisation is not held to it.
TURN = 5
#: Seconds that an answer may come after its deadline, and that work may go on behind callers that have gone.
LATE, IDLE_WITHIN = 1, 2
#: Seconds for which an answer that was on its way at the deadline may go on, before its stream is reset: two ticks of the server.
RESET_WITHIN = 2
CODES = {code.value[0]: code for code in grpc.StatusCode}
STATE, LIFECYCLE = "/flowstate.v1.FlowStateService/", "/flowstate.v1.FlowLifecycleService/"


def request(rng):
    """Path and body of a call."""
    flow_type, flow = rng.choice(TYPES), f"flow-{rng.randrange(20)}"
    kind = rng.randrange(10)
    if kind < 3:
        return "/flowstate.v1.FlowDefinitionService/PutDefinition", definition_pb2.PutDefinitionRequest(
            document=definitions.definition(rng, flow_type))
    if kind < 5:
        return LIFECYCLE + "ValidateState", lifecycle_pb2.ValidateStateRequest(
            state=definitions.state(rng), flow_type=flow_type, depth=rng.randrange(4))
    if kind < 7:
        return STATE + "SaveState", state_pb2.SaveStateRequest(flow_id=flow + flow_type, flow_type=flow_type, state=definitions.state(rng))
    if kind == 7:
        return STATE + "SaveState", state_pb2.SaveStateRequest(flow_id=flow + flow_type, json_patch=definitions.patch(rng))
    if kind == 8:
        return STATE + "SaveState", state_pb2.SaveStateRequest(flow_id=flow + flow_type, merge_patch=definitions.state(rng))
    return STATE + "DiffVersions", state_pb2.DiffVersionsRequest(flow_id=flow + flow_type, from_version=1)


class Caller:
    """Raw calls, one after the other, so that it is the server that answers when the deadline has passed."""

    def __init__(self, server, number, counts):
        self.server, self.number, self.counts = server, number, counts
        self.latest, self.wire = 0, None

    def __call__(self, callers):
        rng = generator("definitions", self.number)
        while callers.is_going():
            self.call(rng)
        if self.wire:
            self.wire.socket.close()

    def call(self, rng):
        path, body = request(rng)
        timeout = rng.choice([0.05, 0.3, 1, 2])
        if self.wire is None:
            self.wire = Wire(self.server)
        try:
            stream = self.wire.headers(
                path, extra=[("flowstate-tenant", rng.choice(TENANTS))], grpc_timeout=f"{int(timeout * 1e3)}m")
            began = time.time()
            self.wire.data_within_windows(stream, message(body.SerializeToString()))
            if rng.random() < 0.1:
                return self._leave()
            reply = self.wire.reply(stream)
        except Closed:
            assert self.server.process.poll() is None, f"the server ended at {path} (seed {SEED})"
            self.counts["closed"] += 1
            return self._leave()
        # When it came, not when this client came to read it: that is kept busy by what it sends, and by its other threads.
        late = reply.came_at - began - timeout
        self.latest = max(self.latest, late)
        code = CODES.get(reply.grpc_status)
        self.counts[code.name if code else f"reset {reply.reset}"] += 1
        assert code not in FAULTS, f"{path}: {code}: {reply.message} (seed {SEED}, caller {self.number})"
        may_be_late = LATE + (RESET_WITHIN if reply.body else 0)
        assert late < may_be_late, f"{path} was answered {code} {late:.1f} s after its deadline of {timeout} s (seed {SEED}, caller {self.number})"

    def _leave(self):
        self.wire.socket.close()
        self.wire = None


def is_optimised(path):
    return pathlib.Path(path).parent.name != "debug" and "debug" not in str(pathlib.Path(path).resolve())


def test_definitions_states_and_deadlines(start_server, flowstate_bin, report):
    server = start_server()
    host, port = server.host_port
    pid = server.process.pid
    probe = Worker("long/probe.py", str(pid), host, str(port))
    observer = Observer(pid)
    counts = collections.Counter()
    callers = [Caller(server, number, counts) for number in range(CALLERS)]
    try:
        eventually(lambda: probe.ask()["probes"] > 0, what="a probe")
        cpu, failure = observer.seconds(), None
        try:
            Callers(SECONDS, callers).run()
        except AssertionError as error:
            failure = error
        seen = probe.ask()
        for caller in callers:
            if caller.wire:
                caller._leave()
        report(
            f"definitions: {sum(counts.values())} calls, {dict(counts.most_common())}; event loop at most {seen['loop_ms']} ms at a time, "
            f"over {TURN} ms in {seen['slow']} of {seen['probes']} probes; probes waited {seen['latency_ms']} ms at most; latest answer "
            f"{max(caller.latest for caller in callers) * 1e3:.0f} ms after its deadline; "
            f"{(observer.seconds() - cpu) / SECONDS:.1f} processors")
        if failure:
            raise failure
        assert server.process.poll() is None and not seen["lost"]
        # A probe that the machine keeps from reading its answer counts the next turns too: one in a thousand may.
        assert not is_optimised(flowstate_bin) or seen["slow"] <= seen["probes"] / 1_000 and seen["loop_ms"] < 4 * TURN, f"{seen} (seed {SEED})"
        assert idle_within(observer, IDLE_WITHIN), f"it computes on {IDLE_WITHIN} s after its callers have gone (seed {SEED})"
    finally:
        probe.kill()


def idle_within(observer, seconds):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        before = observer.seconds()
        time.sleep(0.25)
        if observer.seconds() - before < 0.08:
            return True
    return False


