"""Removal on request: flows by labels, versions by tags or all but some; and what is left is the flow."""

import random

import grpc
import pytest
from flowstate.v1 import state_pb2, types_pb2

from errors import invalid, not_found, refused

LABELS = state_pb2.VERSION_ORDER_LABEL_DESC


def listed(flows, flow_id="f", **fields):
    return [(version.version, version.version_label) for version in flows.ListVersions(flow_id=flow_id, page_size=1000, **fields).versions]


def keep(newest=0, labels=()):
    return state_pb2.KeptVersions(newest=newest, labels=labels)


def test_flows_by_their_labels(flows):
    for number in range(6):
        flows.save(f"f{number}", b"1", labels={"thread": str(number % 2), "kind": "x"})
    flows.save("other", b"1", labels={"thread": "7"})
    assert flows.DeleteFlows(labels={"thread": "1", "kind": "x"}).flow_ids == ["f1", "f3", "f5"]
    assert flows.DeleteFlows(labels={"thread": "1"}).flow_ids == [] == flows.DeleteFlows(labels={"none": "x"}).flow_ids
    assert sorted(each.flow_id for each in flows.ListFlows().flows) == ["f0", "f2", "f4", "other"]
    with not_found():
        flows.save("f1", b"2")
    assert [version.event for version in flows.versions("f1")] == [types_pb2.VERSION_EVENT_CREATED, types_pb2.VERSION_EVENT_DELETED]
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_FLOWS"):
        flows.DeleteFlows(labels={"kind": "x"}, at_most=2)
    assert len(flows.ListFlows().flows) == 4
    assert flows.DeleteFlows(labels={"kind": "x"}, at_most=3).flow_ids == ["f0", "f2", "f4"]
    for fields, wrong in (({}, "labels"), ({"labels": {"a": "b"}, "at_most": 1001}, "at_most"), ({"labels": {"a": "b"}, "at_most": -1}, "at_most")):
        with invalid() as refusal:
            flows.DeleteFlows(**fields)
        assert refusal.fields() == [wrong]


def test_deleting_many_flows_while_they_are_saved(flows):
    for number in range(200):
        flows.save(f"f{number}", b"1", labels={"a": "b"})
    saves = [flows.stub.SaveState.future(flows.message("SaveState", flow_id=f"f{number}", state=b"2"), metadata=flows.metadata)
             for _ in range(3) for number in range(200)]
    assert len(flows.DeleteFlows(labels={"a": "b"}).flow_ids) == 200
    codes = {error.code() for error in (save.exception() for save in saves) if error is not None}
    assert codes <= {grpc.StatusCode.NOT_FOUND} and flows.ListFlows().flows == []


def fill(flows, flow_id="f", **fields):
    for number, run in enumerate(["1", "1", "2", "3", "3"], 1):
        flows.SaveState(flow_id=flow_id, state=b'{"n": %d, "t": "%s"}' % (number, b"words " * 30), version_label=f"l{number}",
                        version_tags={"run": run}, phase=f"p{number}", status=f"s{number}", parent_version_label=f"l{number - 1}", **fields)


def test_versions_by_a_tag(flows):
    fill(flows)
    assert flows.DeleteVersions(flow_id="f", tag="run", tag_values=["1"], dry_run=True).deleted == 2
    assert len(listed(flows)) == 5
    assert flows.DeleteVersions(flow_id="f", tag="run", tag_values=["1", "9"]).deleted == 2
    assert listed(flows) == [(5, "l5"), (4, "l4"), (3, "l3")]
    for selector in ({"version": 1}, {"version_label": "l2"}):
        with not_found("VERSION_NOT_FOUND"):
            flows.load("f", **selector)
    assert flows.load("f").version.version == 5
    entries = flows.ListQuarantine(flow_id="f").entries
    assert [(entry.version, entry.reason) for entry in entries] == [(2, "removed on request"), (1, "removed on request")]
    assert flows.GetQuarantined(id=entries[0].id).state.startswith(b'{"n": 2')
    events = [entry.event.details for entry in flows.GetHistory(flow_id="f").entries if entry.event.kind == "versions_removed"]
    assert events == [b'{"versions": 2}']
    assert flows.DeleteVersions(flow_id="f", tag="run", tag_values=["1"]).deleted == 0
    assert flows.DeleteVersions(flow_id="f", tag="run").deleted == 0
    with not_found("VERSION_NOT_FOUND"):
        flows.ListVersions(flow_id="f", ancestors_of_label="l2")
    flows.DeleteVersions(flow_id="f", tag="run", tag_values=["2"])
    assert [version.version for version in flows.ListVersions(flow_id="f", ancestors_of_label="l5").versions] == [4]
    flows.save("f", b"{}", version_label="l6", parent_version_label="l3")
    assert flows.load("f").version.parent_version == 0


def test_the_line_of_ancestors_passes_by_what_was_removed(flows):
    fill(flows)
    flows.DeleteVersions(flow_id="f", tag="run", tag_values=["2"])
    for size in (1, 2, 100):
        token, found = "", []
        while True:
            page = flows.ListVersions(flow_id="f", ancestors_of_label="l5", page_size=size, page_token=token)
            found += [version.version for version in page.versions]
            token = page.next_page_token
            if not token:
                break
        assert found == [4, 2, 1]


def test_writes_go_with_the_last_version_of_their_label(flows):
    def write(value):
        return {"task_id": "t", "channel": "c", "value": value}

    for number, label in enumerate(["a", "b", "b", "c"]):
        flows.save("f", b"%d" % number, version_label=label, version_tags={"run": str(number)}, writes=[write(b"old")])
    flows.DeleteVersions(flow_id="f", tag="run", tag_values=["0", "1"])
    assert {each.version_label for each in flows.ListWrites(flow_id="f").writes} == {"b", "c"}
    flows.DeleteVersions(flow_id="f", tag="run", tag_values=["2", "3"], dry_run=True)
    assert {each.version_label for each in flows.ListWrites(flow_id="f").writes} == {"b", "c"}
    flows.save("f", b"[]", version_label="a", writes=[write(b"new")])
    assert [each.write.value for each in flows.LoadState(flow_id="f", include_writes=True).writes] == [b"new"]


def test_retention_does_not_count_what_was_removed(flows):
    flows.PutDefinition(document=b'{"flow_type": "t", "on_save": "off", "retention": {"versions": 3}}')
    for number in range(1, 6):
        flows.save("f", b"%d" % number, flow_type="t", version_label=f"l{number}", version_tags={"run": str(number)})
    flows.DeleteVersions(flow_id="f", tag="run", tag_values=["3", "4", "5"])
    flows.Cleanup()
    assert [version for version, _ in listed(flows)] == [6, 2, 1]


def test_the_head_goes_back_to_what_is_left(flows):
    fill(flows)
    assert flows.DeleteVersions(flow_id="f", tag="run", tag_values=["3"]).deleted == 2
    snapshot = flows.load("f")
    assert (snapshot.flow.version, snapshot.flow.phase, snapshot.flow.status) == (6, "p3", "s3")
    assert (snapshot.version.version_label, snapshot.version.parent_version, dict(snapshot.version.version_tags)) == ("l3", 2, {"run": "2"})
    assert snapshot.version.event == types_pb2.VERSION_EVENT_RESTORED and snapshot.state.startswith(b'{"n": 3')
    assert listed(flows) == [(6, "l3"), (3, "l3"), (2, "l2"), (1, "l1")]
    assert listed(flows, newest_of_label=True) == [(6, "l3"), (2, "l2"), (1, "l1")]
    assert flows.LoadState(flow_id="f", greatest_version_label=True).snapshot.version.version == 6
    assert flows.save("f", b"7").version == 7
    assert flows.LoadState(flow_id="f").snapshot.state == b"7"


def test_a_flow_of_which_nothing_is_left_is_deleted(flows):
    fill(flows)
    assert flows.DeleteVersions(flow_id="f", tag="run", tag_values=["1", "2", "3"]).deleted == 5
    with not_found():
        flows.load("f")
    with not_found():
        flows.DeleteVersions(flow_id="f", tag="run", tag_values=["1"])
    assert flows.save("f", b"7", revive=True, version_label="new").version == 7
    assert listed(flows, present_life=True) == [(7, "new")]


def test_all_but_the_newest(flows):
    fill(flows)
    flows.save("f", b"6")
    assert flows.DeleteVersions(flow_id="f", keep=keep(2, ["l1"]), dry_run=True).deleted == 2
    assert flows.DeleteVersions(flow_id="f", keep=keep(2, ["l1"])).deleted == 2
    assert listed(flows) == [(6, ""), (5, "l5"), (4, "l4"), (1, "l1")]
    assert flows.DeleteVersions(flow_id="f", keep=keep(9)).deleted == 0
    assert flows.DeleteVersions(flow_id="f", keep=keep()).deleted == 3
    assert listed(flows) == [(6, "")]


def test_versions_with_a_checkpoint_stay(flows):
    fill(flows)
    flows.CreateCheckpoint(flow_id="f", name="c", version=4)
    assert flows.DeleteVersions(flow_id="f", keep=keep()).deleted == 4
    assert listed(flows) == [(6, "l4"), (4, "l4")]
    assert flows.state("f", checkpoint="c").startswith(b'{"n": 4')


def test_what_a_removed_version_is_not_good_for(flows):
    fill(flows)
    flows.DeleteVersions(flow_id="f", tag="run", tag_values=["1"])
    for call, fields in ((flows.CreateCheckpoint, {"version": 1}), (flows.DiffVersions, {"from_version": 1}), (flows.ForkFlow, {"version": 2}),
                         (flows.load, {"version": 2})):
        with not_found("VERSION_NOT_FOUND"):
            call(flow_id="f", **fields)
    flows.ForkFlow(flow_id="f", new_flow_id="g", with_history=True)
    assert listed(flows, "g") == listed(flows)
    with not_found("VERSION_NOT_FOUND"):
        flows.load("g", version=1)


def test_a_removed_version_comes_back_from_quarantine(flows):
    fill(flows)
    flows.DeleteVersions(flow_id="f", tag="run", tag_values=["3"])
    entry = flows.ListQuarantine(flow_id="f").entries[0]
    assert entry.version == 5
    assert flows.RestoreQuarantined(id=entry.id).version == 7
    assert flows.state("f").startswith(b'{"n": 5')


def test_versions_of_flows(flows):
    for flow_id in ("f", "g", "h"):
        fill(flows, flow_id, labels={"kind": "thread" if flow_id != "h" else "x"})
    flows.save("i", b"1", labels={"kind": "thread"}, version_label="l9")
    assert flows.DeleteVersions(flow_labels={"kind": "thread"}, tag="run", tag_values=["1", "2"]).deleted == 6
    assert [len(listed(flows, flow_id)) for flow_id in "fghi"] == [2, 2, 5, 1]
    assert flows.DeleteVersions(flow_labels={"kind": "thread"}, keep=keep(1)).deleted == 2
    for fields, wrong in (({"keep": keep(1)}, "flow_id"), ({"flow_id": "f"}, "tag"), ({"flow_id": "f", "tag": "t", "keep": keep(1)}, "keep"),
                          ({"flow_id": "f", "keep": keep(-1)}, "keep.newest"), ({"flow_id": "f", "flow_labels": {"a": "b"}, "tag": "t"}, "flow_labels"),
                          ({"flow_id": "f", "tag": "t" * 257, "tag_values": ["a"]}, "tag")):
        with invalid() as refusal:
            flows.DeleteVersions(**fields)
        assert refusal.fields() == [wrong]
    with not_found():
        flows.DeleteVersions(flow_id="none", keep=keep(1))


def test_more_flows_than_a_call_may_have(limited_server):
    flows = limited_server({"flows-per-call": 2}).flows()
    for number in range(3):
        fill(flows, f"f{number}", labels={"a": "b"})
    for call in (lambda: flows.DeleteVersions(flow_labels={"a": "b"}, keep=keep(1)), lambda: flows.DeleteFlows(labels={"a": "b"}),
                 lambda: flows.DeleteVersions(flow_labels={"a": "b"}, tag="run", tag_values=["1"])):
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_FLOWS"):
            call()
    assert [len(listed(flows, f"f{number}")) for number in range(3)] == [5, 5, 5]


@pytest.mark.parametrize("seed", range(4))
def test_random_removals_against_an_oracle(server, seed):
    """Saves, removals by tag and all but some: what lists and loads find is what the rules leave."""
    chosen, flows = random.Random(seed), server.flows()
    versions, number, alive = [], 0, False
    for step in range(120):
        what = chosen.choice(["save", "save", "save", "tag", "keep", "load"])
        if what == "save":
            label, run = f"l{chosen.randrange(12):02}", str(chosen.randrange(5))
            state = b'{"step": %d, "text": "%s"}' % (step, b"the same " * 20)
            saved = flows.save("f", state, version_label=label, version_tags={"run": run}, revive=True)
            number += 1
            assert saved.version == number, (seed, step)
            versions, alive = [*(versions if alive else []), (number, label, run, state)], True
        elif not alive:
            with not_found():
                flows.load("f")
        elif what == "load":
            label = max(each[1] for each in versions)
            newest = [each for each in versions if each[1] == label][-1]
            loaded = flows.LoadState(flow_id="f", greatest_version_label=True).snapshot
            assert (loaded.version.version, loaded.state) == (newest[0], newest[3]), (seed, step)
        else:
            runs, kept = [str(chosen.randrange(5))], sorted({each[1] for each in versions})[-4:]
            gone = [each for each in versions if (each[2] in runs if what == "tag" else each[1] not in kept)]
            fields = {"tag": "run", "tag_values": runs} if what == "tag" else {"keep": keep(4)}
            assert flows.DeleteVersions(flow_id="f", **fields).deleted == len(gone), (seed, step)
            left = [each for each in versions if each not in gone]
            if gone and gone[-1] == versions[-1]:
                number += 1
                alive = bool(left)
                if left:
                    left.append((number, *left[-1][1:]))
            versions = left
        if alive:
            assert [version for version, _ in listed(flows, present_life=True)] == [each[0] for each in reversed(versions)], (seed, step)
            assert flows.state("f") == versions[-1][3]
            for version, _, _, state in versions:
                assert flows.state("f", version=version) == state
