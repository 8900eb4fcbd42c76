"""What was saved comes back byte for byte."""

import json
import os
import random

import grpc
import pytest
import xxhash
from flowstate.v1 import errors_pb2

from errors import invalid, refused

JSON = [
    b"{}", b"null", b'""', b"0", b" [ 1 , 2 ]\n", b'{"b":1,"a":2,"b":3}', b'"\\u0000"', b'{"\\u0000":"a\\u0000b"}',
    b'"\\ud800"', b'["\\udfff\\ud800", "\\uD83D\\uDE00"]', '"Grüße, 世界 😀"'.encode(), '{"ключ":"значение"}'.encode(),
    b"1e400", b"-0.0", b"123456789012345678901234567890", b'"\\/\\b\\f\\n\\r\\t\\u00e9"', b"[" * 255 + b"1" + b"]" * 255,
    '"\u2028\ufeff\uffff\U0010ffff"'.encode(),
]
BINARY = [b"", b"\0", bytes(range(256)), b"\xff\xfe\x00", b"'; DROP TABLE flow; --\\x00", os.urandom(4096)]
TYPES = [
    "application/octet-stream", "text/plain; charset=utf-8", "application/x-msgpack", "application/vnd.langgraph+msgpack"]


@pytest.mark.parametrize("state", JSON, ids=range(len(JSON)))
def test_json_is_kept_as_it_was_written(flows, state):
    for call in (lambda: flows.CreateFlow(flow_id="f", state=state), lambda: flows.save("f", state)):
        answer = call()
        snapshot = flows.load("f")
        assert snapshot.state == state
        assert snapshot.version.size_bytes == len(state)
        assert snapshot.version.digest == answer.digest == xxhash.xxh3_128(state).digest()


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("state", BINARY, ids=range(len(BINARY)))
def test_bytes_are_opaque_under_other_types(flows, state, content_type):
    flows.save("f", state, content_type=content_type)
    snapshot = flows.load("f")
    assert (snapshot.state, snapshot.version.content_type) == (state, content_type)


def test_eight_mebibytes(flows):
    generator = random.Random(8)
    parts, size = [], 0
    while size < 8 << 20:
        part = json.dumps({
            "id": generator.randrange(1 << 60), "text": "Grüße \0 \ud800 😀" * generator.randrange(20),
            "raw": "世界" * generator.randrange(9)}, ensure_ascii=generator.random() < 0.9)
        parts.append(part.encode(errors="surrogatepass") if part.isascii() else part.replace("\ud800", "").encode())
        size += len(parts[-1]) + 1
    state = b"[" + b",".join(parts) + b"]"
    flows.save("text", state)
    assert flows.state("text") == state
    noise = generator.randbytes(8 << 20)
    flows.save("noise", noise, content_type="application/octet-stream")
    assert flows.state("noise") == noise


def test_large_states_change_a_little_many_times(flows):
    """Where versions may be stored as differences, every one of them must come back whole."""
    state, states = bytearray(random.Random(1).randbytes(200_000)), []
    for number in range(20):
        state[number * 997 % len(state)] ^= 0xFF
        state += b"turn %d" % number
        states.append(bytes(state))
        flows.save("f", states[-1], content_type="application/octet-stream", expected_version=number)
    flows.RestoreCheckpoint(
        flow_id="f", checkpoint=flows.CreateCheckpoint(flow_id="f", version=3).checkpoint.id)
    assert [flows.state("f", version=number + 1) for number in range(20)] == states
    assert flows.state("f") == states[2]


@pytest.mark.parametrize("state", [
    b"", b" ", b"{", b'{"a":}', b"{'a':1}", b"[1,]", b"NaN", b"Infinity", b"01", b"1 2", b"{} {}", b'"\n"', b'"\x00"', b"\xff",
    b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\\x"', b'"\\u12"', b"\xef\xbb\xbf{}", b"tru", b"[1] garbage", b"//\n1", b"-",
    b"1.", b".5", b"+1", b'"open'])
def test_what_is_not_json_is_refused(flows, state):
    for content_type in ("", "application/json", "application/json; charset=utf-8", "Application/JSON"):
        with invalid("STATE_INVALID") as refusal:
            flows.save("f", state, content_type=content_type)
        violation, = refusal.detail(errors_pb2.StateInvalid).violations
        assert (violation.path, violation.rule) == ("", "syntax") and violation.message
    with refused(grpc.StatusCode.NOT_FOUND, "FLOW_NOT_FOUND"):
        flows.load("f")


@pytest.mark.parametrize("opening, closing", [(b"[", b"]"), (b'{"a":', b"}")])
@pytest.mark.parametrize("depth", [257, 10_000, 1_000_000])
def test_nesting_is_bounded(flows, opening, closing, depth):
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", opening * depth + b"1" + closing * depth)
    assert "256" in refusal.message


def test_metadata_is_json_as_it_was_written(flows):
    metadata = b' {"b" : "\\u0000", "a":1}'
    flows.save("f", metadata=metadata)
    assert flows.load("f").version.metadata == metadata
    with invalid() as refusal:
        flows.save("f", metadata=b"{")
    assert refusal.fields() == ["metadata"]


@pytest.mark.parametrize("content_type", ["json", "a/b/c", "text/ plain", "a\n/b", "/", "text/plain; =", "é/b"])
def test_content_types_are_media_types(flows, content_type):
    with invalid() as refusal:
        flows.save("f", content_type=content_type)
    assert refusal.fields() == ["content_type"]
