"""Forks: a flow from a version of another one, with or without what came before."""

import json
import random

import grpc
import pytest
from flowstate.v1 import types_pb2

from errors import invalid, not_found, refused

FORKED, CREATED = types_pb2.VERSION_EVENT_FORKED, types_pb2.VERSION_EVENT_CREATED


def events(flows, flow_id):
    return [(entry.event.kind, json.loads(entry.event.details)) for entry in flows.GetHistory(flow_id=flow_id).entries
            if entry.HasField("event") and entry.event.kind.startswith("fork")]


def source(flows, versions=4):
    for number in range(1, versions + 1):
        flows.SaveState(
            flow_id="f", state=b'{"number": %d, "text": "%s"}' % (number, b"the same words " * 50), flow_type="t" if number == 1 else "",
            phase=f"p{number}", status=f"s{number}", progress=number, labels={"n": str(number)}, version_label=f"l{number}",
            metadata=b'{"n": %d}' % number, version_tags={"step": str(number)},
            writes=[{"task_id": "t", "index": number, "channel": "c", "value": b"%d" % number}],
            checkpoint={"name": f"c{number}"} if number % 2 else None)


def test_a_fork_of_the_latest_version(flows):
    source(flows)
    forked = flows.ForkFlow(flow_id="f", new_flow_id="g")
    assert (forked.flow_id, forked.version, forked.source_version, forked.replayed) == ("g", 1, 4, False)
    old, new = flows.load("f"), flows.load("g")
    assert (new.state, new.version.digest, forked.digest) == (old.state, old.version.digest, old.version.digest)
    flow = new.flow
    assert (flow.flow_type, flow.version, flow.phase, flow.status, flow.progress, dict(flow.labels)) == ("t", 1, "p4", "s4", 4, {"n": "4"})
    assert (new.version.event, new.version.parent_version, new.version.metadata, new.version.actor) == (FORKED, 0, b"", "tester")
    assert forked.created_at == flow.created_at == flow.updated_at == new.version.created_at
    assert flows.ListWrites(flow_id="g").writes == [] and flows.ListCheckpoints(flow_id="g").checkpoints == []
    assert events(flows, "g") == [("forked_from", {"flow_id": "f", "version": 4})]
    assert events(flows, "f") == [("forked", {"flow_id": "g", "version": 4})]
    flows.SaveState(flow_id="g", merge_patch=b'{"number": 9}')
    assert json.loads(flows.state("g"))["number"] == 9 and json.loads(flows.state("f"))["number"] == 4


@pytest.mark.parametrize("fields, number", [({"version": 2}, 2), ({"checkpoint": "c3"}, 3), ({"version_label": "l1"}, 1), ({}, 4)])
@pytest.mark.parametrize("with_history", [False, True])
def test_what_is_forked(flows, fields, number, with_history):
    source(flows)
    forked = flows.ForkFlow(flow_id="f", labels={"new": "1"}, metadata=b'{"why": 1}', with_history=with_history, **fields)
    assert (forked.source_version, forked.version) == (number, number if with_history else 1)
    new = flows.load(forked.flow_id)
    assert json.loads(new.state)["number"] == number
    assert (new.flow.phase, dict(new.flow.labels), new.version.metadata) == (f"p{number}", {"new": "1"}, b'{"why": 1}')


def test_a_fork_with_history(flows):
    source(flows, 7)
    forked = flows.ForkFlow(flow_id="f", version=5, new_flow_id="g", with_history=True)
    assert (forked.version, forked.source_version) == (5, 5)
    assert flows.versions("g") == flows.versions("f")[:5]
    for number in range(1, 6):
        there, here = flows.load("f", version=number), flows.load("g", version=number)
        assert (here.state, here.version) == (there.state, there.version)
        assert len(flows.LoadState(flow_id="g", version=number, include_writes=True).writes) == 1
    assert flows.load("g").flow.updated_at == flows.load("f", version=5).version.created_at
    assert len(flows.ListWrites(flow_id="g").writes) == 5
    names = [(each.name, each.version, each.description) for each in flows.ListCheckpoints(flow_id="g").checkpoints]
    assert names == [("c5", 5, ""), ("c3", 3, ""), ("c1", 1, "")]
    ids = [each.id for side in "fg" for each in flows.ListCheckpoints(flow_id=side).checkpoints]
    assert len(set(ids)) == len(ids)
    flows.SaveState(flow_id="g", json_patch=b'[{"op": "replace", "path": "/number", "value": 6}]')
    assert json.loads(flows.state("g"))["number"] == 6 and flows.load("g").flow.version == 6
    assert flows.RestoreCheckpoint(flow_id="g", checkpoint="c1").version == 7
    assert [each.flow_id for each in flows.ListFlows(filter={"flow_type": "t"}).flows] == ["g", "f"]


def test_a_fork_stands_alone(flows):
    """Its patches refer to its own versions: what becomes of the source does not matter."""
    text = random.Random(1).randbytes(20_000).hex()
    for number in range(30):
        flows.SaveState(flow_id="f", state=json.dumps({"n": number, "text": text}).encode())
    flows.ForkFlow(flow_id="f", new_flow_id="whole", with_history=True)
    flows.ForkFlow(flow_id="f", new_flow_id="one", version=17)
    flows.DeleteFlow(flow_id="f")
    assert [json.loads(flows.state("whole", version=number + 1))["n"] for number in range(30)] == list(range(30))
    assert json.loads(flows.state("one"))["n"] == 16


def test_the_new_id_must_be_new(flows):
    source(flows, 1)
    flows.save("gone")
    flows.DeleteFlow(flow_id="gone")
    for taken in ("f", "gone"):
        for with_history in (False, True):
            with refused(grpc.StatusCode.ALREADY_EXISTS, "FLOW_ALREADY_EXISTS"):
                flows.ForkFlow(flow_id="f", new_flow_id=taken, with_history=with_history)
    with invalid() as refusal:
        flows.ForkFlow(flow_id="f", new_flow_id="x" * 256)
    assert refusal.fields() == ["new_flow_id"]
    assert events(flows, "f") == []


def test_a_deleted_flow_is_forked_by_version(flows):
    source(flows, 2)
    flows.DeleteFlow(flow_id="f")
    with not_found():
        flows.ForkFlow(flow_id="f")
    with not_found("VERSION_NOT_FOUND") as refusal:
        flows.ForkFlow(flow_id="f", version=3)
    assert "deleted" in refusal.message
    for with_history in (False, True):
        assert json.loads(flows.state(flows.ForkFlow(flow_id="f", version=2, with_history=with_history).flow_id))["number"] == 2
    for fields, reason in (({"version": 9}, "VERSION_NOT_FOUND"), ({"checkpoint": "no"}, "CHECKPOINT_NOT_FOUND"),
                           ({"version_label": "no"}, "VERSION_NOT_FOUND")):
        with not_found(reason):
            flows.ForkFlow(flow_id="f", **fields)
    with not_found():
        flows.ForkFlow(flow_id="none")


@pytest.mark.parametrize("with_history", [False, True])
def test_a_retry_is_the_same_fork(flows, with_history):
    source(flows, 2)
    first = flows.ForkFlow(flow_id="f", idempotency_key="k", with_history=with_history)
    flows.save("f", b"3")
    again = flows.ForkFlow(flow_id="f", idempotency_key="k", with_history=with_history)
    assert again.replayed and (again.flow_id, again.version, again.source_version, again.created_at, again.digest) == (
        first.flow_id, first.version, 2, first.created_at, first.digest)
    with invalid("IDEMPOTENCY_KEY_REUSED"):
        flows.ForkFlow(flow_id="f", idempotency_key="k", with_history=not with_history)
    assert len(flows.ListFlows().flows) == 2


def test_many_forks_of_one_flow_at_once(flows):
    source(flows, 3)
    calls = [flows.stub.ForkFlow.future(
        flows.message("ForkFlow", flow_id="f", new_flow_id=f"g{number % 20}", with_history=number % 2 == 0, **key), metadata=flows.metadata)
        for number in range(40) for key in ({}, {"idempotency_key": f"k{number}"})]
    codes = [error.code() for error in (call.exception() for call in calls) if error is not None]
    assert set(codes) == {grpc.StatusCode.ALREADY_EXISTS} and len(codes) == 60
    assert len(flows.ListFlows().flows) == 21
    keyed = [flows.stub.ForkFlow.future(flows.message("ForkFlow", flow_id="f", idempotency_key="same"), metadata=flows.metadata) for _ in range(20)]
    assert len({call.result().flow_id for call in keyed}) == 1


def test_large_states_are_forked(flows):
    state = random.Random(1).randbytes(6 << 20)
    flows.save("f", state, content_type="application/octet-stream")
    for with_history in (False, True):
        new = flows.load(flows.ForkFlow(flow_id="f", with_history=with_history).flow_id)
        assert new.state == state and new.version.content_type == "application/octet-stream"


def test_a_fork_of_an_earlier_life_has_its_labels(flows):
    source(flows, 3)
    flows.DeleteFlow(flow_id="f")
    flows.save("f", b"5", revive=True, version_label="new")
    flows.ForkFlow(flow_id="f", version=2, new_flow_id="g", with_history=True)
    assert json.loads(flows.state("g", version_label="l1"))["number"] == 1
    assert [version.version for version in flows.ListVersions(flow_id="g", present_life=True).versions] == [2, 1]
