"""No flow gets more labels than it may: those of its clients and those that its definition takes from states count together."""

import json

import pytest
from flowstate.v1 import recovery_pb2, types_pb2

from command_line import INVALID, Cli
from errors import invalid

LIMIT = 4
PLACES = {"a": "/a", "b": "/b", "status": "/status"}
BOTH = b'{"a": 1, "b": 2}'


@pytest.fixture(scope="module")
def small(limited_server):
    return limited_server({"labels": LIMIT})


@pytest.fixture
def flows(small):
    small.tenants = getattr(small, "tenants", 0) + 1
    return small.flows(f"t{small.tenants}")


def put(flows, labels=PLACES, **more):
    flows.PutDefinition(document=json.dumps({"flow_type": "order", "labels": labels, **more}).encode())


def own(count):
    return {f"own{number}": "x" for number in range(count)}


def labels(flows, flow_id="f"):
    return dict(flows.load(flow_id).flow.labels)


def with_labels(flows, count, flow_id="f", state=b"{}", **more):
    """A flow with so many labels of its client's."""
    put(flows, **more)
    flows.save(flow_id, state, flow_type="order", labels=own(count))
    return flows


def refused(flows, call, expected=LIMIT + 1, flow_id="f"):
    before = flows.load(flow_id)
    with invalid() as refusal:
        call()
    assert refusal.fields() == ["labels"] and f"are {expected} with" in refusal.message and f"limit is {LIMIT}" in refusal.message
    assert flows.load(flow_id) == before, "nothing was lost or applied"


def test_saves(flows):
    with_labels(flows, 2)
    flows.save("f", b'{"a": 1}')
    flows.save("f", BOTH)
    assert labels(flows) == {**own(2), "a": "1", "b": "2"}
    flows.save("f", labels=own(3))
    flows.save("f", b'{"a": 1}')
    version = flows.load("f").version.version
    for fields in ({}, {"expected_version": version}, {"idempotency_key": "once"}, {"checkpoint": types_pb2.CheckpointSpec(name="c")},
                   {"parent_version": 1}):
        refused(flows, lambda fields=fields: flows.save("f", BOTH, **fields))
    for fields in ({}, {"expected_version": 0}):
        with invalid() as refusal:
            flows.save("new", BOTH, flow_type="order", labels=own(3), **fields)
        assert refusal.fields() == ["labels"]
    assert flows.save("f", BOTH, labels=own(2), idempotency_key="twice").version == version + 1
    flows.save("f", labels=own(LIMIT))
    assert flows.save("f", BOTH, labels=own(2), idempotency_key="twice").replayed


def test_saves_that_share_a_batch(flows):
    """Of several flows, and several of one flow: each is answered for itself."""
    put(flows)
    for number in range(20):
        flows.save(f"f{number}", flow_type="order", labels=own(3))
    saves = []
    for number in range(20):
        for _ in range(3):
            saves.append((number, BOTH if number % 2 else b'{"a": 1}'))
        saves.append((number, b'{"b": 1}'))
    calls = [flows.stub.SaveState.future(flows.message("SaveState", flow_id=f"f{number}", state=state), metadata=flows.metadata, timeout=30)
             for number, state in saves]
    for (_, state), call in zip(saves, calls):
        assert (call.exception() is None) == (state != BOTH), call.exception()
    for number in range(20):
        assert len(labels(flows, f"f{number}")) == LIMIT
        assert flows.load(f"f{number}").version.version == (2 if number % 2 else 5)


def test_patches_and_steps(flows):
    with_labels(
        flows, 3, state=b'{"a": 1}', paths={"status": "/status"}, statuses=[{"name": "new"}, {"name": "failed", "error": True}],
        recovery={"automatic_depth": "minimal"})
    refused(flows, lambda: flows.SaveState(flow_id="f", merge_patch=b'{"b": 1}'))
    refused(flows, lambda: flows.SaveState(flow_id="f", json_patch=b'[{"op": "add", "path": "/b", "value": 1}]'))
    refused(flows, lambda: flows.SetStatus(flow_id="f", status="new"))
    flows.SaveState(flow_id="f", merge_patch=b'{"a": null, "b": 1}')
    assert labels(flows) == {**own(3), "b": "1"}
    with invalid() as refusal:
        flows.SetStatus(flow_id="f", set_labels={"more": "x"})
    assert refusal.fields() == ["set_labels"]
    flows.SetStatus(flow_id="f", status="new", remove_labels=["own2"])
    assert labels(flows) == {**own(2), "b": "1", "status": "new"}


def test_an_error_is_recorded_in_any_case(flows):
    """It refuses nothing because of the flow: the labels stay as they are."""
    with_labels(flows, LIMIT, paths={"status": "/status"}, statuses=[{"name": "failed", "error": True}])
    assert flows.ReportError(flow_id="f", message="it broke").flow.status == "failed"
    assert flows.load("f").flow.status == "failed" and labels(flows) == own(LIMIT)


def test_what_brings_a_state_back(flows):
    with_labels(flows, 2, state=BOTH)
    flows.CreateCheckpoint(flow_id="f", name="both")
    flows.save("f", labels=own(3))
    refused(flows, lambda: flows.RestoreCheckpoint(flow_id="f", checkpoint="both"))
    refused(flows, lambda: flows.RestoreCheckpoint(flow_id="f", checkpoint="both", idempotency_key="once"))
    strategy = recovery_pb2.RECOVERY_STRATEGY_ROLLBACK_CHECKPOINT
    refused(flows, lambda: flows.RecoverFlow(flow_id="f", strategy=strategy, checkpoint="both"))
    flows.save("f", labels=own(2))
    flows.RestoreCheckpoint(flow_id="f", checkpoint="both")
    assert labels(flows) == {**own(2), "a": "1", "b": "2"}


def test_moves(flows):
    with_labels(flows, 3, state=BOTH, labels={"a": "/a"})
    put(flows, {"a": "/a", "b": "/b"})
    refused(flows, lambda: flows.MoveFlow(flow_id="f"))
    assert flows.load("f").flow.definition_revision == 1
    put(flows, {"b": "/b"})
    assert dict(flows.MoveFlow(flow_id="f").flow.labels) == {**own(3), "b": "2"}


def test_a_flow_with_more_by_a_higher_limit(start_server):
    """It keeps them, is saved, and gets no more."""
    server = start_server(limits={"labels": LIMIT + 2})
    with_labels(server.flows("kept"), LIMIT, state=BOTH)
    data = server.data
    server.close_channels()
    server.terminate()
    assert server.wait() == 0
    server.arguments = ["--data-directory", str(data), "--limit", f"labels={LIMIT}"]
    flows = server.start().flows("kept")
    flows.save("f", b'{"a": 2, "b": 3}')
    flows.SaveState(flow_id="f", merge_patch=b'{"b": 4}')
    assert labels(flows) == {**own(LIMIT), "a": "2", "b": "4"}
    refused(flows, lambda: flows.save("f", b'{"a": 2, "b": 3, "status": "x"}'), expected=LIMIT + 3)
    flows.save("f", b'{"a": 2}')
    refused(flows, lambda: flows.save("f", b'{"a": 2, "b": 3}'), expected=LIMIT + 2)
    flows.SetStatus(flow_id="f", remove_labels=["own0"])
    assert len(labels(flows)) == LIMIT


@pytest.fixture
def large(limited_server):
    return limited_server({"labels": LIMIT + 2})


def moved(flowstate_bin, source, target, archive):
    """Exports from one server and imports into the other; the import's exit code and what it says."""
    assert source.run("archive", "export", archive).returncode == 0
    ended = target.run("archive", "import", archive, "--output", "json")
    return ended.returncode, json.loads(ended.stdout), ended.stderr


def test_archives_of_flows_with_more_labels(flowstate_bin, small, large, tmp_path):
    """As many come along as fit; what is left out is told, counted and shown by the exit code."""
    source, target = Cli(flowstate_bin, large.endpoint), Cli(flowstate_bin, small.endpoint)
    flows = large.flows(source.environment["FLOWSTATE_TENANT"])
    flows.save("more", labels=own(LIMIT + 1))
    flows.save("fits", labels=own(LIMIT))
    code, tally, notes = moved(flowstate_bin, source, target, str(tmp_path / "a.fsa"))
    assert code == INVALID and (tally["created"], tally["different"], tally["without_labels"]) == (2, 1, 1)
    assert b"flow 'more'" in notes and b"labels" in notes
    imported = small.flows(target.environment["FLOWSTATE_TENANT"])
    assert labels(imported, "fits") == own(LIMIT) and labels(imported, "more") == own(LIMIT)


def test_archives_whose_early_versions_had_other_labels(flowstate_bin, small, tmp_path):
    """Each version had as many as a flow may have, but with the flow's last ones they would be too many."""
    source, target = Cli(flowstate_bin, small.endpoint), Cli(flowstate_bin, small.endpoint)
    flows = small.flows(source.environment["FLOWSTATE_TENANT"])
    with_labels(flows, 1, state=BOTH)
    flows.save("f", b'{"a": 1}', labels=own(2))
    flows.save("f", b'{"a": 1, "b": 1}')
    flows.save("f", b"{}", labels=own(LIMIT))
    imported = small.flows(target.environment["FLOWSTATE_TENANT"])
    put(imported)
    code, tally, notes = moved(flowstate_bin, source, target, str(tmp_path / "a.fsa"))
    assert (code, tally["created"], tally["different"], tally["versions_saved"]) == (0, 1, 0, 4), notes
    assert labels(imported) == own(LIMIT)
    assert [imported.state("f", version=number) for number in (1, 2, 3)] == [BOTH, b'{"a": 1}', b'{"a": 1, "b": 1}']
