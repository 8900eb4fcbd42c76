"""Many flows in one call: all saves in one commit, or each on its own; loads."""

import json
import random
import threading

import grpc
import pytest
from flowstate.v1 import errors_pb2, state_pb2, types_pb2

from errors import conflict, invalid, not_found, refused

ATOMIC, INDEPENDENT = state_pb2.BATCH_MODE_ATOMIC, state_pb2.BATCH_MODE_INDEPENDENT


def batch(flows, saves, mode=ATOMIC, timeout=30, **more):
    return flows.BatchSaveState(mode=mode, saves=[{"state": b"{}", **save} if "merge_patch" not in save and "json_patch" not in save else save
                                                  for save in saves], timeout=timeout, **more).results


def versions(results):
    return [(result.saved.flow_id, result.saved.version) for result in results]


def heads(flows):
    return {flow.flow_id: flow.version for flow in flows.ListFlows(page_size=1000).flows}


@pytest.mark.parametrize("mode", [ATOMIC, INDEPENDENT, state_pb2.BATCH_MODE_UNSPECIFIED])
def test_all_are_saved(flows, mode):
    flows.save("b", b"1")
    flows.save("c", b"1")
    results = batch(flows, [
        {"flow_id": "a", "state": b"[1]", "expected_version": 0}, {"flow_id": "b", "state": b"[2]", "expected_version": 1, "phase": "p"},
        {"flow_id": "c", "state": b"[3]", "version_label": "l", "writes": [{"task_id": "t", "channel": "c"}], "checkpoint": {"name": "n"}},
        {"flow_id": "d", "state": b"[4]", "labels": {"x": "y"}}], mode)
    assert versions(results) == [("a", 1), ("b", 2), ("c", 2), ("d", 1)] and results[2].saved.checkpoint_id
    assert [flows.state(flow_id) for flow_id in "abcd"] == [b"[1]", b"[2]", b"[3]", b"[4]"]
    assert len(flows.LoadState(flow_id="c", checkpoint="n", include_writes=True).writes) == 1
    if mode != INDEPENDENT:
        assert len({flows.load(flow_id).version.created_at.ToNanoseconds() for flow_id in "ad"}) <= 2


@pytest.mark.parametrize("bad, code, reason, field", [
    ({"flow_id": "b", "expected_version": 7}, grpc.StatusCode.ABORTED, "VERSION_CONFLICT", None),
    ({"flow_id": "b", "expected_version": 0}, grpc.StatusCode.ABORTED, "VERSION_CONFLICT", None),
    ({"flow_id": "none", "expected_version": 1}, grpc.StatusCode.ABORTED, "VERSION_CONFLICT", None),
    ({"flow_id": "b", "expected_version_label": "no"}, grpc.StatusCode.ABORTED, "VERSION_CONFLICT", None),
    ({"flow_id": "gone"}, grpc.StatusCode.NOT_FOUND, "FLOW_NOT_FOUND", None),
    ({"flow_id": "b", "lease_token": 5}, grpc.StatusCode.FAILED_PRECONDITION, "LEASE_LOST", None),
    ({"flow_id": "b", "flow_type": "other"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "saves[2].flow_type"),
    ({"flow_id": "b", "parent_version": 9}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "saves[2].parent_version"),
    ({"flow_id": "b", "checkpoint": {"name": "taken"}}, grpc.StatusCode.ALREADY_EXISTS, "CHECKPOINT_ALREADY_EXISTS", None),
    ({"flow_id": "b", "state": b"{"}, grpc.StatusCode.INVALID_ARGUMENT, "STATE_INVALID", None),
    ({"flow_id": "b", "json_patch": b'[{"op":"test","path":"/x","value":1}]'}, grpc.StatusCode.FAILED_PRECONDITION, "PATCH_NOT_APPLICABLE", None),
    ({"flow_id": "", "state": b"{}"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "saves[2].flow_id"),
    ({"flow_id": "a"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "saves[2].flow_id"),
    ({"flow_id": "b", "idempotency_key": "k"}, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", "saves[2].idempotency_key")],
    ids=lambda value: str(value)[:40])
def test_one_that_cannot_be_made_stops_all(flows, bad, code, reason, field):
    flows.save("b", b"{}", flow_type="t", checkpoint={"name": "taken"})
    flows.save("c")
    flows.save("gone")
    flows.DeleteFlow(flow_id="gone")
    before = heads(flows)
    with refused(code, reason) as refusal:
        batch(flows, [{"flow_id": "a", "expected_version": 0}, {"flow_id": "c", "expected_version": 1}, bad, {"flow_id": "z"}])
    if field:
        assert refusal.fields() == [field]
    assert heads(flows) == before
    assert versions(batch(flows, [{"flow_id": "a", "expected_version": 0}, {"flow_id": "c", "expected_version": 1}])) == [("a", 1), ("c", 2)]


def test_independent_saves_have_a_result_each(flows):
    flows.save("b", b"1")
    results = batch(flows, [{"flow_id": "a"}, {"flow_id": "b", "expected_version": 5}, {"flow_id": "c", "state": b"{"}, {"flow_id": "d"}], INDEPENDENT)
    assert [result.WhichOneof("result") for result in results] == ["saved", "failure", "failure", "saved"]
    failure = results[1].failure
    assert (failure.code, failure.reason) == (grpc.StatusCode.ABORTED.value[0], "VERSION_CONFLICT") and "version 1" in failure.message
    detail = errors_pb2.VersionConflict()
    assert any(each.Unpack(detail) for each in failure.details) and (detail.expected, detail.actual) == (5, 1)
    assert results[2].failure.reason == "STATE_INVALID"
    assert heads(flows) == {"a": 1, "b": 1, "d": 1}


def test_patches_are_made_inside(flows):
    flows.save("user", b'{"n": 1}')
    flows.save("app", b'{"n": 10}')
    results = batch(flows, [{"flow_id": "session", "state": b'{"events": 1}', "expected_version": 0}, {"flow_id": "user", "merge_patch": b'{"n": 2}'},
                            {"flow_id": "app", "json_patch": b'[{"op": "add", "path": "/m", "value": 3}]', "expected_version": 1}])
    assert versions(results) == [("session", 1), ("user", 2), ("app", 2)]
    assert json.loads(flows.state("app")) == {"n": 10, "m": 3} and json.loads(flows.state("user")) == {"n": 2}
    with not_found():
        batch(flows, [{"flow_id": "user"}, {"flow_id": "none", "merge_patch": b"{}"}])
    assert flows.load("user").flow.version == 2


def test_revived_in_a_batch(flows):
    flows.save("gone", b"1", phase="p")
    flows.DeleteFlow(flow_id="gone")
    assert versions(batch(flows, [{"flow_id": "gone", "revive": True}, {"flow_id": "new", "revive": True}])) == [("gone", 3), ("new", 1)]
    assert versions(batch(flows, [{"flow_id": "gone", "revive": True}])) == [("gone", 4)]
    assert [version.event for version in flows.versions("gone")][2:] == [types_pb2.VERSION_EVENT_CREATED, types_pb2.VERSION_EVENT_SAVED]


@pytest.mark.parametrize("mode", [ATOMIC, INDEPENDENT])
def test_a_retry_with_the_key_of_the_batch(flows, mode):
    saves = [{"flow_id": "a"}, {"flow_id": "b", "state": b"[]"}]
    first = batch(flows, saves, mode, idempotency_key="k")
    flows.save("a", b"2")
    again = batch(flows, saves, mode, idempotency_key="k")
    assert versions(again) == versions(first) == [("a", 1), ("b", 1)] and all(result.saved.replayed for result in again)
    assert heads(flows) == {"a": 2, "b": 1}
    for other in ([{"flow_id": "a"}, {"flow_id": "b"}], list(reversed(saves))):
        if mode == ATOMIC:
            with invalid("IDEMPOTENCY_KEY_REUSED"):
                batch(flows, other, mode, idempotency_key="k")
        else:
            assert {result.failure.reason for result in batch(flows, other, mode, idempotency_key="k")} == {"IDEMPOTENCY_KEY_REUSED"}
    calls = [flows.stub.BatchSaveState.future(flows.message("BatchSaveState", mode=mode, idempotency_key="same", saves=[
        {"flow_id": f"s{number}", "state": b"{}"} for number in range(5)]), metadata=flows.metadata) for _ in range(10)]
    assert {tuple(versions(call.result().results)) for call in calls} == {tuple((f"s{number}", 1) for number in range(5))}


def test_rules_hold_in_batches(flows):
    flows.PutDefinition(document=json.dumps({
        "flow_type": "order", "on_save": "enforce", "rules": [
            {"rule": "required", "path": "/a"}, {"rule": "required", "path": "/b", "severity": "warning"}]}).encode())
    with invalid("STATE_INVALID"):
        batch(flows, [{"flow_id": "x"}, {"flow_id": "o", "flow_type": "order"}])
    assert heads(flows) == {}
    results = batch(flows, [{"flow_id": "x"}, {"flow_id": "o", "flow_type": "order", "state": b'{"a": 1}'}])
    assert [len(result.saved.warnings) for result in results] == [0, 1]


def test_sizes(flows):
    for saves in ([], [{"flow_id": f"f{number}"} for number in range(1001)]):
        with invalid() as refusal:
            batch(flows, saves)
        assert refusal.fields() == ["saves"]
        with invalid() as refusal:
            flows.BatchLoadState(loads=[{"flow_id": save["flow_id"]} for save in saves])
        assert refusal.fields() == ["loads"]
    assert len(batch(flows, [{"flow_id": f"f{number:04}"} for number in range(1000)], timeout=60)) == 1000
    assert len(batch(flows, [{"flow_id": f"f{number:04}", "expected_version": 1} for number in range(1000)], timeout=60)) == 1000
    assert len(flows.BatchLoadState(loads=[{"flow_id": f"f{number:04}"} for number in range(1000)]).results) == 1000
    large = random.Random(1).randbytes(2 << 20)
    assert len(batch(flows, [{"flow_id": f"l{number}", "state": large, "content_type": "x/y"} for number in range(7)])) == 7
    assert all(flows.state(f"l{number}") == large for number in range(7))


def test_loads(flows):
    flows.save("a", b"1", version_label="l", writes=[{"task_id": "t", "channel": "c"}])
    flows.save("a", b"2")
    flows.save("b", b"3")
    results = flows.BatchLoadState(loads=[
        {"flow_id": "a"}, {"flow_id": "none"}, {"flow_id": "a", "version_label": "l", "include_writes": True}, {"flow_id": "b", "version": 9},
        {"flow_id": "b", "if_version_not": 1}, {"flow_id": "a"}]).results
    assert [result.loaded.snapshot.state for result in results] == [b"2", b"", b"1", b"", b"", b"2"]
    assert [result.failure.reason for result in results] == ["", "FLOW_NOT_FOUND", "", "VERSION_NOT_FOUND", "", ""]
    assert len(results[2].loaded.writes) == 1 and results[4].loaded.unchanged
    state = random.Random(1).randbytes(5 << 20)
    flows.save("big", state, content_type="x/y")
    results = flows.BatchLoadState(loads=[{"flow_id": "big"}] * 4 + [{"flow_id": "b"}]).results
    assert [result.failure.reason for result in results] == ["", "", "", "STATE_TOO_LARGE", ""]


def test_money_is_neither_made_nor_lost(start_server, postgresql):
    """Transfers between accounts in atomic batches, from many clients on two servers: the sum stays, and so does every single step."""
    database = postgresql()
    servers = [start_server(database_url=database.url) for _ in range(2)]
    flows, accounts, workers, done, failed = servers[0].flows(), 12, 8, [], []
    batch(flows, [{"flow_id": f"account-{number}", "state": b'{"balance": 100}'} for number in range(accounts)])

    def work(number):
        chosen, client = random.Random(number), servers[number % 2].flows(flows.tenant)
        for _ in range(15):
            names = [f"account-{each}" for each in chosen.sample(range(accounts), 4)]
            loaded = {name: client.load(name) for name in names}
            amount = chosen.randrange(1, 9)
            balances = [json.loads(loaded[name].state)["balance"] for name in names]
            saves = [{"flow_id": name, "state": b'{"balance": %d}' % (balance + change), "expected_version": loaded[name].flow.version}
                     for name, balance, change in zip(names, balances, (-3 * amount, amount, amount, amount))]
            chosen.shuffle(saves)
            try:
                batch(client, saves)
                done.append(names)
            except grpc.RpcError as error:
                failed.append(error.code())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = flows.BatchLoadState(loads=[{"flow_id": f"account-{number}"} for number in range(accounts)]).results
    assert sum(json.loads(result.loaded.snapshot.state)["balance"] for result in results) == accounts * 100
    assert sum(result.loaded.snapshot.flow.version - 1 for result in results) == 4 * len(done)
    assert set(failed) <= {grpc.StatusCode.ABORTED} and done


def test_patches_of_many_batches_are_all_made(start_server, postgresql):
    """Batches without expected versions that overlap, on two servers: none is refused, none is lost."""
    database = postgresql()
    servers = [start_server(database_url=database.url) for _ in range(2)]
    flows = servers[0].flows()
    batch(flows, [{"flow_id": f"list-{number}", "state": b"[]"} for number in range(6)])
    errors = []

    def work(number):
        chosen, client = random.Random(number), servers[number % 2].flows(flows.tenant)
        for turn in range(6):
            value = json.dumps([{"op": "add", "path": "/-", "value": f"{number}.{turn}"}]).encode()
            try:
                batch(client, [{"flow_id": f"list-{each}", "json_patch": value} for each in chosen.sample(range(6), 6)])
            except grpc.RpcError as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    lists = [json.loads(flows.state(f"list-{number}")) for number in range(6)]
    assert all(each == lists[0] for each in lists) and sorted(lists[0]) == sorted(f"{number}.{turn}" for number in range(6) for turn in range(6))
