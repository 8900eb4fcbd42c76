"""Kills in the middle of saves: everything acknowledged is there afterwards, byte for byte, and nothing twice."""

import random
import signal

import grpc
import pytest

from flowstate_server import Server
from processes import children, eventually, kill, working_in
from recorder import Recorder


@pytest.fixture(scope="module")
def victim(flowstate_bin, scratch):
    """A server that the tests of this module kill and start again, always on the same data."""
    server = Server(flowstate_bin, scratch()).start()
    yield server
    try:
        server.stop()
    finally:
        server.destroy()


def kill_server(server):
    _, port = server.host_port
    server.kill()
    assert working_in(server.data), "PostgreSQL goes on for now"
    server.start(port)


def kill_server_and_postgresql(server):
    _, port = server.host_port
    postmaster = server.postmaster()
    server.kill()
    kill(postmaster)
    server.start(port)


def kill_postmaster(server):
    pid, postmaster = server.process.pid, server.postmaster()
    kill(postmaster)
    eventually(lambda: server.postmaster() != postmaster, what="another PostgreSQL")
    assert server.process.pid == pid and server.process.poll() is None


def kill_backend(server):
    postmaster = server.postmaster()
    backends = [pid for pid, line in children(postmaster).items() if "flowstate flowstate" in line]
    assert len(backends) >= 2, "one for each connection"
    kill(random.choice(backends))
    # PostgreSQL then ends all other backends and recovers, under the same postmaster.
    eventually(lambda: not set(backends) & set(children(postmaster)), what="PostgreSQL's own restart")
    assert server.postmaster() == postmaster


KILLS = [kill_server, kill_server_and_postgresql, kill_postmaster, kill_backend]


@pytest.mark.parametrize("keyed", [True, False], ids=["keyed", "unkeyed"])
@pytest.mark.parametrize("blow", KILLS, ids=lambda blow: blow.__name__)
def test_what_was_acknowledged_survives(victim, blow, keyed):
    with Recorder(victim.flows, writers=16, keyed=keyed) as recorder:
        recorder.wait_for(150)
        # A blow between two batches hits nobody.
        for _ in range(5):
            blow(victim)
            recorder.wait_for(50)
            victim.wait_until_healthy()
            if keyed or sum(recorder.given_up):
                break
    silent = recorder.check()
    if keyed:
        assert silent == 0
    else:
        assert sum(recorder.given_up) > 0, "the blow hit nobody"


def test_blow_after_blow(victim):
    with Recorder(victim.flows, writers=8, keyed=True) as recorder:
        for blow in (kill_postmaster, kill_server, kill_backend):
            recorder.wait_for(30)
            blow(victim)
        recorder.wait_for(30)
    victim.wait_until_healthy()
    recorder.check()


def test_large_states_survive(victim):
    """4 and 8 MiB each: the kill falls into the middle of many packets, log records and pages."""
    with Recorder(victim.flows, writers=2, keyed=True, size=(8 << 20) // 6) as recorder:
        recorder.wait_for(3)
        kill_server_and_postgresql(victim)
        recorder.wait_for(2)
    victim.wait_until_healthy()
    recorder.check()


def test_a_client_needs_no_new_connection(victim):
    """The stock client's channel finds the server again by itself."""
    flows = victim.flows()
    flows.save("f", b"1")
    _, port = victim.host_port
    victim.kill()
    with pytest.raises(grpc.RpcError) as error:
        flows.load("f", timeout=5)
    assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    victim.start(port)
    request = flows.message("LoadState", flow_id="f")
    reply = flows.stub.LoadState(request, metadata=flows.metadata, timeout=30, wait_for_ready=True)
    assert reply.snapshot.state == b"1"


def test_a_killed_server_leaves_nothing_after_the_next_stop(victim):
    _, port = victim.host_port
    victim.kill()
    orphans = working_in(victim.data)
    assert orphans
    victim.start(port)
    assert not set(orphans) & set(working_in(victim.data)), "the next start takes the cluster over"
    victim.process.send_signal(signal.SIGTERM)
    assert victim.wait() == 0
    assert working_in(victim.data) == []
    victim.start(port)


@pytest.mark.parametrize("sign", ["postgres.init-*", "postgres/postmaster.pid"])
def test_a_kill_during_the_very_first_start(flowstate_bin, scratch, sign):
    """Half a cluster is no cluster: the next start makes a whole one."""
    server = Server(flowstate_bin, scratch())
    try:
        server.start(wait=False)
        eventually(lambda: list(server.data.glob(sign)), what=sign)
        server.kill()
        server.start()
        assert server.flows().save("f").version == 1
        server.stop()
        assert not list(server.data.glob("postgres.init-*"))
    finally:
        server.destroy()
