"""Connections that no honest client makes: frames, floods and silence; the server unharmed."""

import contextlib
import http.client
import random
import socket
import struct

import grpc
import pytest

from flowstate.v1 import state_pb2

import wire
from errors import invalid
from processes import memory_bytes
from wire import SERVICE, Closed, Wire, message

UNIMPLEMENTED, INTERNAL, INVALID_ARGUMENT = (
    code.value[0] for code in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT))
NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]
LOAD = message(state_pb2.LoadStateRequest(flow_id="nobody").SerializeToString())


@pytest.fixture(autouse=True)
def unharmed(server):
    """After each test the same process still serves a healthy client, and has not grown."""
    pid, before = server.process.pid, memory_bytes(server.process.pid)
    yield
    assert server.process.poll() is None and server.process.pid == pid
    flows = server.flows()
    assert flows.save("healthy", b"1").version == 1 and flows.state("healthy") == b"1"
    assert memory_bytes(pid) < before + (300 << 20)


# gRPC over HTTP/2


def test_a_call_frame_by_frame(server):
    """The tests' own client can do it right, so what follows fails for its own reason."""
    with Wire(server) as client:
        assert client.call("LoadState", LOAD).grpc_status == NOT_FOUND
        stream = client.headers(SERVICE + "LoadState")
        for position in range(len(LOAD)):
            client.data(stream, LOAD[position:position + 1], end=position + 1 == len(LOAD))
        assert client.reply(stream).grpc_status == NOT_FOUND


@pytest.mark.parametrize("payload, code, words", [
    (b"", UNIMPLEMENTED, "none came"), (b"\0", INTERNAL, "ended"), (LOAD[:-1], INTERNAL, "ended"),
    (message(b"ab", length=100), INTERNAL, "ended"), (LOAD + LOAD, UNIMPLEMENTED, "second"),
    (LOAD + b"garbage", None, ""), (LOAD + b"\0", None, ""), (message(b"", flag=1), INTERNAL, "compressed"),
    (message(b"", flag=7), INTERNAL, "flag"), (message(b"x", length=1 << 31), None, "limit"),
    (message(b"x", length=(1 << 32) - 1), None, "limit")])
def test_frames_of_messages(server, payload, code, words):
    with Wire(server) as client:
        reply = client.call("LoadState", payload)
        assert reply.status == "200" and reply.grpc_status not in (None, 0, NOT_FOUND)
        if code is not None:
            assert reply.grpc_status == code
        assert words in reply.message
        assert client.call("LoadState", LOAD).grpc_status == NOT_FOUND, "the connection goes on"


@pytest.mark.parametrize("changes, status", [
    ({"_method": "GET"}, "405"), ({"_method": "PUT"}, "405"), ({"content_type": "application/json"}, "415"),
    ({"content_type": None}, "415"), ({"content_type": "application/grpcx"}, "415"),
    ({"content_type": "application/grpc-web"}, "415"), ({"content_type": "text/html"}, "415")])
def test_what_is_not_grpc(server, changes, status):
    with Wire(server) as client:
        reply = client.call("LoadState", LOAD, **changes)
        assert reply.status == status and reply.grpc_status is None
        assert reply.headers["content-type"].startswith("text/plain") and reply.body
        assert client.call("LoadState", LOAD).grpc_status == NOT_FOUND


@pytest.mark.parametrize("changes, code", [
    ({"grpc_timeout": "soon"}, INVALID_ARGUMENT), ({"grpc_timeout": "123456789S"}, INVALID_ARGUMENT),
    ({"grpc_timeout": "-1S"}, INVALID_ARGUMENT), ({"_path": "/no.such.Service/Call"}, UNIMPLEMENTED),
    ({"_path": SERVICE + "NoSuchMethod"}, UNIMPLEMENTED), ({"_path": "/"}, UNIMPLEMENTED),
    ({"_path": SERVICE + "LoadState/"}, UNIMPLEMENTED), ({"_path": SERVICE.lower() + "LoadState"}, UNIMPLEMENTED)])
def test_what_is_not_served(server, changes, code):
    with Wire(server) as client:
        reply = client.call("LoadState", LOAD, **changes)
        assert (reply.status, reply.grpc_status) == ("200", code) and reply.message
        assert client.call("LoadState", LOAD).grpc_status == NOT_FOUND


@pytest.mark.parametrize("encoding", ["gzip", "snappy", "identity", None])
def test_a_message_that_is_not_compressed_is_taken_whatever_the_encoding(server, encoding):
    with Wire(server) as client:
        assert client.call("LoadState", LOAD, grpc_encoding=encoding).grpc_status == NOT_FOUND


@pytest.mark.parametrize("name", ["flowstate-tenant", "flowstate-actor"])
@pytest.mark.parametrize("value", [b"x" * 256, b"\xff", b"a\x7f", b"\xc2\x85"])
def test_callers_with_bad_names(server, name, value):
    with Wire(server) as client:
        save = message(state_pb2.SaveStateRequest(flow_id="f", state=b"{}").SerializeToString())
        try:
            reply = client.call("SaveState", save, extra=[(name.encode(), value)])
        except Closed:
            raise AssertionError("one bad field ends no connection") from None
        # RFC 9113 §8.2.1: a field with forbidden characters makes the request malformed, a stream error.
        assert reply.grpc_status == INVALID_ARGUMENT or reply.reset == 1


@pytest.mark.parametrize("name", ["flowstate-tenant", "flowstate-actor"])
def test_a_caller_with_two_names_is_refused(server, name):
    """A proxy that appends a field must not be overruled by the client, nor the other way round."""
    with grpc.insecure_channel(server.endpoint) as channel:
        flows = server.flows(channel=channel)
        flows.metadata = [(name, "mine"), (name, "theirs")]
        with invalid() as refusal:
            flows.save("f", b"{}")
        assert name in refusal.message
        flows.metadata = [(name, "mine"), (name, "mine")]
        flows.save("two-names", b"{}")


# HTTP/2


@pytest.mark.parametrize("text", [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST /x HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-OpenSSH_9.6\r\n", random.Random(1).randbytes(64), b"\0" * 1000, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"])
def test_bytes_that_are_not_http2(server, text):
    with Wire(server, preface=False) as client:
        client.send(text)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := client.socket.recv(4096):
                received += part
    assert b"505" in received and b"HTTP/2" in received


def test_an_http1_client_is_told(server):
    connection = http.client.HTTPConnection(*server.host_port, timeout=10)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.status == 505 and b"gRPC" in response.read()


@pytest.mark.parametrize("frame", [
    (wire.DATA, 0, 0, b"x"), (wire.DATA, 0, 1, b"x"), (wire.HEADERS, 4, 0, b"\x82"), (wire.HEADERS, 4, 2, b"\x82"),
    (wire.HEADERS, 4, 1, b"\xff" * 40), (wire.CONTINUATION, 4, 1, b"\x82"), (wire.SETTINGS, 0, 0, b"x"),
    (wire.SETTINGS, 0, 1, b""), (wire.PING, 0, 0, b"short"), (wire.RST_STREAM, 0, 1, b"\0\0\0\0"),
    (wire.WINDOW_UPDATE, 0, 0, b"\0\0\0\0"), (wire.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"),
    (wire.SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 31)), (5, 4, 1, b"\0\0\0\2")])
def test_frames_that_break_the_protocol(server, frame):
    with Wire(server) as client:
        with contextlib.suppress(Closed):
            client.frame(*frame)
        client.read_to_end()
        assert client.goaway not in (None, 0)


def test_a_frame_that_is_too_large(server):
    """Its head is enough. (Sent whole, the reset for what is left unread could overtake the GOAWAY.)"""
    with Wire(server) as client:
        client.send(struct.pack(">I", 70_000)[1:] + struct.pack(">BBI", wire.DATA, 0, 1))
        assert client.read_to_end().goaway == 6, "FRAME_SIZE_ERROR"


def test_random_frames(server):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    generator = random.Random(seed)
    for _ in range(60):
        with Wire(server) as client, contextlib.suppress(Closed):
            for _ in range(20):
                client.frame(
                    generator.randrange(11), generator.randrange(256), generator.choice([0, 1, 3, 5, 2**31 - 1]),
                    generator.randbytes(generator.randrange(60)))
            client.ping()


def test_half_a_connection(server):
    """Cut at every kind of place."""
    with Wire(server) as client:
        stream = client.headers(SERVICE + "SaveState")
        client.data(stream, message(b"x" * 100)[:50], end=False)
        client.ping()
    with Wire(server, preface=False) as client:
        client.send(wire.PREFACE[:10])
    with Wire(server) as client:
        client.headers(SERVICE + "SaveState")
        client.socket.shutdown(socket.SHUT_WR)
        client.read_to_end()
    with Wire(server) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.headers(SERVICE + "LoadState")
    Wire(server).socket.close()
