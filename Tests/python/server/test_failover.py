"""A primary that goes, stands still, or is replaced without being stopped; a standby in its place."""

import signal
import socket
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2

from postgresql import Session
from processes import eventually
from replication import caught_up, free_port, make_pair

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def pair(postgresql):
    def make(**settings):
        return make_pair(postgresql, **settings)
    return make


def saves(flows, flow_id="f", state=b"1"):
    """Whether a save is taken."""
    try:
        flows.save(flow_id, state, timeout=3)
        return True
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), error
        return False


def test_a_first_host_that_stands_still_holds_nobody_up(pair, start_server):
    primary, standby, url, _ = pair()
    server = start_server(database_url=url)
    flows = server.flows()
    flows.save("f", b"1")
    caught_up(primary, standby)
    primary.send_signal(signal.SIGSTOP)
    standby.promote()
    promoted = time.monotonic()
    eventually(lambda: saves(flows, state=b"2"), timeout=30, what="a save on the new primary")
    assert time.monotonic() - promoted < 6
    server.wait_until_healthy()
    assert flows.state("f") == b"2"


def test_a_primary_that_was_replaced_without_being_stopped_answers_nothing(pair, start_server):
    primary, standby, url, ports = pair()
    old = start_server(database_url=url)
    flows = old.flows()
    flows.save("f", b'"before"')
    caught_up(primary, standby)
    standby.promote()
    new = start_server(database_url=f"postgresql://postgres@127.0.0.1:{ports[1]}/postgres")
    new.flows(tenant=flows.tenant).save("f", b'"after"')
    # Whatever it answers from then on is the new primary's.
    eventually(lambda: reads(flows) == b'"after"', timeout=10, what="the new primary's state")
    for _ in range(50):
        assert reads(flows) in (b'"after"', None)
    assert b"another server is the primary now" in old.log.read_bytes()


def reads(flows):
    try:
        return flows.load("f", timeout=3).state
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        return None


def test_a_standby_in_the_list_is_not_taken_while_the_primary_restarts(pair, start_server):
    primary, standby, url, _ = pair()
    server = start_server(database_url=url)
    flows = server.flows()
    flows.save("f", b"1")
    primary.stop()
    eventually(lambda: server.health() != SERVING, what="NOT_SERVING")
    assert reads(flows) is None and not saves(flows)
    primary.start()
    server.wait_until_healthy()
    flows.save("f", b"2")
    assert flows.state("f") == b"2"


def test_a_server_that_starts_against_a_standby_waits_for_its_promotion(pair, start_server):
    primary, standby, url, ports = pair()
    first = start_server(database_url=url)
    first.flows(tenant="t").save("f", b"1")
    caught_up(primary, standby)
    first.stop()
    port = free_port()
    server = start_server(port, wait=False, database_url=f"postgresql://postgres@127.0.0.1:{ports[1]}/postgres")
    flows = server.flows(tenant="t")
    eventually(lambda: b"hot standby" in server.log.read_bytes(), what="a word about the standby")
    eventually(lambda: listens(port), what="a listener")
    assert server.health() != SERVING
    with pytest.raises(grpc.RpcError) as refused:
        flows.load("f")
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "preparing its database" in refused.value.details() and "relation" not in refused.value.details()
    primary.stop()
    standby.promote()
    server.wait_until_serving()
    assert flows.state("f") == b"1"
    flows.save("f", b"2")


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_commit_that_no_standby_has_is_not_acknowledged(postgresql, start_server):
    database = postgresql(settings={"wal_level": "replica"})
    server = start_server(database_url=database.url)
    flows = server.flows()
    flows.save("f", b"1")
    database.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'flowstate'"
    save = None

    def commit_that_waits():
        """Sessions read the setting when they come to it: a save before then is committed."""
        nonlocal save
        if save is None or save.done():
            save = flows.stub.SaveState.future(flows.message("SaveState", flow_id="f", state=b"2"), metadata=flows.metadata, timeout=60)
        return database.execute(waiting)

    pid = eventually(commit_that_waits, what="a commit that waits")[0]
    database.execute(f"SELECT pg_cancel_backend({pid})")
    error = save.exception(timeout=30)
    assert error is not None and error.code() == grpc.StatusCode.UNAVAILABLE, error
    assert "synchronous replication" in error.details() and "nothing was applied" not in error.details()
    with Session(database.url + " options='-c synchronous_commit=local'") as session:
        session.execute("ALTER SYSTEM RESET synchronous_standby_names")
        session.execute("SELECT pg_reload_conf()")
    eventually(lambda: saves(flows, state=b"3"), what="a save")


def test_sessions_that_turned_read_only_come_back(postgresql, start_server):
    database = postgresql()
    server = start_server(database_url=database.url)
    flows = server.flows()
    flows.save("f", b"1")
    with Session(database.url) as session:
        session.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        session.execute("SELECT pg_reload_conf()")
        eventually(lambda: server.health() != SERVING, what="NOT_SERVING")
        assert not saves(flows)
        session.execute("SET default_transaction_read_only = off")
        session.execute("ALTER SYSTEM RESET default_transaction_read_only")
        session.execute("SELECT pg_reload_conf()")
    server.wait_until_healthy()
    flows.save("f", b"2")
    assert server.log.read_bytes().count(b"cannot connect") + server.log.read_bytes().count(b"attempts to connect") < 10
