"""Watches over two servers, their ends, their databases' faults, and clients that read slowly."""

import random
import signal
import threading
import time

import grpc
import pytest
from flowstate.v1 import state_pb2
from google.protobuf.duration_pb2 import Duration

from postgresql import Session
from processes import eventually
from replication import caught_up, make_pair
from watching import Watch

TENANT = "watched"


class Savers:
    """Threads that save and delete flows through all servers, and count what was acknowledged."""

    def __init__(self, servers, flows=12, callers=8, seconds=6):
        self.last, self.lock = {}, threading.Lock()
        self.threads = [
            threading.Thread(target=self._run, args=(server.flows(tenant=TENANT), number, flows, seconds))
            for number, server in enumerate(servers * (callers // len(servers)))]
        for thread in self.threads:
            thread.start()

    def _run(self, flows, number, count, seconds):
        chance, end = random.Random(number), time.monotonic() + seconds
        while time.monotonic() < end:
            flow_id = f"f{chance.randrange(count)}"
            try:
                if chance.randrange(40) == 0:
                    saves = [{"flow_id": f"f{n}", "state": b"{}", "revive": True} for n in range(count)]
                    chance.shuffle(saves)
                    results = flows.BatchSaveState(mode=state_pb2.BATCH_MODE_ATOMIC, saves=saves).results
                    made = [(result.saved.flow_id, result.saved.version) for result in results]
                elif chance.randrange(60) == 0:
                    made = [(flow_id, flows.DeleteFlow(flow_id=flow_id).version)]
                else:
                    made = [(flow_id, flows.save(flow_id, b"%d" % number, revive=True).version)]
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
                continue
            with self.lock:
                for flow_id, version in made:
                    self.last[flow_id] = max(self.last.get(flow_id, 0), version)

    def done(self):
        return not any(thread.is_alive() for thread in self.threads)

    def join(self):
        for thread in self.threads:
            thread.join(timeout=120)


def has_all(watch, server):
    """Until the watch has every version that the database has, and each flow's in order."""
    flows = server.flows(tenant=TENANT)
    heads = {flow.flow_id: flow.version for flow in flows.ListFlows(page_size=1000, filter={"include_deleted": True}).flows}
    watch.wait_for(sum(heads.values()))
    assert watch.versions() == {flow_id: list(range(1, version + 1)) for flow_id, version in heads.items()}
    return heads


def test_watchers_that_break_off_on_two_servers_miss_nothing(start_server, postgresql):
    database = postgresql()
    # Small, so that watches fall behind and catch up.
    servers = [start_server(database_url=database.url, limits={"watch-events": 4}) for _ in range(2)]
    chance = random.Random(7)
    watches = [Watch(servers[number % 2].flows(tenant=TENANT)).wait_until_begun() for number in range(4)]
    savers = Savers(servers)
    while not savers.done():
        watch = chance.choice(watches)
        watch.break_off()
        watch.connect(chance.choice(servers).flows(tenant=TENANT))
        time.sleep(chance.random() / 10)
    savers.join()
    for watch in watches:
        heads = has_all(watch, servers[0])
        assert all(heads[flow_id] >= version for flow_id, version in savers.last.items())
        watch.stop()


def test_a_client_that_does_not_read_is_bounded_and_misses_nothing(start_server, postgresql):
    server = start_server(database_url=postgresql().url, limits={"watch-events": 8, "reader-timeout-ms": 60_000})
    flows = server.flows(tenant=TENANT)
    call = server.flows(tenant=TENANT, channel=server.channel(**{"grpc.http2.lookahead_bytes": 1})).WatchFlows(
        include_state=True, timeout=120)
    next(call)
    for number in range(400):
        flows.save(f"f{number % 5}", b'"%s"' % (b"%d" % number * 2000))
    numbers = []
    for message in call:
        if message.WhichOneof("event") == "change":
            numbers.append((message.change.flow.flow_id, message.change.version.version))
            if len(set(numbers)) == 400:
                break
    call.cancel()
    assert len(set(numbers)) == 400


def test_a_server_that_stops_ends_its_watches(start_server, postgresql):
    database = postgresql()
    first, second = [start_server(database_url=database.url) for _ in range(2)]
    watch = Watch(first.flows(tenant=TENANT)).wait_until_begun()
    waiting = first.flows(tenant=TENANT)
    waiting.save("a", b"1")
    load = waiting.stub.LoadState.future(
        state_pb2.LoadStateRequest(flow_id="a", if_version_not=1, wait=Duration(seconds=25)), metadata=waiting.metadata, timeout=30)
    watch.wait_for(1)
    first.terminate()
    assert watch.wait_for_error().code() == grpc.StatusCode.UNAVAILABLE and "cursor" in watch.error.details()
    assert load.exception().code() == grpc.StatusCode.UNAVAILABLE
    assert first.wait() == 0
    second.flows(tenant=TENANT).save("a", b"2")
    watch.connect(second.flows(tenant=TENANT))
    assert watch.wait_for(2).versions() == {"a": [1, 2]}
    watch.stop()


def test_a_crash_of_the_database_loses_nothing(start_server, postgresql):
    database = postgresql(settings={"fsync": "off"})
    servers = [start_server(database_url=database.url) for _ in range(2)]
    watches = [Watch(server.flows(tenant=TENANT)).wait_until_begun() for server in servers]
    savers = Savers(servers, seconds=8)
    for _ in range(2):
        eventually(lambda: len(watches[0].changes) > 50, what="changes")
        database.stop(signal.SIGKILL)
        database.start()
        for server in servers:
            server.wait_until_healthy()
    savers.join()
    for watch in watches:
        if watch.error is not None:
            assert watch.error.code() == grpc.StatusCode.UNAVAILABLE
            watch.connect(servers[0].flows(tenant=TENANT))
        has_all(watch, servers[1])
        watch.stop()


def test_after_a_failover_the_last_cursor_leads_on(postgresql, start_server):
    primary, standby, url, _ = make_pair(postgresql)
    server = start_server(database_url=url)
    flows = server.flows(tenant=TENANT)
    watch = Watch(flows).wait_until_begun()
    for _ in range(5):
        flows.save("a")
    watch.wait_for(5)
    caught_up(primary, standby)
    primary.stop(signal.SIGKILL)
    standby.promote()
    server.wait_until_healthy()
    assert watch.wait_for_error().code() == grpc.StatusCode.UNAVAILABLE
    flows.save("a")
    watch.connect(flows)
    flows.save("a")
    assert watch.wait_for(7).versions() == {"a": [1, 2, 3, 4, 5, 6, 7]}
    watch.stop()


def test_changes_are_sent_while_another_transaction_runs_for_long(start_server, postgresql):
    database = postgresql()
    server = start_server(database_url=database.url)
    flows = server.flows(tenant=TENANT)
    with Session(database.url) as session:
        session.execute("CREATE TABLE other (x int)")
        session.execute("BEGIN; INSERT INTO other VALUES (1)")
        watch = Watch(flows).wait_until_begun()
        for number in range(3):
            flows.save("a")
            watch.wait_for(number + 1)
        resumed = Watch(flows, cursor=watch.cursor).wait_until_begun()
        flows.save("a")
        assert resumed.wait_for(1).changes == [("a", 4)]
    watch.stop(), resumed.stop()


def test_many_watches_of_one_connection_each_get_their_own(start_server, postgresql):
    server = start_server(database_url=postgresql().url)
    flows = server.flows(tenant=TENANT)
    watches = [Watch(flows, flow_ids=[f"f{number}"]) for number in range(200)]
    for watch in watches:
        watch.wait_until_begun()
    for _ in range(2):
        for number in range(200):
            flows.save(f"f{number}")
    for number, watch in enumerate(watches):
        assert watch.wait_for(2).changes == [(f"f{number}", 1), (f"f{number}", 2)]
        watch.stop()


@pytest.mark.parametrize("deadline", [0.5, 1.5])
def test_a_watch_ends_at_its_deadline(server, deadline):
    began = time.monotonic()
    watch = Watch(server.flows(), timeout=deadline)
    assert watch.wait_for_error().code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began >= deadline
