"""Limits of connections, queues and time, lowered and hit."""

import contextlib
import time

import grpc
import pytest

import wire
from errors import refused
from postgresql import Session
from processes import eventually
from wire import SERVICE, Closed, Wire, message

RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.fixture(scope="module")
def strict(limited_server):
    """A server without patience."""
    return limited_server({
        "queued-operations": 4, "batch-operations": 1, "concurrent-streams": 20, "header-list-bytes": 2_000,
        "handshake-timeout-ms": 300, "request-timeout-ms": 1_500, "idle-timeout-ms": 6_000, "keepalive-time-ms": 1_000,
        "keepalive-timeout-ms": 500, "default-deadline-ms": 2_500, "maximum-deadline-ms": 3_500, "connections": 8,
        "buffered-bytes-per-connection": 100_000})


@contextlib.contextmanager
def held(server):
    """While somebody holds the table that saves write."""
    with Session(f"host={server.data}/socket port=5432 user=flowstate dbname=flowstate") as session:
        session.execute("BEGIN; LOCK TABLE flowstate.flow IN ACCESS EXCLUSIVE MODE")
        yield session
        session.execute("ROLLBACK")


def test_queued_operations(strict):
    flows = strict.flows()
    with held(strict):
        calls = [
            flows.stub.SaveState.future(
                flows.message("SaveState", flow_id="f", state=b"%d" % number), metadata=flows.metadata, timeout=20)
            for number in range(15)]
        overloaded = [call for call in calls if call.code() == RESOURCE_EXHAUSTED]
        assert len(overloaded) >= 8
        with refused(RESOURCE_EXHAUSTED, "OVERLOADED") as refusal:
            raise overloaded[0].exception()
        assert "nothing was applied" in refusal.message
    strict.close_channels()
    assert strict.flows().save("f").version == 1


@pytest.mark.parametrize("timeout, least, most", [(None, 2, 6), (60, 3, 8)])
def test_deadlines(strict, timeout, least, most):
    """The one that a call gets when it brings none, and the longest that it may bring."""
    flows = strict.flows()
    with held(strict):
        begun = time.monotonic()
        with refused(DEADLINE_EXCEEDED):
            flows.save("f", timeout=timeout)
        assert least <= time.monotonic() - begun < most
    strict.close_channels()


def test_concurrent_streams(strict):
    with Wire(strict, polite=False) as client:
        client.read_until(lambda: client.settings)
        assert client.settings[3] == 20
        streams = [client.headers(SERVICE + "SaveState") for _ in range(21)]
        assert client.reply(streams[-1]).reset == 7


def test_header_list_bytes(strict):
    with Wire(strict) as client:
        reply = client.call("LoadState", message(b""), extra=[("x", "y" * 2_000)])
        assert reply.status == "431" and client.settings[6] == 2_000


@pytest.mark.parametrize("text", [b"", wire.PREFACE[:20], wire.PREFACE])
def test_handshake_timeout(strict, text):
    with Wire(strict, preface=False) as client:
        client.send(text)
        client.read_to_end(timeout=5)


def test_request_timeout(strict):
    """Headers, perhaps half a message, and then nothing."""
    with Wire(strict) as client:
        streams = [client.headers(SERVICE + "SaveState") for _ in range(2)]
        client.data(streams[1], message(b"x" * 100)[:50], end=False)
        for stream in streams:
            assert client.reply(stream).grpc_status == DEADLINE_EXCEEDED.value[0]


def test_idle_timeout(strict):
    with Wire(strict) as client:
        client.ping()
        begun = time.monotonic()
        assert client.read_to_end(timeout=12).goaway == 0
        assert time.monotonic() - begun > 5


def test_keepalive(strict):
    """A client that has a call open and answers no PING is gone."""
    with Wire(strict, polite=False) as client:
        client.headers("/grpc.health.v1.Health/Watch")
        client.read_to_end(timeout=10)
    with Wire(strict) as client:
        stream = client.headers("/grpc.health.v1.Health/Watch")
        client.data(stream, message(b""))
        begun = time.monotonic()
        client.read_until(lambda: client.pings >= 2)
        assert not client.reply_so_far(stream).ended and time.monotonic() - begun > 1


def test_buffered_bytes_per_connection(strict):
    with Wire(strict) as client:
        streams = [client.headers(SERVICE + "SaveState") for _ in range(15)]
        for stream in streams:
            client.data(stream, message(b"x" * 9_000, length=10_000), end=False)
        assert client.reply(streams[-1]).grpc_status == RESOURCE_EXHAUSTED.value[0]
        client.ping()


def test_connections(strict):
    strict.close_channels()

    def opened():
        """A refused connection may be closed before a word was said on it, or after."""
        client = None
        try:
            client = Wire(strict)
            client.ping()
            return client
        except Closed:
            if client is not None:
                client.socket.close()
            return None

    clients = []
    while len(clients) < 20 and (client := opened()):
        clients.append(client)
    assert 1 <= len(clients) <= 8
    clients.pop().socket.close()
    clients.append(eventually(opened, what="room for another connection"))
    for client in clients:
        client.socket.close()
    eventually(opened).socket.close()
