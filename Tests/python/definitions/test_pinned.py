"""Which revision of its definition a flow follows, and labels that definitions take from states."""

import json

import grpc
import pytest
from flowstate.v1 import state_pb2, types_pb2

from errors import conflict, invalid, not_found


def put(flows, *required, flow_type="order", **more):
    document = {"flow_type": flow_type, "rules": [{"rule": "required", "path": f"/{name}"} for name in required], **more}
    return flows.PutDefinition(document=json.dumps(document).encode()).definition.revision


@pytest.fixture
def pinned(flows):
    """A flow that was made under revision 1, which asks for `a`; revision 2 asks for `b`."""
    assert put(flows, "a") == 1
    flows.save("old", b'{"a": 1}', flow_type="order")
    assert put(flows, "b") == 2
    return flows


def revision(flows, flow_id):
    return flows.load(flow_id).flow.definition_revision


def test_a_flow_follows_the_revision_that_it_was_made_under(pinned):
    assert pinned.save("old", b'{"a": 2}').version == 2
    assert pinned.save("old", b'{"a": 3}', flow_type="order").version == 3
    with invalid("STATE_INVALID"):
        pinned.save("old", b'{"b": 3}')
    with invalid("STATE_INVALID"):
        pinned.save("new", b'{"a": 1}', flow_type="order")
    pinned.save("new", b'{"b": 1}', flow_type="order")
    pinned.CreateFlow(flow_id="created", state=b'{"b": 1}', flow_type="order")
    assert [revision(pinned, flow) for flow in ("old", "new", "created")] == [1, 2, 2]
    listed = {flow.flow_id: flow.definition_revision for flow in pinned.ListFlows().flows}
    assert listed == {"old": 1, "new": 2, "created": 2}
    validated = pinned.ValidateState(flow_id="old")
    assert (validated.valid, validated.definition_revision) == (True, 1)
    # Asked by its type, a state is held against the latest.
    assert not pinned.ValidateState(flow_type="order", state=b'{"a": 1}').valid


def test_another_server_knows_too(start_server, postgresql):
    database = postgresql()
    one, other = (start_server(database_url=database.url).flows(tenant="pinned") for _ in range(2))
    put(one, "a")
    one.save("old", b'{"a": 1}', flow_type="order")
    put(one, "b")
    # It knows nothing of the flow.
    with invalid("STATE_INVALID"):
        other.save("old", b'{"b": 1}', flow_type="order")
    assert other.save("old", b'{"a": 2}', flow_type="order").version == 2
    other.save("old", b'{"a": 3, "b": 3}')
    assert one.MoveFlow(flow_id="old").flow.definition_revision == 2
    assert other.save("old", b'{"a": 4, "b": 4}').version == 5
    with invalid("STATE_INVALID"):
        other.save("old", b'{"a": 5}')


def test_a_server_that_knows_an_earlier_version_notices_a_move(start_server, postgresql):
    database = postgresql()
    one, other = (start_server(database_url=database.url).flows(tenant="pinned") for _ in range(2))
    put(one, "a")
    one.save("old", b'{"a": 1, "b": 1}', flow_type="order")
    put(one, "b")
    # Both know it by now.
    assert one.save("old", b'{"a": 2, "b": 2}', expected_version=1).version == 2
    assert other.save("old", b'{"a": 3, "b": 3}', expected_version=2).version == 3
    assert one.MoveFlow(flow_id="old").flow.version == 4
    for precondition in ({}, {"expected_version": 4}):
        with invalid("STATE_INVALID"):
            other.save("old", b'{"a": 5}', **precondition)
    with invalid("STATE_INVALID"):
        one.save("old", b'{"a": 5}')
    assert other.save("old", b'{"b": 5}', expected_version=4).version == 5


def test_a_flow_is_moved(pinned):
    with invalid("STATE_INVALID"):
        pinned.MoveFlow(flow_id="old")
    pinned.save("old", b'{"a": 2, "b": 2}')
    with conflict():
        pinned.MoveFlow(flow_id="old", expected_version=1)
    moved = pinned.MoveFlow(flow_id="old", expected_version=2, idempotency_key="once")
    assert (moved.flow.version, moved.from_revision, moved.flow.definition_revision) == (3, 1, 2)
    again = pinned.MoveFlow(flow_id="old", expected_version=2, idempotency_key="once")
    assert again.replayed and again.flow.version == 3
    version = pinned.load("old").version
    assert version.event == types_pb2.VERSION_EVENT_DEFINITION_MOVED and version.actor == "tester"
    assert json.loads(version.metadata) == {"from_revision": 1, "revision": 2}
    assert pinned.state("old") == b'{"a": 2, "b": 2}' and revision(pinned, "old") == 2
    pinned.save("old", b'{"b": 4}')
    # Back again.
    with invalid("STATE_INVALID"):
        pinned.MoveFlow(flow_id="old", revision=1)
    pinned.save("old", b'{"a": 5, "b": 5}')
    assert pinned.MoveFlow(flow_id="old", revision=1).flow.definition_revision == 1
    pinned.save("old", b'{"a": 7}')
    with not_found("DEFINITION_NOT_FOUND"):
        pinned.MoveFlow(flow_id="old", revision=3)
    with invalid():
        pinned.MoveFlow(flow_id="old", revision=-1)
    with not_found():
        pinned.MoveFlow(flow_id="nobody")


def test_a_flow_older_than_its_definition_follows_the_latest(flows):
    flows.save("f", b"{}", flow_type="order")
    put(flows, "a")
    assert revision(flows, "f") == 0
    with invalid("STATE_INVALID"):
        flows.save("f", b"{}")
    flows.save("f", b'{"a": 1}')
    put(flows, "b")
    with invalid("STATE_INVALID"):
        flows.save("f", b'{"a": 1}')
    flows.save("f", b'{"b": 1}')
    moved = flows.MoveFlow(flow_id="f", revision=2)
    assert (moved.from_revision, moved.flow.definition_revision) == (0, 2)


def test_steps_go_by_the_revision_too(flows):
    phases = [{"name": "first", "complete_on_leave": True}, {"name": "second", "requires": ["first"]}]
    put(flows, phases=phases, paths={"phase": "/phase", "completion": "/done"})
    flows.save("f", b'{"phase": "first", "done": {}}', flow_type="order")
    put(flows, phases=phases[:1], paths={"phase": "/phase", "completion": "/done"})
    assert flows.TransitionPhase(flow_id="f", phase="second").flow.phase == "second"
    flows.save("g", b'{"phase": "first", "done": {}}', flow_type="order")
    with pytest.raises(grpc.RpcError):
        flows.TransitionPhase(flow_id="g", phase="second")


LABELS = {"customer": "/customer/id", "vip": "/vip"}


def labels(flows, flow_id="f"):
    return dict(flows.load(flow_id).flow.labels)


def test_labels_come_from_the_state(flows):
    put(flows, labels=LABELS)
    flows.save("f", b'{"customer": {"id": "c-1"}, "vip": true}', flow_type="order", labels={"own": "1", "vip": "mine"})
    assert labels(flows) == {"customer": "c-1", "vip": "true", "own": "1"}
    flows.save("f", b'{"customer": {"id": 17}}')
    assert labels(flows) == {"customer": "17", "own": "1"}
    # What cannot be a label is none.
    for wrong in ('{"a": 1}', '"%s"' % ("x" * 300), '"a\\u0000b"', "null"):
        flows.save("f", b'{"customer": {"id": %s}, "vip": "yes"}' % wrong.encode())
        assert labels(flows) == {"vip": "yes", "own": "1"}
    flows.save("f", b'{"customer": {"id": "c-2"}}', labels={"other": "2"})
    assert labels(flows) == {"customer": "c-2", "other": "2"}
    flows.SetStatus(flow_id="f", status="open", set_labels={"third": "3"}, remove_labels=["other"])
    assert labels(flows) == {"customer": "c-2", "third": "3"}
    flows.SaveState(flow_id="f", merge_patch=b'{"customer": {"id": "c-3"}}')
    assert labels(flows) == {"customer": "c-3", "third": "3"}


def test_labels_follow_a_restored_checkpoint(flows):
    put(flows, labels=LABELS)
    flows.save("f", b'{"customer": {"id": "c-1"}}', flow_type="order", labels={"own": "1"}, checkpoint={"name": "first"})
    flows.save("f", b'{"customer": {"id": "c-2"}, "vip": true}')
    assert labels(flows) == {"customer": "c-2", "vip": "true", "own": "1"}
    flows.RestoreCheckpoint(flow_id="f", checkpoint="first")
    assert labels(flows) == {"customer": "c-1", "own": "1"}


def test_labels_that_no_revision_takes_any_more_go_with_a_move(flows):
    put(flows, labels=LABELS)
    flows.save("f", b'{"customer": {"id": "c-1"}, "vip": true}', flow_type="order", labels={"own": "1"})
    put(flows, labels={"vip": "/vip"})
    assert labels(flows) == {"customer": "c-1", "vip": "true", "own": "1"}
    assert dict(flows.MoveFlow(flow_id="f").flow.labels) == {"vip": "true", "own": "1"}
    assert labels(flows) == {"vip": "true", "own": "1"}


def test_flows_are_found_by_what_stands_in_them(flows):
    put(flows, labels=LABELS)
    for number in range(9):
        flows.save(f"f{number}", b'{"customer": {"id": "c-%d"}}' % (number % 3), flow_type="order")
    found = flows.ListFlows(filter=state_pb2.FlowFilter(labels={"customer": "c-1"})).flows
    assert sorted(flow.flow_id for flow in found) == ["f1", "f4", "f7"]


def test_labels_of_saves_that_come_together(flows):
    """Whatever shares a statement: the last save counts, and a client's own labels stay."""
    put(flows, labels=LABELS)
    flows.save("f", b'{"vip": 0}', flow_type="order", labels={"own": "1"})
    calls = [
        flows.stub.SaveState.future(
            flows.message("SaveState", flow_id="f", state=b'{"vip": %d, "customer": {"id": "c"}}' % number), metadata=flows.metadata)
        for number in range(1, 200)]
    versions = {call.result(timeout=30).version: number for number, call in enumerate(calls, start=1)}
    assert labels(flows) == {"own": "1", "customer": "c", "vip": str(versions[200])}


@pytest.mark.parametrize("wrong, path", [
    ({"": "/a"}, "/labels"), ({"a": "b"}, "/labels/a"), ({"a": 1}, "/labels/a"), ({"a": ""}, "/labels/a"), ({"x" * 257: "/a"}, "/labels/x"),
    ({f"l{number}": "/a" for number in range(65)}, "/labels")])
def test_labels_that_cannot_work_are_refused(flows, wrong, path):
    with invalid("DEFINITION_INVALID") as refusal:
        put(flows, labels=wrong)
    assert path in refusal.message
