"""Requests that no honest client sends: each answered with the right code, the server unharmed."""

import random

import grpc
import pytest
from flowstate.v1 import errors_pb2, state_pb2

from errors import invalid, refused
from processes import eventually
from wire import SERVICE, Wire

CODE = {code: code.value[0] for code in grpc.StatusCode}
INVALID_ARGUMENT, RESOURCE_EXHAUSTED = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED
METHODS = [
    "CreateFlow", "SaveState", "LoadState", "ListVersions", "DeleteFlow", "CreateCheckpoint", "ListCheckpoints",
    "RestoreCheckpoint", "DeleteCheckpoint"]


@pytest.fixture(autouse=True)
def unharmed(server):
    """After each test the same process still serves a healthy client."""
    pid = server.process.pid
    yield
    assert server.process.poll() is None and server.process.pid == pid
    flows = server.flows()
    assert flows.save("healthy", b"1").version == 1 and flows.state("healthy") == b"1"


@pytest.fixture
def raw(server):
    """Calls a method with the bytes of a request."""
    channel = server.channel()

    def call(method, request, timeout=20, **options):
        return channel.unary_unary(SERVICE + method)(request, timeout=timeout, **options)

    return call


def field(number, data):
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


@pytest.mark.parametrize("method", [*METHODS, "ListFlows"])
@pytest.mark.parametrize("request_bytes", [
    b"\xff", b"\x0a", b"\x0a\x05ab", b"\x0a\xff\xff\xff\xff\x0f", b"\x0f", b"\x00\x00", b"\x80" * 11 + b"\x01",
    b"\x0b", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"])
def test_malformed_protobuf(raw, method, request_bytes):
    with refused(INVALID_ARGUMENT) as refusal:
        raw(method, request_bytes)
    assert "protobuf" in refusal.message and f"flowstate.v1.{method}Request" in refusal.message


def test_random_bytes(raw):
    """Whatever a decoder makes of them: an answer or a client's error, never a fault of the server."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    generator = random.Random(seed)
    fair = state_pb2.SaveStateRequest(flow_id="f", state=b"{}", labels={"a": "b"}, metadata=b"{}").SerializeToString()
    for number in range(400):
        data = bytearray(generator.randbytes(generator.randrange(40)) if number % 2 else fair)
        for _ in range(generator.randrange(4)):
            data[generator.randrange(len(data) or 1):][:1] = generator.randbytes(generator.randrange(3))
            position = generator.randrange(len(data) + 1)
            data[position:position + 1] = generator.randbytes(generator.randrange(3))
        try:
            raw(generator.choice(METHODS), bytes(data))
        except grpc.RpcError as error:
            assert error.code() not in (
                grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.DATA_LOSS), (bytes(data), error)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("flow_id, words", [
    (b"a\0b", "control character"), (b"\0", "control character"), (b"a\n", "control character"),
    (b"\x7f", "control character"), (b"\xc2\x85", "control character"), (b"\xff", "UTF-8"), (b"a\xc0\x80", "UTF-8"),
    (b"\xed\xa0\x80", "UTF-8"), (b"\xf4\x90\x80\x80", "UTF-8"), (b"\xe4\xb8", "UTF-8"), (b"x" * 256, "255"),
    ("é".encode() * 128, "255")])
def test_ids(raw, method, flow_id, words):
    with refused(INVALID_ARGUMENT) as refusal:
        raw(method, field(1, flow_id) + (field(3, b"{}") if method in ("SaveState", "CreateFlow") else b""))
    assert "flow_id" in refusal.message and words in refusal.message


def test_an_id_of_255_bytes_is_fine(flows):
    for flow_id in ("x" * 255, "é" * 127 + "x", "😀" * 63 + "abc", " ", "../..", "%00", "a/b?c#d"):
        flows.save(flow_id)
        assert flows.load(flow_id).flow.flow_id == flow_id


def test_an_id_is_required(flows):
    for method in METHODS[1:]:
        with invalid() as refusal:
            getattr(flows, method)(**({"state": b"{}"} if method == "SaveState" else {}))
        assert refusal.fields() == ["flow_id"]


def test_names_are_compared_byte_by_byte(flows):
    """Two ways to write é: Unicode calls them equivalent, bytes do not."""
    composed, decomposed = "\u00e9", "e\u0301"
    for number, name in enumerate((composed, decomposed)):
        assert flows.save(name, b"%d" % number, expected_version=0, idempotency_key=name).version == 1
        flows.CreateCheckpoint(flow_id=composed, name=name)
    assert (flows.state(composed), flows.state(decomposed)) == (b"0", b"1")
    assert [each.name for each in flows.ListCheckpoints(flow_id=composed).checkpoints] == [decomposed, composed]
    flows.save("labels", labels={composed: "1", decomposed: "2"})
    assert dict(flows.load("labels").flow.labels) == {composed: "1", decomposed: "2"}
    assert len(flows.ListFlows(filter={"labels": {decomposed: "2"}}).flows) == 1


@pytest.mark.parametrize("name, value", [
    ("phase", "a\0"), ("status", "a\n"), ("flow_type", "x" * 256), ("version_label", "x" * 256),
    ("idempotency_key", "x" * 256), ("idempotency_key", "\x01"), ("labels", {"a\0": "b"}), ("labels", {"a": "\0"}),
    ("labels", {"a": "x" * 257}), ("labels", {"x" * 257: "a"}), ("labels", {str(number): "" for number in range(65)}),
    ("checkpoint", {"name": "x" * 256}), ("checkpoint", {"name": "\0"}), ("checkpoint", {"description": "\0"})])
def test_other_fields(flows, name, value):
    with invalid() as refusal:
        flows.save("f", **{name: value})
    assert refusal.fields()[0].startswith(name.removesuffix("s")) or name == "checkpoint"


@pytest.mark.parametrize("seconds, nanos", [(1 << 62, 0), (-(1 << 62), 0), (0, -1), (0, 1_000_000_000), (253402300800, 0)])
def test_times_that_are_none(flows, seconds, nanos):
    time = {"seconds": seconds, "nanos": nanos}
    with invalid() as refusal:
        flows.load("f", time=time)
    assert refusal.fields() == ["time"]
    for name in ("created_after", "created_before", "updated_after", "updated_before"):
        with invalid() as refusal:
            flows.ListFlows(filter={name: time})
        assert refusal.fields() == [f"filter.{name}"]


def test_huge_numbers(flows):
    flows.save("f")
    most = 1 << 62
    with refused(grpc.StatusCode.NOT_FOUND, "VERSION_NOT_FOUND"):
        flows.load("f", version=most)
    with refused(grpc.StatusCode.ABORTED, "VERSION_CONFLICT"):
        flows.save("f", expected_version=most)
    for beyond in (most + 1, (1 << 63) - 1, -1, -(1 << 63)):
        for field, call in (("version", lambda: flows.load("f", version=beyond)),
                            ("expected_version", lambda: flows.save("f", expected_version=beyond)),
                            ("parent_version", lambda: flows.save("f", parent_version=beyond))):
            with invalid() as refusal:
                call()
            assert refusal.fields() == [field] and str(beyond) in refusal.message
    assert len(flows.ListFlows(page_size=(1 << 31) - 1).flows) == 1


def test_messages_and_states_that_are_too_large(flows):
    with refused(RESOURCE_EXHAUSTED) as refusal:
        flows.save("f", bytes(16 << 20), content_type="application/octet-stream")
    assert "16777216" in refusal.message
    with refused(RESOURCE_EXHAUSTED, "STATE_TOO_LARGE") as refusal:
        flows.save("f", bytes((15 << 20) + 1), content_type="application/octet-stream")
    detail = refusal.detail(errors_pb2.TooLarge)
    assert (detail.limit, detail.size) == (15 << 20, (15 << 20) + 1)
    assert flows.save("f", bytes(15 << 20), content_type="application/octet-stream").version == 1


def test_small_bytes_that_become_large_messages(server):
    """Two bytes each on the wire, and a hundred in memory. While other requests hold much, the server is overloaded."""
    server.close_channels()
    channel = server.channel()
    save = channel.unary_unary(SERVICE + "SaveState")

    def refused_for_good():
        with refused(RESOURCE_EXHAUSTED) as refusal:
            save(field(1, b"f") + field(3, b"{}") + b"\x8a\x01\x00" * 4_000_000, timeout=20)
        assert "memory" in refusal.message or "overloaded" in refusal.message
        return "memory" in refusal.message

    eventually(refused_for_good)


@pytest.mark.parametrize("timeout", [0.001, 0.000001])
def test_deadlines_that_cannot_be_met(server, flows, timeout):
    for number in range(20):
        try:
            flows.save("f", timeout=timeout)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    with Wire(server) as wire:
        stream = wire.headers(SERVICE + "LoadState", grpc_timeout="1m")
        reply = wire.reply(stream)
        assert reply.grpc_status == CODE[grpc.StatusCode.DEADLINE_EXCEEDED]


def test_calls_that_are_cancelled(flows):
    kept = []
    for number in range(200):
        request = flows.message("SaveState", flow_id="f", state=b"%d" % number)
        call = flows.stub.SaveState.future(request, metadata=flows.metadata)
        if number % 3:
            call.cancel()
        else:
            kept.append((number, call))
    saved = {call.result().version: number for number, call in kept}
    numbers = {each.version: int(flows.state("f", version=each.version)) for each in flows.versions("f")}
    assert saved.items() <= numbers.items() and len(set(numbers.values())) == len(numbers)
