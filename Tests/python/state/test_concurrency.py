"""Many writers on few flows: optimistic locking loses nothing."""

import concurrent.futures
import itertools

import grpc

from counters import Counters, run_all
from errors import not_found


def test_64_writers_on_8_flows(server, flows):
    counters = Counters(flows, 8)
    channels = [server.channel() for _ in range(8)]
    run_all([
        counters.writer(server.flows(flows.tenant, channel=channels[number % 8]), f"w{number}", 5)
        for number in range(64)])
    assert sum(map(len, counters.acknowledged.values())) == 64 * 5
    assert counters.conflicts > 0, "nobody raced"
    counters.check(flows)


def test_of_saves_with_the_same_expected_version_one_wins(server, flows):
    flows.save("f", b"0")
    clients = [server.flows(flows.tenant, actor=f"actor-{number}") for number in range(16)]

    def save(client, version):
        try:
            return client.save("f", b"%d" % version, expected_version=version).version
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.ABORTED
            return None

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for version in range(1, 11):
            results = list(pool.map(save, clients, itertools.repeat(version)))
            assert [result for result in results if result] == [version + 1]
    assert len(flows.versions("f")) == 11


def test_of_creators_of_one_id_one_wins(server, flows):
    clients = [server.flows(flows.tenant) for _ in range(8)]

    def create(client, number):
        try:
            return client.CreateFlow(flow_id=f"f{number}", state=b"{}").version
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.ALREADY_EXISTS
            return None

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number in range(10):
            assert list(pool.map(create, clients, itertools.repeat(number))).count(1) == 1


def test_a_load_sees_every_save_acknowledged_before(server, flows):
    """Also through another connection."""
    reader = server.flows(flows.tenant)
    for number in range(1, 101):
        flows.save("f", b"%d" % number)
        assert reader.state("f") == b"%d" % number


def test_savers_and_a_deleter(server, flows):
    """Once the tombstone is acknowledged nothing comes after it."""
    flows.save("f", b"0")
    saved = []

    def saver(client):
        def run():
            while True:
                try:
                    saved.append(client.save("f", b"1").version)
                except grpc.RpcError as error:
                    assert error.code() == grpc.StatusCode.NOT_FOUND
                    return
        return run

    def deleter():
        while len(saved) < 50:
            flows.load("f", version=1)
        saved.append(flows.DeleteFlow(flow_id="f").version)

    run_all([saver(server.flows(flows.tenant)) for _ in range(8)] + [deleter])
    assert sorted(saved) == list(range(2, len(saved) + 2))
    assert flows.versions("f")[-1].version == max(saved)
    with not_found():
        flows.load("f")


def test_many_calls_on_one_connection(server, flows):
    """More calls in flight than one connection allows streams: stock clients queue them."""
    futures = [
        flows.stub.CreateFlow.future(request, metadata=flows.metadata, timeout=60)
        for request in [flows.message("CreateFlow", flow_id=f"f{number}", state=b"{}") for number in range(2_000)]]
    assert {future.result().version for future in futures} == {1}
