"""How servers start and stop: drained calls, data directories in use, databases that come and go."""

import signal
import socket

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from counters import Counters, run_all
from errors import refused
from flowstate_server import Server
from postgresql import Session
from processes import eventually
from wire import Wire, message

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def accepts_connections(server):
    try:
        socket.create_connection(server.host_port, timeout=1).close()
        return True
    except ConnectionRefusedError:
        return False


@pytest.fixture
def held(start_server):
    """A server whose saves all wait: somebody holds the table that they write."""
    server = start_server(arguments=["--grace", "20"])
    with Session(f"host={server.data}/socket port=5432 user=flowstate dbname=flowstate") as session:
        session.execute("BEGIN")
        session.execute("LOCK TABLE flowstate.flow IN ACCESS EXCLUSIVE MODE")
        yield server, session


def test_sigterm_lets_calls_in_flight_finish(held):
    server, session = held
    flows = server.flows()
    request = [flows.message("CreateFlow", flow_id=f"f{number}", state=b"{}") for number in range(50)]
    calls = [flows.stub.CreateFlow.future(message, metadata=flows.metadata, timeout=60) for message in request]
    session.wait_for_blocked()
    server.terminate()
    eventually(lambda: not accepts_connections(server), what="the end of listening")
    assert not any(call.done() for call in calls)
    session.execute("ROLLBACK")
    assert {call.result().version for call in calls} == {1}
    assert server.wait() == 0
    server.start()
    again = server.flows(flows.tenant)
    assert all(again.load(message.flow_id).version.version == 1 for message in request)


def test_sigterm_does_not_wait_for_ever(start_server):
    server = start_server(arguments=["--grace", "1"])
    flows = server.flows()
    with Session(f"host={server.data}/socket port=5432 user=flowstate dbname=flowstate") as session:
        session.execute("BEGIN")
        session.execute("LOCK TABLE flowstate.flow IN ACCESS EXCLUSIVE MODE")
        call = flows.stub.CreateFlow.future(
            flows.message("CreateFlow", flow_id="f", state=b"{}"), metadata=flows.metadata, timeout=60)
        session.wait_for_blocked()
        server.terminate()
        assert server.wait(timeout=30) == 0
        assert call.exception().code() in (UNAVAILABLE, grpc.StatusCode.CANCELLED)


def test_sigterm_ends_streams(start_server):
    server = start_server(arguments=["--grace", "2"])
    watch = health_pb2_grpc.HealthStub(server.channel()).Watch(health_pb2.HealthCheckRequest(), timeout=60)
    statuses = [next(watch).status]
    server.terminate()
    with pytest.raises(grpc.RpcError):
        while True:
            statuses.append(next(watch).status)
    assert statuses == [health_pb2.HealthCheckResponse.SERVING, NOT_SERVING]
    assert server.wait(timeout=20) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_it(flowstate_bin, scratch, number):
    server = Server(flowstate_bin, scratch())
    try:
        server.start(wait=False)
        eventually(lambda: "starting the embedded PostgreSQL" in server.log_tail(), what="its first words")
        server.process.send_signal(number)
        server.wait(timeout=30)
    finally:
        server.destroy()


def test_two_servers_on_one_data_directory(server, flowstate_bin, flows):
    flows.save("f", b"1")
    second = Server(flowstate_bin, server.data.parent)
    second.log = server.data.parent / "second"
    try:
        second.start(wait=False)
        assert second.wait(timeout=30) not in (0, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGILL)
    finally:
        second.data = second.data / "not-mine"
        second.destroy()
    assert str(server.data) in second.log_tail() and "use" in second.log_tail()
    assert flows.state("f") == b"1"


def test_a_port_that_is_taken(flowstate_bin, scratch):
    second = Server(flowstate_bin, scratch())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        try:
            second.start(port=taken.getsockname()[1], wait=False)
            assert second.wait(timeout=60) == 1
            assert "in use" in second.log_tail()
        finally:
            second.destroy()


def test_the_server_starts_before_its_database(start_server, postgresql):
    database = postgresql(start=False)
    server = start_server(database_url=database.url, port=free_port(), wait=False)
    eventually(lambda: accepts_connections(server), what="listening")
    assert server.health() == NOT_SERVING
    flows = server.flows()
    for call in (lambda: flows.load("f"), lambda: flows.save("f")):
        with refused(UNAVAILABLE, "DATABASE_UNAVAILABLE") as refusal:
            call()
        delay = refusal.detail(error_details_pb2.RetryInfo).retry_delay
        assert 0 < delay.ToMilliseconds() <= 60_000
        assert "nothing was applied" in refusal.message
    with Wire(server) as client:
        reply = client.call("LoadState", message(b"\x0a\x01f"))
        assert reply.grpc_status == UNAVAILABLE.value[0] and 0 < int(reply.headers["grpc-retry-pushback-ms"]) <= 60_000
    database.start()
    server.wait_until_serving()
    assert flows.save("f", b"1").version == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_server_survives_a_restart_of_its_database(start_server, postgresql, number):
    database = postgresql()
    server = start_server(database_url=database.url)
    flows = server.flows()
    flows.save("f", b"1")
    pid = server.process.pid
    database.stop(number)
    eventually(lambda: server.health() == NOT_SERVING, what="NOT_SERVING")
    with refused(UNAVAILABLE, "DATABASE_UNAVAILABLE"):
        flows.save("f", b"2")
    database.start()
    server.wait_until_healthy()
    assert flows.save("f", b"3", expected_version=1).version == 2
    assert server.process.pid == pid
    server.stop()


def test_two_servers_on_one_database(start_server, postgresql):
    """Both migrate it at their start, and then race for the same flows."""
    database = postgresql()
    servers = [start_server(database_url=database.url, wait=False) for _ in range(2)]
    for server in servers:
        server.wait_until_serving()
    flows = [server.flows("shared") for server in servers]
    counters = Counters(flows[0], 4)
    run_all([counters.writer(servers[number % 2].flows("shared"), f"w{number}", 5) for number in range(16)])
    for each in flows:
        counters.check(each)
    flows[0].save("f", b"1", idempotency_key="key")
    assert flows[1].save("f", b"1", idempotency_key="key").replayed
    for number in range(20):
        flows[0].save("f", b"%d" % number)
        assert flows[1].state("f") == b"%d" % number
    for server in servers:
        server.stop()


def test_two_servers_saving_the_same_flows_at_once(start_server, postgresql):
    """Whole batches of both meet on the same rows: they wait for each other, and do not deadlock."""
    database = postgresql()
    flows = [start_server(database_url=database.url).flows("shared") for _ in range(2)]
    calls = []
    for number in range(400):
        each = flows[number % 2]
        request = each.message("SaveState", flow_id=f"f{number * 7 % 16}", state=b"%d" % number)
        calls.append((number, each.stub.SaveState.future(request, metadata=each.metadata, timeout=60)))
    saved = {(call.result().flow_id, call.result().version): number for number, call in calls}
    assert len(saved) == 400
    for (flow_id, version), number in saved.items():
        assert flows[0].state(flow_id, version=version) == b"%d" % number


def test_a_unix_socket(start_server, scratch):
    path = scratch() / "flowstate.sock"
    server = start_server(arguments=["--unix-socket", str(path)])
    with grpc.insecure_channel(f"unix:{path}") as channel:
        flows = server.flows(channel=channel)
        flows.save("f", b"1")
        assert flows.state("f") == b"1"
