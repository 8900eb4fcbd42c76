"""Extreme numbers in every field of every method, several at once of one flow: each is answered, in time, and none is a fault."""

import collections
import math
import time

import grpc
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf import text_format

from flowstate_server import METHODS
from long_run import FAULTS, SECONDS, SEED, Callers, generator

CALLERS = 4
AT_ONCE = 16
#: Seconds after which other flows are used: these may have been deleted.
ROUND = 2
TIMEOUT = 30
INTEGERS = sorted({
    sign * (1 << power) + step for power in (0, 1, 7, 15, 31, 32, 53, 61, 62, 63) for sign in (1, -1) for step in (-1, 0, 1)
    if -(1 << 63) <= sign * (1 << power) + step < 1 << 63} | {0, 253402300799, -62135596800, 315576000000, 10**9 - 1, 10**9})
DOUBLES = [math.nan, math.inf, -math.inf, -0.0, 0.0, 100.0, 100.00000001, -1e-300, 5e-324, 1.8e308, 50.0]
TEXTS = ["", "a", "b", "c0", "c1", "kept", "t", "running", "p1", "p2", "é", "é", "x" * 255, "\u2028", "x" * 256, "a\0"]
DOCUMENTS = [
    b"", b"{}", b"null", b'{"n":1}', b'{"n":9223372036854775808}', b'{"n":1e999}', b'[{"op":"add","path":"/n","value":-0.0}]',
    b'[{"op":"test","path":"/n","value":1e400}]', b'[{"op":"add","path":"/99999999999999999999","value":1}]', b'{"n":null}', b"[1,2",
    b"\xff"]
RANGES = {
    Field.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1), Field.CPPTYPE_UINT32: (0, (1 << 32) - 1),
    Field.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1), Field.CPPTYPE_UINT64: (0, (1 << 64) - 1)}
#: What a call of a method needs to be more than refused; of the others a flow's id is enough.
BASES = {
    "SaveState": {"state": b'{"n":1}'}, "RestoreCheckpoint": {"checkpoint": "c0"}, "SetStatus": {"status": "running"},
    "TransitionPhase": {"phase": "p2", "force": True}, "CompletePhase": {"phase": "p1"}, "ReportError": {"message": "x"},
    "DiffVersions": {"from_version": 1}, "CreateCheckpoint": {"name": "c1"}, "DeleteCheckpoint": {"checkpoint": "c1"},
    "BatchSaveState": {"saves": [{"flow_id": "a", "state": b"1"}]}, "BatchLoadState": {"loads": [{"flow_id": "a"}]}}
UNARY = [name for name, method in METHODS.items() if not method.client_streaming and not method.server_streaming]
DEFINITION = b"""{"flow_type": "kept", "paths": {"phase": "/phase"}, "phases": [{"name": "p1"}, {"name": "p2", "requires": ["p1"]}],
    "retention": {"versions": 5, "checkpoints": 5}, "rules": [{"rule": "range", "path": "/n", "minimum": -1e300, "maximum": 1e300}]}"""


def value(field, rng, depth):
    if field.cpp_type in RANGES:
        low, high = RANGES[field.cpp_type]
        return rng.choice([low, high]) if rng.random() < 0.5 else rng.choice([number for number in INTEGERS if low <= number <= high])
    if field.cpp_type == Field.CPPTYPE_ENUM:
        return rng.choice([0, 1, 2, 3, 99, (1 << 31) - 1, -(1 << 31)])
    if field.cpp_type in (Field.CPPTYPE_DOUBLE, Field.CPPTYPE_FLOAT):
        return rng.choice(DOUBLES)
    if field.cpp_type == Field.CPPTYPE_BOOL:
        return rng.random() < 0.7
    if field.type == Field.TYPE_BYTES:
        return rng.choice(DOCUMENTS)
    if field.cpp_type == Field.CPPTYPE_STRING:
        return rng.choice(TEXTS)
    return message(field.message_type, rng, depth + 1)


def message(descriptor, rng, depth=0):
    """A request with some of its fields set, numbers rather than others."""
    request = descriptor._concrete_class()
    for field in descriptor.fields:
        is_number = field.cpp_type in RANGES or field.cpp_type == Field.CPPTYPE_DOUBLE
        if rng.random() > (0.95 if field.name == "flow_id" else 0.5 if is_number else 0.25) or depth > 3:
            continue
        if field.message_type and field.message_type.GetOptions().map_entry:
            for _ in range(rng.randrange(4)):
                getattr(request, field.name)[rng.choice(TEXTS)] = rng.choice(TEXTS)
        elif field.is_repeated:
            for _ in range(rng.randrange(1, 4)):
                each = value(field, rng, depth)
                getattr(request, field.name).add().CopyFrom(each) if field.message_type else getattr(request, field.name).append(each)
        elif field.message_type:
            getattr(request, field.name).CopyFrom(value(field, rng, depth))
        else:
            setattr(request, field.name, value(field, rng, depth))
    return request


def leaves(descriptor, depth=0):
    """Paths to every number in a message."""
    for field in descriptor.fields:
        if field.cpp_type in RANGES or field.cpp_type == Field.CPPTYPE_DOUBLE:
            yield [field]
        elif field.message_type and depth < 2 and not field.message_type.GetOptions().map_entry:
            yield from ([field, *rest] for rest in leaves(field.message_type, depth + 1))


def one_extreme(name, flow, rng):
    """A call that is right but for one number or two."""
    descriptor = METHODS[name].input_type
    request = descriptor._concrete_class(**BASES.get(name, {}))
    if "flow_id" in descriptor.fields_by_name:
        request.flow_id = flow
    paths = list(leaves(descriptor))
    weights = [4 if "version" in path[-1].name else 1 for path in paths]
    for path in rng.choices(paths, weights, k=rng.choice([1, 1, 2])) if paths else ():
        at = request
        for field in path[:-1]:
            inner = getattr(at, field.name)
            at = (inner[0] if inner else inner.add()) if field.is_repeated else inner
        if not path[-1].is_repeated:
            setattr(at, path[-1].name, value(path[-1], rng, 0))
    return request


class Caller:
    """Calls of few flows, several at once, some of them the same; now and then behind a large save, so that they share a batch."""

    def __init__(self, server, number, counts):
        self.server, self.counts = server, counts
        self.rng, self.flows = generator("extremes", number), server.flows("extremes")
        self.methods = [*UNARY, *[name for name in UNARY if name in BASES] * 3, *["SaveState", "SaveState", "DeleteFlow"] * 15]
        self.big = b'"%s"' % (b"x" * 2_000_000)

    def __call__(self, callers):
        began = time.monotonic()
        while callers.is_going():
            self.names = [f"{letter}-{int((time.monotonic() - began) / ROUND)}" for letter in "abcdefgh"]
            if self.rng.random() < 0.2:
                flow = self.rng.choice(self.names)
                self.start("SaveState", self.flows.message(
                    "SaveState", flow_id=flow, state=b'{"n":1}', flow_type="kept", phase="p1", checkpoint={"name": "c0"})).exception()
            self.round()

    def start(self, name, request):
        stub = getattr(self.flows.stubs[METHODS[name].containing_service.name], name)
        return stub.future(request, metadata=self.flows.metadata, timeout=TIMEOUT)

    def round(self):
        if self.rng.random() < 0.7:
            # The future is kept: a call whose future has gone is cancelled.
            self.large = self.start("SaveState", self.flows.message("SaveState", flow_id="big", state=self.big))
            time.sleep(self.rng.choice([0.003, 0.01, 0.02]))
        calls = []
        while len(calls) < AT_ONCE:
            name = self.rng.choice(self.methods)
            if self.rng.random() < 0.9:
                request = one_extreme(name, self.rng.choice(self.names), self.rng)
            else:
                request = message(METHODS[name].input_type, self.rng)
            calls += [(name, request, self.start(name, request)) for _ in range(self.rng.choice([1, 2, 2, 4]))]
        for name, request, future in calls:
            self.check(name, request, future, calls)

    def check(self, name, request, future, calls):
        code = future.code()
        self.counts[code.name] += 1
        if code == grpc.StatusCode.UNIMPLEMENTED:
            self.methods = [other for other in self.methods if other != name]
        if code == grpc.StatusCode.UNAVAILABLE:
            status = self.server.process.poll()
            beside = "\n".join(f"{name} {shown(request)}" for name, request, _ in calls)
            assert status is None, f"the server ended with {status} at (seed {SEED}):\n{beside}"
        assert code not in FAULTS and code != grpc.StatusCode.DEADLINE_EXCEEDED, (
            f"{name} {shown(request)}: {code.name}: {future.details()} (seed {SEED})")


def shown(request):
    return text_format.MessageToString(request, as_one_line=True)[:500]


def test_extreme_numbers_in_every_field(start_server, report):
    server, counts = start_server(), collections.Counter()
    server.flows("extremes").PutDefinition(document=DEFINITION)
    Callers(SECONDS, [Caller(server, number, counts) for number in range(CALLERS)]).run()
    assert server.process.poll() is None
    flows = server.flows()
    assert flows.save("healthy", b"1").version == 1 and flows.state("healthy") == b"1"
    report(f"extreme numbers: {sum(counts.values())} calls, {dict(counts.most_common())}")
