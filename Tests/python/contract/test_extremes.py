"""Numbers that no client means, in every field of every method: refused or taken, never a fault of the server, never its death.

`FLOWSTATE_LONG_SECONDS` makes the random part run for as long; without it, it is short.
"""

import importlib
import os
import random
import time

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

from service_methods import BUILT, MODULES

INT32, INT64 = (-1, 0, 1, 2**31 - 1, -2**31), (-1, 0, 1, 2**31 - 1, 2**32, 2**62, 2**62 + 1, 2**63 - 2, 2**63 - 1, -2**62, -2**63)
DOUBLE = (float("nan"), float("inf"), float("-inf"), 1.8e308, -1.8e308, 5e-324, -0.0, 100.00000000000001)
VALUES = {
    FieldDescriptor.TYPE_INT32: INT32, FieldDescriptor.TYPE_SINT32: INT32, FieldDescriptor.TYPE_ENUM: INT32,
    FieldDescriptor.TYPE_INT64: INT64, FieldDescriptor.TYPE_DOUBLE: DOUBLE}
# What a server may answer to such a request.
ANSWERS = {
    grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.ABORTED, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNIMPLEMENTED}
# Without these a request does not get as far as its numbers.
NEEDED = {
    "CreateFlow": {"flow_id": ""}, "SaveState": {"state": b"{}"}, "DiffVersions": {"from_version": 1}, "CreateCheckpoint": {},
    "RestoreCheckpoint": {"checkpoint": "c"}, "DeleteCheckpoint": {"checkpoint": "none"}, "TransitionPhase": {"phase": "b"},
    "ReportError": {"message": "m"}, "GetDefinition": {"flow_type": "open"}, "PutDefinition": {"document": b'{"flow_type": "t"}'}}


def methods():
    for module in MODULES:
        for service in importlib.import_module(f"flowstate.v1.{module}_pb2").DESCRIPTOR.services_by_name.values():
            yield from (method for method in service.methods if method.name in BUILT)


def numbers(message, path=()):
    """The path of every field of a request that holds a number, in messages within it too."""
    for field in message.fields:
        if field.message_type is None:
            if field.type in VALUES:
                yield path + (field,)
        elif not field.message_type.GetOptions().map_entry and len(path) < 4:
            yield from numbers(field.message_type, path + (field,))


def set_number(request, path, value):
    for field in path[:-1]:
        request = getattr(request, field.name)
        if field.is_repeated:
            request = request.add()
        else:
            request.SetInParent()
    if path[-1].is_repeated:
        getattr(request, path[-1].name).append(value)
    else:
        setattr(request, path[-1].name, value)


def base(flows, method):
    request = flows.message(method.name)
    if method.name == "UploadState":
        request.header.save.flow_id = "f"
    if method.name == "DownloadState":
        request.load.flow_id = "f"
    fields = {**({"flow_id": "f"} if "flow_id" in method.input_type.fields_by_name else {}), **NEEDED.get(method.name, {})}
    for name, value in fields.items():
        setattr(request, name, flows.tenant if value is None else value)
    return request


@pytest.fixture(scope="module")
def server(limited_server):
    """One of its own: the tests that share one must not end with it."""
    return limited_server({})


@pytest.fixture
def flows(server):
    flows = server.flows()
    flows.save("f", b'{"a": 1}', checkpoint={"name": "c"})
    return flows


def stub(flows, method):
    return getattr(flows.stubs[method.containing_service.name], method.name)


@pytest.mark.parametrize("method", list(methods()), ids=lambda method: method.name)
def test_each_number(server, flows, method):
    wrong = []
    for path in numbers(method.input_type):
        for value in VALUES[path[-1].type]:
            request = base(flows, method)
            set_number(request, path, value)
            try:
                answer = stub(flows, method)(iter([request]) if method.client_streaming else request, metadata=flows.metadata, timeout=30)
                if method.name == "DownloadState":
                    list(answer)
            except grpc.RpcError as error:
                # An announced size may be more than is allowed.
                if error.code() not in ANSWERS and (error.code(), path[-1].name) != (grpc.StatusCode.RESOURCE_EXHAUSTED, "size_bytes"):
                    wrong.append((".".join(field.name for field in path), value, error.code(), error.details()))
    assert not wrong
    # Its first version stays, whatever was done to it.
    assert flows.state("f", version=1) == b'{"a": 1}' and server.process.poll() is None


def test_every_method_with_a_number_is_tried():
    tried = {method.name for method in methods() if list(numbers(method.input_type))}
    assert {"SaveState", "LoadState", "ListFlows", "GetStatistics", "Cleanup", "SetStatus", "MoveFlow", "DiffVersions"} <= tried


def test_pairs_within_one_batch(server, flows):
    """Calls for one flow that come at the same time share a batch: what one of them says must not harm the others."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    changing = [method for method in methods() if method.name in {
        "SaveState", "SetStatus", "TransitionPhase", "CompletePhase", "ReportError", "CreateCheckpoint", "RestoreCheckpoint", "MoveFlow",
        "DiffVersions", "LoadState", "RecoverFlow"}]
    paths = {method.name: list(numbers(method.input_type)) for method in changing}
    deadline = time.monotonic() + float(os.environ.get("FLOWSTATE_LONG_SECONDS", "3"))
    rounds, wrong = 0, []
    while time.monotonic() < deadline:
        rounds += 1
        # The pairs that once ended the server first.
        favourites = rounds % 3 == 1
        calls = []
        for _ in range(rng.randrange(2, 9)):
            method = next(method for method in changing if method.name == "SaveState") if favourites else rng.choice(changing)
            request = base(flows, method)
            if favourites:
                request.expected_version = rng.choice([2**63 - 1, 2**63 - 2, 2**62, 2**62 - 1])
            else:
                for path in rng.sample(paths[method.name], min(len(paths[method.name]), rng.randrange(0, 3))):
                    set_number(request, path, rng.choice(VALUES[path[-1].type]))
            calls.append((method.name, stub(flows, method).future(request, metadata=flows.metadata, timeout=30)))
        for name, call in calls:
            code = call.code()
            if code not in ANSWERS | {grpc.StatusCode.RESOURCE_EXHAUSTED}:
                wrong.append((name, code, call.details()))
        assert not wrong, (seed, rounds)
    assert rounds > 3
    assert flows.state("f", version=1) == b'{"a": 1}' and server.process.poll() is None
