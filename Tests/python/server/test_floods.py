"""Floods and slow readers: what they cost the server is bounded."""

import contextlib
import struct

import grpc
import pytest

from flowstate.v1 import state_pb2

import wire
from processes import memory_bytes
from wire import SERVICE, Closed, Wire, message

LOAD = message(state_pb2.LoadStateRequest(flow_id="nobody").SerializeToString())
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]


@pytest.fixture(autouse=True)
def unharmed(server):
    pid, before = server.process.pid, memory_bytes(server.process.pid)
    yield
    assert server.process.poll() is None and server.process.pid == pid
    flows = server.flows()
    assert flows.save("healthy", b"1").version == 1 and flows.state("healthy") == b"1"
    assert memory_bytes(pid) < before + (300 << 20)


def test_a_flood_of_resets_is_stopped(server):
    """CVE-2023-44487: open and reset as fast as the socket takes it."""
    with Wire(server) as client:
        with contextlib.suppress(Closed):
            for _ in range(20_000):
                stream = client.headers(SERVICE + "LoadState")
                client.frame(wire.RST_STREAM, 0, stream, struct.pack(">I", 8))
            raise AssertionError("20,000 resets were taken")
        client.read_to_end()


@pytest.mark.parametrize("frame", [
    (wire.PING, 0, 0, b"12345678"), (wire.SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535))], ids=["ping", "settings"])
def test_a_flood_whose_answers_are_not_read(server, frame):
    """Each frame asks for an answer; the client reads none, so they must not pile up."""
    before = memory_bytes(server.process.pid)
    client = Wire(server)
    client.socket.settimeout(5)
    one = struct.pack(">I", len(frame[3]))[1:] + struct.pack(">BBI", *frame[:3]) + frame[3]
    with contextlib.suppress(Closed, TimeoutError):
        for _ in range(2_000):
            client.send(one * 1_000)
    assert memory_bytes(server.process.pid) < before + (100 << 20)
    client.socket.close()


@pytest.mark.parametrize("frame", [
    (wire.DATA, 0, 1, b""), (wire.DATA, 8, 1, b"\x09" + bytes(9)), (wire.PRIORITY, 0, 1, b"\0\0\0\0\1"),
    (wire.WINDOW_UPDATE, 0, 0, b"\0\0\0\1"), (wire.WINDOW_UPDATE, 0, 1, b"\0\0\0\1"), (99, 0, 0, bytes(1_000))],
    ids=["empty", "padding", "priority", "window", "window of a stream", "unknown"])
def test_a_flood_of_frames_that_carry_nothing(server, frame):
    """Beside an open call: the connection is closed, and told why (ENHANCE_YOUR_CALM)."""
    with Wire(server) as client:
        assert client.headers(SERVICE + "SaveState") == frame[2] or frame[2] == 0
        client.ping()
        one = struct.pack(">I", len(frame[3]))[1:] + struct.pack(">BBI", *frame[:3]) + frame[3]
        with contextlib.suppress(Closed):
            for _ in range(100):
                client.send(one * 1_000)
        assert client.read_to_end().goaway in (None, 11)


def test_calls_that_make_the_server_reset_them(server):
    """MadeYouReset (CVE-2025-8671): a WINDOW_UPDATE of 0 is an error of the stream, which the server must reset."""
    with Wire(server) as client:
        with contextlib.suppress(Closed):
            for _ in range(20_000):
                client.frame(wire.WINDOW_UPDATE, 0, client.headers(SERVICE + "SaveState"), bytes(4))
            raise AssertionError("20,000 streams were reset")
        client.read_to_end()


def test_an_honest_client_is_not_taken_for_a_flood(server, flows):
    """Windows opened frame by frame, a PING with each call, many calls given up."""
    flows.save("f", bytes(200_000), content_type="a/b")
    load = message(flows.message("LoadState", flow_id="f").SerializeToString())
    with Wire(server) as client:
        for _ in range(150):
            assert client.call("LoadState", load, extra=flows.metadata).grpc_status == 0
            client.ping()
        for _ in range(900):
            client.frame(wire.RST_STREAM, 0, client.headers(SERVICE + "LoadState"), struct.pack(">I", 8))
        client.ping()
        assert client.goaway is None


def test_a_header_section_without_an_end(server):
    """CONTINUATION after CONTINUATION (CVE-2024-28182)."""
    with Wire(server) as client:
        client.frame(wire.HEADERS, 0, 1, b"\x83\x86")
        with contextlib.suppress(Closed):
            for _ in range(10_000):
                client.frame(wire.CONTINUATION, 0, 1, b"\x40\x01a\x7f\x80\x01" + b"x" * 255)
            raise AssertionError("10,000 frames were taken")
        client.read_to_end()


def test_a_header_section_that_is_too_large(server):
    with Wire(server) as client:
        client.ping()  # now the server's larger frames are agreed
        reply = client.call("LoadState", LOAD, extra=[(f"x-{number}", "v" * 1_000) for number in range(20)])
        assert reply.grpc_status == RESOURCE_EXHAUSTED and "metadata" in reply.message
        assert client.call("LoadState", LOAD).grpc_status == NOT_FOUND


def test_a_table_bomb(server):
    """A few bytes that expand: one long field, kept in the HPACK table and named again and again."""
    with Wire(server) as client:
        stream = client.headers(SERVICE + "LoadState", extra=[("x", "v" * 4_000)])
        client.data(stream, LOAD)
        assert client.reply(stream).status == "200"
        block = client.encoder.encode([
            (":method", "POST"), (":scheme", "http"), (":path", SERVICE + "LoadState"),
            ("content-type", "application/grpc"), ("x", "v" * 4_000)])
        bomb = client.encoder.encode([("x", "v" * 4_000)])
        assert len(bomb) == 1
        stream, client.next_stream = client.next_stream, client.next_stream + 2
        client.frame(wire.HEADERS, 5, stream, block + bomb * 10_000)
        with contextlib.suppress(Closed):
            reply = client.reply(stream)
            assert reply.reset == 11, "ENHANCE_YOUR_CALM, which clients take for RESOURCE_EXHAUSTED"
            assert client.call("LoadState", LOAD, extra=[("x", "v" * 4_000)]).grpc_status == NOT_FOUND, "HPACK's table is right"


def test_more_streams_than_allowed(server):
    """Before the client has acknowledged the limit it cannot know better: the excess may be sent again."""
    with Wire(server, polite=False) as client:
        client.read_until(lambda: client.settings)
        allowed = client.settings[3]
        streams = [client.headers(SERVICE + "SaveState") for _ in range(allowed + 50)]
        refused = streams[allowed:]
        client.read_until(lambda: all(stream in client.replies for stream in refused))
        assert not set(client.replies) & set(streams[:allowed])
        assert {client.replies[stream].reset for stream in refused} == {7}, "REFUSED_STREAM"
        save = message(state_pb2.SaveStateRequest(flow_id="streams", state=b"{}").SerializeToString())
        client.data(streams[0], save)
        assert client.reply(streams[0]).grpc_status == 0


def test_more_streams_than_agreed(server):
    """Afterwards it is an error of the stream or of the connection (RFC 9113, 5.1.2)."""
    with Wire(server) as client:
        client.ping()
        with contextlib.suppress(Closed):
            streams = [client.headers(SERVICE + "SaveState") for _ in range(client.settings[3] + 50)]
            client.ping()
            assert {client.replies[stream].reset for stream in streams[-50:]} <= {1, 7}
        assert client.goaway in (None, 1)


def test_a_reader_that_reads_nothing(server, flows):
    """Hundreds of large replies asked for, none of them read."""
    flows.save("large", bytes(4 << 20), content_type="application/octet-stream")
    before = memory_bytes(server.process.pid)
    load = message(flows.message("LoadState", flow_id="large").SerializeToString())
    with Wire(server, settings=[(wire.INITIAL_WINDOW_SIZE, 0)], polite=False) as client:
        for _ in range(200):
            stream = client.headers(SERVICE + "LoadState", extra=flows.metadata)
            client.data(stream, load)

        def refused():
            return [reply for reply in client.replies.values() if reply.grpc_status == RESOURCE_EXHAUSTED]

        # Those beyond what is kept for the connection are refused, in trailers that need no window.
        client.read_until(lambda: len(refused()) >= 100, timeout=60)
        assert memory_bytes(server.process.pid) < before + (250 << 20)


def test_a_reader_that_opens_its_window_byte_by_byte(server, flows):
    flows.save("f", b'"%s"' % (b"x" * 50))
    with Wire(server, settings=[(wire.INITIAL_WINDOW_SIZE, 1)]) as client:
        reply = client.call("LoadState", message(flows.message("LoadState", flow_id="f").SerializeToString()), extra=flows.metadata)
        snapshot = state_pb2.LoadStateResponse.FromString(reply.body[5:]).snapshot
        assert snapshot.state == b'"%s"' % (b"x" * 50) and reply.grpc_status == 0


def test_thousands_of_connections_that_come_and_go(server):
    for _ in range(2_000):
        Wire(server).socket.close()
