"""Versions by their labels: which one is expected, which one is the parent; tags; and deleted flows that go on."""

import json
import random
import threading

import grpc
import pytest
from flowstate.v1 import errors_pb2, types_pb2

from errors import conflict, invalid, not_found, refused

CREATED, SAVED, DELETED = types_pb2.VERSION_EVENT_CREATED, types_pb2.VERSION_EVENT_SAVED, types_pb2.VERSION_EVENT_DELETED


def test_the_latest_version_has_the_label_expected(flows):
    flows.save("f", b"1", version_label="a")
    assert flows.save("f", b"2", expected_version_label="a", version_label="b").version == 2
    for change in ({"state": b"3"}, {"merge_patch": b"{}"}):
        with conflict() as refusal:
            flows.SaveState(flow_id="f", expected_version_label="a", version_label="c", **change)
        told = refusal.detail(errors_pb2.VersionConflict)
        assert (told.actual, told.expected_label, told.actual_label) == (2, "a", "b")
        assert '"b"' in refusal.message
    assert flows.SaveState(flow_id="f", merge_patch=b"{}", expected_version_label="b").version == 3
    with conflict() as refusal:
        flows.save("f", b"4", expected_version_label="b")
    assert refusal.detail(errors_pb2.VersionConflict).actual_label == ""
    with conflict() as refusal:
        flows.save("none", b"4", expected_version_label="b")
    assert refusal.detail(errors_pb2.VersionConflict).actual == 0
    flows.DeleteFlow(flow_id="f")
    with not_found():
        flows.save("f", b"4", expected_version_label="b")
    with invalid() as refusal:
        flows.save("f", b"4", expected_version_label="")
    assert refusal.fields() == ["expected_version_label"]


def test_one_of_many_wins_by_label(server):
    flows = server.flows()
    flows.save("f", b"0", version_label="v0")
    won = []

    def work(number):
        for turn in range(20):
            try:
                won.append((turn, flows.save("f", b"%d" % number, expected_version_label=f"v{turn}", version_label=f"v{turn + 1}").version))
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.ABORTED
                while flows.load("f").flow.version < turn + 2:
                    pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [(turn, turn + 2) for turn in range(20)]


def test_parents_by_label(flows):
    flows.save("f", b"1", version_label="a")
    flows.save("f", b"2", version_label="b", parent_version_label="a")
    assert flows.load("f").version.parent_version == 1
    flows.save("f", b"3", version_label="a")
    flows.save("f", b"4", version_label="c", parent_version_label="a")
    flows.save("f", b"5", version_label="d", parent_version_label="b")
    flows.save("f", b"6", version_label="e", parent_version_label="not here")
    flows.save("f", b"7")
    parents = [(version.parent_version, version.parent_version_label) for version in flows.versions("f")]
    assert parents == [(0, ""), (1, "a"), (2, ""), (3, "a"), (2, "b"), (0, "not here"), (6, "")]
    for number, parent in enumerate(parents, 1):
        version = flows.load("f", version=number).version
        assert (version.parent_version, version.parent_version_label) == parent
    created = flows.save("new", b"1", parent_version_label="x", expected_version=0)
    assert created.version == 1 and flows.load("new").version.parent_version_label == "x"
    with invalid() as refusal:
        flows.save("f", b"8", parent_version_label="a", parent_version=1)
    assert refusal.fields() == ["parent_version_label"]


def test_the_latest_is_loaded_with_its_parent_and_tags(server):
    """From the cache and from the database alike, also when saves of one flow share a batch."""
    flows, there = server.flows(), []
    for number in range(30):
        fields = {"version_label": f"v{number}", "parent_version_label": f"v{max(number - 1, 0)}", "version_tags": {"step": str(number)}}
        flows.save("f", b"%d" % number, **fields)
        there.append(flows.load("f").version)
    assert [version for version in flows.versions("f")] == there

    futures = [flows.stub.SaveState.future(
        flows.message("SaveState", flow_id="g", state=b"%d" % number, version_label=f"v{number}", parent_version_label=f"v{number - 1}"),
        metadata=flows.metadata) for number in range(200)]
    answers = [future.result() for future in futures]
    assert sorted(answer.version for answer in answers) == list(range(1, 201))
    by_label = {}
    for version in flows.versions("g"):
        assert version.parent_version == by_label.get(version.parent_version_label, 0)
        by_label[version.version_label] = version.version
    assert flows.load("g").version == flows.versions("g")[-1]


def test_tags(flows):
    tags = {"run": "r1", "step": "1", "é\"\\": "", **{f"t{number}": "v" * 256 for number in range(5)}}
    flows.save("f", b"1", version_tags=tags)
    flows.save("f", b"2")
    assert [dict(version.version_tags) for version in flows.versions("f")] == [tags, {}]
    assert dict(flows.load("f", version=1).version.version_tags) == tags
    flows.SaveState(flow_id="f", merge_patch=b"{}", version_tags={"a": "b"})
    assert dict(flows.load("f").version.version_tags) == {"a": "b"}
    for bad in ({**tags, "more": ""}, {"": "x"}, {"x": "v" * 257}, {"x" * 257: ""}, {"a\n": "b"}):
        with invalid() as refusal:
            flows.save("f", b"3", version_tags=bad)
        assert refusal.fields()[0].startswith("version_tags")


def test_a_deleted_flow_goes_on(flows):
    flows.save("f", b"1", flow_type="t", phase="p", status="s", progress=50, labels={"a": "b"}, version_label="l")
    flows.DeleteFlow(flow_id="f")
    with not_found():
        flows.save("f", b"2")
    revived = flows.save("f", b'{"new": 1}', revive=True, labels={"c": "d"}, version_label="m")
    assert revived.version == 3
    snapshot = flows.load("f")
    flow = snapshot.flow
    assert (snapshot.state, flow.version, flow.deleted, flow.flow_type, flow.phase, flow.status, flow.HasField("progress"),
            dict(flow.labels)) == (b'{"new": 1}', 3, False, "", "", "", False, {"c": "d"})
    assert (snapshot.version.event, snapshot.version.parent_version) == (CREATED, 0)
    assert [version.event for version in flows.versions("f")] == [CREATED, DELETED, CREATED]
    assert flows.state("f", version=1) == b"1"
    assert flows.save("f", b"4", revive=True).version == 4
    assert flows.load("f").version.event == SAVED
    assert [each.flow_id for each in flows.ListFlows(filter={"labels": {"c": "d"}}).flows] == ["f"]
    assert flows.save("new", b"1", revive=True).version == 1


def test_reviving_expects_that_the_flow_does_not_exist(flows):
    flows.save("f", b"1")
    with conflict() as refusal:
        flows.save("f", b"2", revive=True, expected_version=0)
    assert refusal.detail(errors_pb2.VersionConflict).actual == 1
    flows.DeleteFlow(flow_id="f")
    assert flows.save("f", b"3", revive=True, expected_version=0, flow_type="other").version == 3
    assert flows.load("f").flow.flow_type == "other"
    for fields in ({"expected_version": 3}, {"expected_version_label": "x"}, {"lease_token": 1}, {"parent_version": 1}):
        with invalid() as refusal:
            flows.save("f", b"4", revive=True, **fields)
        assert refusal.fields() == ["revive"]
    with invalid() as refusal:
        flows.SaveState(flow_id="f", merge_patch=b"{}", revive=True)
    assert refusal.fields() == ["revive"]


def test_a_retry_of_a_revival_is_answered_again(flows):
    flows.save("f", b"1")
    flows.DeleteFlow(flow_id="f")
    answers = [flows.save("f", b"2", revive=True, idempotency_key="k") for _ in range(2)]
    assert [(answer.version, answer.replayed) for answer in answers] == [(3, False), (3, True)]
    flows.DeleteFlow(flow_id="f")
    assert flows.save("f", b"2", revive=True, idempotency_key="k").version == 3
    with not_found():
        flows.load("f")


def test_a_revived_flow_follows_its_definition(flows):
    flows.PutDefinition(document=json.dumps({
        "flow_type": "order", "on_save": "enforce", "rules": [{"name": "r", "rule": "required", "path": "/a"}]}).encode())
    flows.save("f", b'{"a": 1}', flow_type="order")
    flows.DeleteFlow(flow_id="f")
    with invalid("STATE_INVALID"):
        flows.save("f", b"{}", flow_type="order", revive=True)
    assert flows.save("f", b'{"a": 2}', flow_type="order", revive=True).version == 3
    assert flows.load("f").flow.definition_revision == 1
    flows.DeleteFlow(flow_id="f")
    assert flows.save("f", b"{}", revive=True).version == 5


def test_revived_with_checkpoint_writes_and_large_state(flows):
    state = json.dumps({"text": random.Random(1).randbytes(300_000).hex()}).encode()
    flows.save("f", state)
    flows.DeleteFlow(flow_id="f")
    flows.SaveState(flow_id="f", state=state, revive=True, version_label="l", checkpoint={"name": "c"},
                    writes=[{"task_id": "t", "channel": "c"}])
    answer = flows.LoadState(flow_id="f", checkpoint="c", include_writes=True)
    assert answer.snapshot.state == state and len(answer.writes) == 1
    flows.SaveState(flow_id="f", merge_patch=b'{"more": 1}')
    assert json.loads(flows.state("f"))["more"] == 1


def test_a_new_life_has_names_of_its_own(flows):
    """Checkpoints and pending writes of the life before are not in the way."""
    for turn, text in enumerate((b"old", b"new")):
        flows.SaveState(flow_id="f", state=b'"%s"' % text, version_label="l", checkpoint={"name": "c"}, revive=True,
                        writes=[{"task_id": "t", "channel": "c", "value": text}])
        answer = flows.LoadState(flow_id="f", version_label="l", include_writes=True)
        assert [each.write.value for each in answer.writes] == [text]
        assert flows.state("f", checkpoint="c") == b'"%s"' % text
        if turn == 0:
            flows.DeleteFlow(flow_id="f")
            assert len(flows.ListWrites(flow_id="f").writes) == 1
    names = [(each.name, each.version) for each in flows.ListCheckpoints(flow_id="f").checkpoints]
    assert names == [("c", 3), ("", 1)]


def test_recovery_stays_in_the_present_life(flows):
    flows.PutDefinition(document=b'{"flow_type": "t", "on_save": "off", "rules": [{"rule": "required", "path": "/a"}]}')
    flows.save("f", b'{"a": "before"}', flow_type="t", checkpoint={"name": "c"})
    flows.DeleteFlow(flow_id="f")
    flows.save("f", b'{"a": 1}', flow_type="t", revive=True)
    flows.save("f", b"{}")
    flows.RecoverFlow(flow_id="f", strategy="RECOVERY_STRATEGY_ROLLBACK_VERSION")
    assert flows.state("f") == b'{"a": 1}'
    flows.DeleteFlow(flow_id="f")
    flows.save("f", b"{}", flow_type="t", revive=True)
    for strategy in ("UNSPECIFIED", "ROLLBACK_CHECKPOINT", "ROLLBACK_VERSION"):
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "RECOVERY_FAILED"):
            flows.RecoverFlow(flow_id="f", strategy="RECOVERY_STRATEGY_" + strategy)


def test_recovery_passes_by_what_was_removed(flows):
    flows.PutDefinition(document=b'{"flow_type": "t", "on_save": "off", "rules": [{"rule": "required", "path": "/a"}]}')
    flows.save("f", b'{"a": 1}', flow_type="t", version_label="good")
    for number in range(130):
        flows.save("f", b'{"a": 2}', version_label=f"l{number}", version_tags={"run": "1"})
    flows.save("f", b"{}")
    flows.DeleteVersions(flow_id="f", tag="run", tag_values=["1"])
    flows.RecoverFlow(flow_id="f", strategy="RECOVERY_STRATEGY_ROLLBACK_VERSION")
    assert flows.state("f") == b'{"a": 1}'


@pytest.mark.parametrize("seed", range(3))
def test_random_lives_against_an_oracle(server, seed):
    """Saves, deletions and revivals: versions only grow, and each call ends as the rules say."""
    chosen, flows, version, alive, events = random.Random(seed), server.flows(), 0, False, []
    for step in range(150):
        what = chosen.choice(["save", "save", "delete", "revive", "create", "load"])
        state = b"%d" % step
        if what == "delete":
            if alive:
                version += 1
                assert flows.DeleteFlow(flow_id="f").version == version
                alive, events = False, [*events, DELETED]
            else:
                with not_found():
                    flows.DeleteFlow(flow_id="f")
        elif what == "load":
            if alive:
                assert flows.load("f").flow.version == version
            else:
                with not_found():
                    flows.load("f")
        elif what == "create" and (alive or version):
            with refused(grpc.StatusCode.ALREADY_EXISTS):
                flows.CreateFlow(flow_id="f", state=state)
        elif what == "save" and version and not alive:
            with not_found():
                flows.save("f", state)
        else:
            saved = flows.save("f", state, revive=what == "revive", version_label=f"l{step}")
            events.append(SAVED if alive else CREATED)
            version, alive = version + 1, True
            assert saved.version == version and flows.state("f") == state, (seed, step)
    assert [each.event for each in flows.versions("f")] == events


def test_many_revive_at_once(server):
    """One revives it, the others save to it."""
    flows = server.flows()
    for turn in range(10):
        flows.save("f", b"1", revive=True)
        flows.DeleteFlow(flow_id="f")
        before = flows.load("f", version=flows.versions("f")[-1].version).flow.version
        calls = [flows.stub.SaveState.future(
            flows.message("SaveState", flow_id="f", state=b"%d" % number, revive=True, **fields), metadata=flows.metadata)
            for number in range(20) for fields in ({}, {"expected_version": 0})]
        results = [call.exception() for call in calls]
        lost = [error for error in results if error is not None]
        assert all(error.code() == grpc.StatusCode.ABORTED for error in lost)
        assert flows.load("f").flow.version == before + 40 - len(lost)
        events = [each.event for each in flows.versions("f")][before:]
        assert events[0] == CREATED and set(events[1:]) <= {SAVED}
