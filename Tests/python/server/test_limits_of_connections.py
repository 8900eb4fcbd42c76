"""Limits of connections, queues and time, lowered and hit."""

import base64
import contextlib
import json
import os
import pathlib
import resource
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from flowstate.v1 import errors_pb2
from google.rpc import error_details_pb2, status_pb2

import wire
from errors import refused
from postgresql import Session
from processes import eventually, memory_bytes
from wire import SERVICE, Closed, Wire, message

REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#: Reflection's list_services.
LIST = message(b"\x3a\x01*")
RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED = grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.fixture(scope="module")
def strict(limited_server):
    """A server without patience."""
    return limited_server({
        "queued-operations": 4, "batch-operations": 1, "concurrent-streams": 20, "header-list-bytes": 2_000,
        "handshake-timeout-ms": 300, "request-timeout-ms": 1_500, "idle-timeout-ms": 6_000, "keepalive-time-ms": 1_000,
        "keepalive-timeout-ms": 500, "default-deadline-ms": 2_500, "maximum-deadline-ms": 3_500, "connections": 8,
        "buffered-bytes-per-connection": 100_000, "reader-timeout-ms": 1_000, "control-frames-per-second": 100,
        "pings-per-minute": 20,
        # What holds a lock here is not to be noticed before the calls' own deadlines.
        "lock-timeout-ms": 60_000, "lock-wait-ms": 60_000})


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
        assert reply.grpc_status == RESOURCE_EXHAUSTED.value[0] and client.settings[6] == 2_000
        # With the reason and the limit, as every error.
        encoded = {**reply.headers, **reply.trailers}["grpc-status-details-bin"]
        status = status_pb2.Status.FromString(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
        assert any(detail.Is(errors_pb2.TooLarge.DESCRIPTOR) for detail in status.details) and "2000 bytes" in reply.message
        reply = client.call("LoadState", message(b""), content_type="text/html", extra=[("x", "y" * 2_000)])
        assert reply.status == "431"
        reply = client.call("LoadState", message(b""), extra=[("x", "y" * 1_600)])
        assert reply.grpc_status not in (None, RESOURCE_EXHAUSTED.value[0])


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


def test_a_stream_whose_first_message_does_not_come(strict):
    with Wire(strict) as client:
        stream = client.headers(REFLECTION)
        assert client.reply(stream).grpc_status == DEADLINE_EXCEEDED.value[0]


def test_a_stream_whose_client_neither_sends_nor_reads(strict):
    """Its connection lives: it answers PINGs, and another stream on it goes on."""
    with Wire(strict) as client:
        stream, other = client.headers(REFLECTION), client.headers(REFLECTION)
        client.data(stream, LIST, end=False)
        begun = time.monotonic()
        while not client.reply_so_far(stream).ended:
            client.data(other, LIST, end=False)
            client.ping()
            assert time.monotonic() - begun < 15
            time.sleep(0.2)
        assert client.replies[stream].grpc_status == DEADLINE_EXCEEDED.value[0] and time.monotonic() - begun > 5
        assert not client.replies[other].ended


def test_a_header_section_that_comes_octet_by_octet(strict):
    """Each octet is a sign of life, and the section must end all the same (slowloris)."""
    with Wire(strict) as client:
        stream = client.headers("/grpc.health.v1.Health/Watch")
        client.data(stream, message(b""))
        client.send(b"\0\0\x40\1\5\0\0\0\3")
        begun = time.monotonic()
        with contextlib.suppress(Closed):
            for octet in b"\x83" * 60:
                client.send(bytes([octet]))
                time.sleep(0.1)
            raise AssertionError("the section took 6 s")
        assert time.monotonic() - begun < 4


def test_reader_timeout(strict):
    """An answer that is not read, whatever else the client sends: PING, and a window of one octet now and then."""
    strict.flows("readers").save("f", bytes(50_000), content_type="a/b")
    load = message(strict.flows().message("LoadState", flow_id="f").SerializeToString())
    with Wire(strict, settings=[(wire.INITIAL_WINDOW_SIZE, 0)], polite=False) as client:
        client.frame(wire.SETTINGS, wire.ACK, 0)
        unread = client.headers(SERVICE + "LoadState", extra=[("flowstate-tenant", "readers")], grpc_timeout="3S")
        streams = [unread, client.headers(REFLECTION)]
        client.data(unread, load)
        client.data(streams[1], LIST, end=False)
        begun = time.monotonic()
        while any(client.reply_so_far(stream).reset is None for stream in streams):
            for stream in streams:
                client.frame(wire.WINDOW_UPDATE, 0, stream, b"\0\0\0\1")
            client.ping()
            assert time.monotonic() - begun < 8
            time.sleep(0.1)
        assert time.monotonic() - begun > 0.9
        assert client.replies[unread].reset == client.replies[streams[1]].reset == 11, "ENHANCE_YOUR_CALM"
        client.ping()


def test_a_connection_that_takes_nothing(strict):
    """Windows are open, and the socket is not read."""
    flows = strict.flows("readers")
    flows.save("f", bytes(50_000), content_type="a/b")
    load = message(flows.message("LoadState", flow_id="f").SerializeToString())
    client = Wire(strict, settings=[(wire.INITIAL_WINDOW_SIZE, 1 << 30)], polite=False, receive_bytes=4_096)
    with client:
        client.frame(wire.SETTINGS, wire.ACK, 0)
        client.frame(wire.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30))
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 20:
                client.data(client.headers(SERVICE + "LoadState", extra=flows.metadata), load)
                time.sleep(0.02)
        except (Closed, OSError):
            return
        raise AssertionError("nothing was read for 20 s, and the connection is open")


def test_control_frames_per_second(strict):
    with Wire(strict) as client:
        for _ in range(900):
            client.frame(wire.SETTINGS, 0, 0)
        client.ping()
        with contextlib.suppress(Closed):
            for _ in range(900):
                client.frame(wire.SETTINGS, 0, 0)
        assert client.read_to_end().goaway in (None, 11)


def test_pings_per_minute(strict):
    """Ten times as many at once; every answer starts the count anew."""
    load = message(strict.flows().message("LoadState", flow_id="f").SerializeToString())
    with Wire(strict) as client:
        for _ in range(2):
            for _ in range(190):
                client.frame(wire.PING, 0, 0, b"12345678")
            client.ping()
            assert client.call("LoadState", load).grpc_status is not None
        for _ in range(220):
            client.frame(wire.PING, 0, 0, b"12345678")
        client.read_to_end()
        assert client.goaway == 11 and client.goaway_reason == b"too_many_pings"


@pytest.mark.parametrize("talk", [lambda client: None, lambda client: client.ping()], ids=["silent", "pings"])
def test_idle_timeout(strict, talk):
    """A connection without calls is closed, whatever else it says."""
    with Wire(strict) as client:
        client.ping()
        begun = time.monotonic()
        with contextlib.suppress(Closed):
            while time.monotonic() - begun < 10:
                talk(client)
                client.socket.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    client.read_frame()
        client.socket.settimeout(10)
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


def test_connections_per_peer(start_server):
    server = start_server(limits={"connections-per-peer": 2})
    with Wire(server) as first, Wire(server) as second:
        first.ping()
        second.ping()
        # It may be closed before it has said anything.
        with contextlib.suppress(Closed), Wire(server) as third:
            with contextlib.suppress(Closed):
                third.ping()
            assert third.read_to_end().goaway in (None, 11)
        first.ping()
    def opened():
        with contextlib.suppress(Closed), Wire(server) as client:
            client.ping()
            return True
    eventually(opened, what="a place for another connection")
    server.stop()


@pytest.fixture(scope="module")
def few_resets(limited_server):
    """Closes no idle connection while a test waits."""
    return limited_server({"stream-resets-per-second": 3})


@pytest.mark.parametrize("resets, is_closed", [(29, False), (30, False), (40, True)])
def test_stream_resets(few_resets, resets, is_closed):
    """Ten times three at once; while they are sent, a second adds three at most."""
    with Wire(few_resets) as client:
        with contextlib.suppress(Closed):
            for _ in range(resets):
                client.frame(wire.RST_STREAM, 0, client.headers(SERVICE + "SaveState", end=False), struct.pack(">I", 8))
        if is_closed:
            client.read_to_end()
        else:
            client.ping()
            assert client.goaway is None


def test_connection_age(start_server):
    """An old connection takes no new calls; stock clients open another one and notice nothing."""
    server = start_server(limits={"connection-age-ms": 1_500, "connection-age-grace-ms": 1_000})
    with Wire(server) as client:
        client.headers("/grpc.health.v1.Health/Watch")
        begun = time.monotonic()
        client.read_until(lambda: client.goaway is not None)
        assert client.goaway == 0 and time.monotonic() - begun > 1.2
        client.read_to_end(timeout=10)
    flows, begun = server.flows(), time.monotonic()
    while time.monotonic() - begun < 4:
        flows.save("f")
    server.stop()


def test_what_never_fits_into_memory_is_not_to_be_tried_again(start_server):
    flows = start_server(limits={"memory-bytes": 16 << 20}).flows("t")
    flows.save("f", b"[%s]" % b",".join([b"1"] * 500_000))
    flows.save("f", b"[%s]" % b",".join([b"2"] * 500_000))
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "STATE_TOO_LARGE") as refusal:
        flows.DiffVersions(flow_id="f", from_version=1, to_version=2)
    assert "the memory that this would take" in refusal.message and not any(
        detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for detail in refusal.details)


def test_a_change_that_was_carried_out_is_not_answered_overloaded(start_server):
    """Definitions come back in the answer, which needs memory that other calls take as soon as they can."""
    server = start_server(limits={"memory-bytes": 24 << 20})
    text = "x" * 600_000

    def put(number):
        caller, refusals = server.flows("t"), []
        for round in range(6):
            flow_type = f"type-{number}-{round}"
            document = json.dumps({"flow_type": flow_type, "schema": {"description": text}}).encode()
            try:
                caller.PutDefinition(document=document)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                refusals.append(flow_type)
        return refusals

    with ThreadPoolExecutor(16) as pool:
        refused_types = [flow_type for refusals in pool.map(put, range(16)) for flow_type in refusals]
    assert 0 < len(refused_types) < 96, "memory was enough for all, or for none: the test shows nothing"
    flows = server.flows("t")
    for flow_type in refused_types:
        with refused(grpc.StatusCode.NOT_FOUND):
            flows.GetDefinition(flow_type=flow_type)


def test_messages_of_very_many_parts_are_decoded_when_there_is_memory_for_them(start_server):
    """Which may be dozens of times their bytes; an ordinary message of the same size needs no more than that."""
    server = start_server(limits={"memory-bytes": 32 << 20})
    flows = server.flows("t")
    flows.save("f", bytes(3 << 20), content_type="a/b")
    ordinary = flows.message("SaveState", flow_id="f").SerializeToString()
    with Wire(server) as client:
        reply = client.call("SaveState", message(ordinary + b"\x8a\x01\x00" * 1_000_000), extra=flows.metadata)
        assert reply.grpc_status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0] and "the memory that this would take" in reply.message


def test_memory_bytes(start_server):
    """Each way to make the server hold something, by many connections at once: it stays below the bound and tells the newest."""
    server = start_server(limits={"memory-bytes": 32 << 20})
    flows = server.flows()
    flows.save("f", bytes(3 << 20), content_type="a/b")
    load = message(flows.message("LoadState", flow_id="f").SerializeToString())
    half = message(bytes(3 << 20), length=4 << 20)
    small = flows.message("LoadState", flow_id="none").SerializeToString()
    before = memory_bytes(server.process.pid)

    def unread(client):
        client.data(client.headers(SERVICE + "LoadState", extra=flows.metadata), load)

    def half_sent(client):
        stream = client.headers(SERVICE + "SaveState")
        for start in range(0, len(half), 1 << 19):
            client.data(stream, half[start:start + (1 << 19)], end=False)
            client.ping()

    def metadata(client):
        for number in range(20):
            client.headers(SERVICE + "SaveState", extra=[(f"x-{client.next_stream}", "v" * 12_000)])
        client.ping()

    for attack in (unread, half_sent, metadata):
        clients = [Wire(server, settings=[(wire.INITIAL_WINDOW_SIZE, 0)], polite=False) for _ in range(20)]
        try:
            for _ in range(10):
                for client in clients:
                    with contextlib.suppress(Closed):
                        attack(client)

            def refused_calls():
                for client in clients:
                    with contextlib.suppress(Closed):
                        client.ping()
                return [reply for client in clients for reply in client.replies.values() if reply.grpc_status == 8]

            assert eventually(refused_calls, what=f"OVERLOADED in {attack.__name__}")
            assert memory_bytes(server.process.pid) < before + (100 << 20), attack.__name__
            with Wire(server) as honest:
                reply = honest.call("LoadState", message(small), extra=flows.metadata)
                assert reply.grpc_status == grpc.StatusCode.NOT_FOUND.value[0], reply.message
        finally:
            for client in clients:
                client.socket.close()
        eventually(lambda: has_room(flows), what="room again")
    server.stop()


def test_connections_without_calls_keep_next_to_nothing(start_server):
    """A connection in use reserves 64 KiB and more; there is room for many that have been in use."""
    server = start_server(limits={"memory-bytes": 8 << 20})
    load = message(server.flows().message("LoadState", flow_id="none").SerializeToString())
    clients = []

    def answered():
        try:
            client = Wire(server)
            clients.append(client)
            return client.call("LoadState", load).grpc_status == grpc.StatusCode.NOT_FOUND.value[0]
        except Closed:
            return False

    try:
        for _ in range(90):
            eventually(answered, what="room for another connection")
    finally:
        for client in clients:
            client.socket.close()


def has_room(flows):
    """Connections that were closed let go of what they held in slices."""
    try:
        return flows.state("f") == bytes(3 << 20)
    except grpc.RpcError as refusal:
        assert refusal.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        return False


def test_descriptors(start_server):
    """The soft limit is raised to the hard one. Where that is too low, connections wait for a place, and the log says so once."""
    server = start_server(descriptors=150)
    clients = []
    try:
        for _ in range(200):
            with contextlib.suppress(Closed):
                clients.append(Wire(server))
        clients[0].ping()
        assert "ulimit -n" in server.log_tail()
        eventually(lambda: "connections are refused" in server.log_tail(), what="a line about refused connections")
    finally:
        for client in clients:
            client.socket.close()
    flows = server.flows()
    assert eventually(lambda: flows.save("f").version > 0, what="a place")
    server.stop()


def test_descriptors_run_out(start_server):
    """Old connections go on, the log says it once, nothing spins, and those that waited are served when there is a place."""
    server = start_server()
    pid = server.process.pid
    with Wire(server) as old:
        old.ping()
        soft = len(os.listdir(f"/proc/{pid}/fd"))
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        waiting = Wire(server)
        eventually(lambda: "could not be accepted" in server.log_tail(), what="a line in the log")
        before = cpu_seconds(pid)
        for _ in range(10):
            old.ping()
            time.sleep(0.1)
        assert cpu_seconds(pid) - before < 0.5
        assert server.log_tail().count("could not be accepted") == 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        waiting.ping()
        waiting.socket.close()
    server.stop()


def cpu_seconds(pid):
    """Processor time of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_shutdown_ends_streams_that_only_wait(start_server):
    """Reflection and health: SIGTERM does not wait for them."""
    server = start_server(arguments=["--grace", "60"])
    with Wire(server) as client, Wire(server, settings=[(wire.INITIAL_WINDOW_SIZE, 0)]) as unread:
        stream = client.headers(REFLECTION)
        client.data(stream, LIST, end=False)
        client.read_until(lambda: client.reply_so_far(stream).body)
        for _ in range(20):
            unread.data(unread.headers(REFLECTION), LIST, end=False)
        unread.ping()
        begun = time.monotonic()
        server.terminate()
        assert client.reply(stream).grpc_status == grpc.StatusCode.UNAVAILABLE.value[0]
        client.read_to_end()
        unread.read_to_end()
    assert server.wait() == 0 and time.monotonic() - begun < 20
