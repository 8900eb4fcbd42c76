"""state.proto: creating, saving, loading, listing, comparing, deleting flows, and their checkpoints."""

import json
import uuid

import grpc
import pytest
import xxhash
from google.protobuf.timestamp_pb2 import Timestamp

from errors import conflict, invalid, not_found, refused
from promises import promise

FAILED, ALREADY = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ALREADY_EXISTS
ENFORCED = {
    "flow_type": "order", "on_save": "enforce", "paths": {"phase": "/phase"},
    "phases": [{"name": "cart"}, {"name": "paid", "requires": ["cart"]}, {"name": "sent", "requires": ["paid"]}]}


def time(nanoseconds):
    stamp = Timestamp()
    stamp.FromNanoseconds(nanoseconds)
    return stamp


def put(flows, **definition):
    flows.PutDefinition(document=json.dumps(definition).encode())


# CreateFlow


@promise(
    "state",
    "ALREADY_EXISTS (FLOW_ALREADY_EXISTS) when there is one with that id, deleted or not.",
    "Empty: the server generates a UUIDv7.",
    "Always 1.")
def test_create(flows):
    made = flows.CreateFlow(state=b"{}")
    assert uuid.UUID(made.flow_id).version == 7 and made.version == 1 and made.digest == xxhash.xxh3_128_digest(b"{}")
    for delete in (False, True):
        if delete:
            flows.DeleteFlow(flow_id=made.flow_id)
        with refused(ALREADY, "FLOW_ALREADY_EXISTS"):
            flows.CreateFlow(flow_id=made.flow_id, state=b"{}")


@promise("state", "Empty under `application/json`, it is the initial state of the type's definition, if that has one.")
def test_initial_state(flows):
    put(flows, flow_type="t", on_save="off", initial_state={"a": [1]})
    made = flows.CreateFlow(flow_type="t")
    assert json.loads(flows.state(made.flow_id)) == {"a": [1]}
    assert flows.state(flows.CreateFlow(flow_type="t", content_type="a/b").flow_id) == b""
    with invalid("STATE_INVALID"):
        flows.CreateFlow(flow_type="none")


@promise("state", "The phase to begin in; empty: the definition's first, or none.")
def test_a_flow_without_a_definition_begins_in_no_phase(flows):
    flows.CreateFlow(flow_id="f", state=b"{}")
    assert flows.load("f").flow.phase == ""


@promise("state", "The phase to begin in; empty: the definition's first, or none.")
@pytest.mark.parametrize("create", ["CreateFlow", "SaveState"])
def test_a_flow_begins_in_the_first_phase(flows, create):
    put(flows, **ENFORCED)
    getattr(flows, create)(flow_id="f", flow_type="order", state=b"{}")
    assert flows.load("f").flow.phase == "cart"


# SaveState


@promise("state", "A phase that an enforced definition does not allow next answers FAILED_PRECONDITION (TRANSITION_NOT_ALLOWED).")
@pytest.mark.parametrize("phase", ["sent", "nonsense"])
def test_a_save_goes_where_the_definition_allows(flows, phase):
    put(flows, **ENFORCED)
    flows.CreateFlow(flow_id="f", flow_type="order", state=b'{"phase": "cart"}')
    with refused(FAILED, "TRANSITION_NOT_ALLOWED"):
        flows.save("f", b'{"phase": "cart"}', phase=phase)
    assert flows.load("f").flow.version == 1


@promise(
    "state",
    "State, checkpoint, pending writes and audit entry are committed together.",
    "The checkpoint's id when the request asked for one; else empty.")
def test_a_save_and_its_checkpoint(flows):
    saved = flows.save("f", checkpoint={"name": "n", "description": "d"})
    [checkpoint] = flows.ListCheckpoints(flow_id="f").checkpoints
    assert (checkpoint.id, checkpoint.version, checkpoint.name, checkpoint.description) == (saved.checkpoint_id, 1, "n", "d")
    assert flows.save("f").checkpoint_id == ""
    with refused(ALREADY, "CHECKPOINT_ALREADY_EXISTS"):
        flows.save("f", b"[]", checkpoint={"name": "n"})
    assert flows.load("f").flow.version == 2, "neither of both"


@promise("state", "The flow must be at this version; 0: it must not exist, and the save creates it. Negative ones answer INVALID_ARGUMENT.",
         "ABORTED (VERSION_CONFLICT) when it does not hold.", "`false` answers INVALID_ARGUMENT.")
def test_preconditions(flows):
    with conflict():
        flows.save("f", expected_version=1)
    assert flows.save("f", expected_version=0).version == 1
    assert flows.save("f", expected_version=1).version == 2
    assert flows.save("f", any_version=True).version == 3
    for wrong in (0, 1, 2, 4, 2**40):
        with conflict():
            flows.save("f", expected_version=wrong)
    for field, value in (("expected_version", -1), ("any_version", False)):
        with invalid() as refusal:
            flows.save("f", **{field: value})
        assert refusal.fields() == [field]


@promise("state", "Empty: the phase stays.", "Empty: the status stays.", "Not set: the progress stays.",
         "Empty: the labels stay; else they are replaced.", "else empty or the same as the flow's.")
def test_what_a_save_does_not_name_stays(flows):
    flows.save("f", flow_type="t", phase="p", status="s", progress=5, labels={"a": "1", "b": "2"})
    for fields in ({}, {"flow_type": "t"}):
        flows.save("f", **fields)
        head = flows.load("f").flow
        assert (head.flow_type, head.phase, head.status, head.progress, dict(head.labels)) == ("t", "p", "s", 5, {"a": "1", "b": "2"})
    flows.save("f", labels={"c": ""}, progress=0)
    head = flows.load("f").flow
    assert (dict(head.labels), head.progress, head.WhichOneof("progress_value")) == ({"c": ""}, 0, "progress")
    with invalid() as refusal:
        flows.save("f", flow_type="other")
    assert refusal.fields() == ["flow_type"]


@promise(
    "state",
    "One of them is required.",
    "FLOW_NOT_FOUND when there is no flow.",
    "FAILED_PRECONDITION (PATCH_NOT_APPLICABLE) when a `test` fails, or a path is not there.",
    "What it does not touch keeps its spelling.")
def test_changes(flows):
    with invalid() as refusal:
        flows.SaveState(flow_id="f")
    assert refusal.fields() == ["state"]
    for patch in ({"merge_patch": b"{}"}, {"json_patch": b"[]"}):
        with not_found():
            flows.SaveState(flow_id="f", **patch)
    flows.save("f", b'{ "a":1.0e0,"b" : [1,  2] }')
    flows.SaveState(flow_id="f", merge_patch=b'{"c": 3}')
    assert flows.state("f") == b'{"a":1.0e0,"b":[1,  2],"c":3}', "numbers and what is inside of other members"
    for operations in ([{"op": "test", "path": "/a", "value": 2}], [{"op": "remove", "path": "/none"}]):
        with refused(FAILED, "PATCH_NOT_APPLICABLE"):
            flows.SaveState(flow_id="f", json_patch=json.dumps(operations).encode())


@promise("state", "The version this one was made from, for clients that branch; 0: the version before.", "255 bytes at most.")
def test_parents_and_version_labels(flows):
    flows.save("f")
    flows.save("f", parent_version=1)
    flows.save("f", parent_version=1, version_label="é" * 127 + "x")
    assert [version.parent_version for version in flows.versions("f")] == [0, 1, 1]
    for field, value in (("parent_version", -1), ("parent_version", 4), ("version_label", "é" * 128)):
        with invalid() as refusal:
            flows.save("f", **{field: value})
        assert refusal.fields() == [field]


@promise("state", "Rules of the flow's definition that the saved state breaks and that are not enforced.")
def test_warnings(flows):
    put(flows, flow_type="t", on_save="warn", rules=[{"rule": "required", "path": "/a"}])
    assert [warning.path for warning in flows.CreateFlow(flow_id="f", flow_type="t", state=b"{}").warnings] == ["/a"]
    assert [warning.path for warning in flows.save("f").warnings] == ["/a"]
    assert not flows.save("f", b'{"a": 1}').warnings


@promise("state", "Under `application/json` the state must be one JSON value, else INVALID_ARGUMENT (STATE_INVALID).")
@pytest.mark.parametrize("state", [b"", b"{} {}", b"{'a': 1}", b"\xef\xbb\xbf{}", b"NaN", b'"\xff"', b"[1,]"])
def test_what_is_not_json(flows, state):
    for call in (flows.SaveState, flows.CreateFlow):
        for content_type in ("", "application/json", "application/json; charset=utf-8"):
            with invalid("STATE_INVALID"):
                call(flow_id="f", state=state, content_type=content_type)
    assert flows.save("f", state, content_type="text/json").version == 1


# LoadState


@promise(
    "state",
    "NOT_FOUND (FLOW_NOT_FOUND) when there is none, or when it is deleted and the latest is asked for.",
    "This one, also of a deleted flow. NOT_FOUND (VERSION_NOT_FOUND) when there is none.",
    "NOT_FOUND (CHECKPOINT_NOT_FOUND) when there is none.",
    "The newest with this label, since the flow was created or revived. NOT_FOUND (VERSION_NOT_FOUND) when there is none.",
    "The newest committed at this time or before. NOT_FOUND (VERSION_NOT_FOUND) when there is none.")
def test_selectors(flows):
    with not_found():
        flows.load("f")
    flows.save("f", b"1", version_label="l")
    made = flows.CreateCheckpoint(flow_id="f", name="n").checkpoint
    flows.save("f", b"2", version_label="l")
    flows.save("f", b"3")
    first, second, third = (version.created_at.ToNanoseconds() for version in flows.versions("f"))
    for wanted, selector in (
            (b"3", {}), (b"3", {"latest": True}), (b"1", {"version": 1}), (b"1", {"checkpoint": "n"}), (b"1", {"checkpoint": made.id}),
            (b"2", {"version_label": "l"}), (b"1", {"time": time(first)}), (b"1", {"time": time(first + 999)}),
            (b"1", {"time": time(second - 1)}), (b"2", {"time": time(second)}), (b"3", {"time": time(third)})):
        assert flows.state("f", **selector) == wanted, selector
    for reason, selector in (
            ("VERSION_NOT_FOUND", {"version": 4}), ("VERSION_NOT_FOUND", {"version_label": "none"}), ("CHECKPOINT_NOT_FOUND", {"checkpoint": "x"}),
            ("VERSION_NOT_FOUND", {"time": time(first - 1)})):
        with not_found(reason):
            flows.load("f", **selector)
    with invalid() as refusal:
        flows.load("f", latest=False)
    assert refusal.fields() == ["latest"]
    flows.DeleteFlow(flow_id="f")
    with not_found():
        flows.load("f")
    assert flows.state("f", version=2) == b"2"


@promise(
    "state",
    "When the version selected is this one, answer `unchanged` and no state.",
    "The version selected is the one in `if_version_not`; the snapshot has no state.")
def test_if_version_not(flows):
    flows.save("f", b"1")
    flows.save("f", b"2")
    for selector, version in (({}, 2), ({"version": 1}, 1)):
        same = flows.LoadState(flow_id="f", if_version_not=version, **selector)
        assert (same.unchanged, same.snapshot.state, same.snapshot.version.version) == (True, b"", version)
        other = flows.LoadState(flow_id="f", if_version_not=version + 5, **selector)
        assert (other.unchanged, other.snapshot.state) == (False, str(version).encode())


# Lists


@promise(
    "state",
    "Created at this time or later.",
    "Created before this time.",
    "Last changed at this time or later.",
    "Last changed before this time.")
def test_filters_are_exact_to_the_nanosecond(flows):
    flows.save("f")
    flows.save("f")
    head = flows.load("f").flow
    for name in ("created", "updated"):
        at = getattr(head, f"{name}_at").ToNanoseconds()
        for after in (True, False):
            for offset in (-1_000, -999, -1, 0, 1, 999, 1_000):
                border = at + offset
                found = bool(flows.ListFlows(filter={f"{name}_{'after' if after else 'before'}": time(border)}).flows)
                assert found == (at >= border if after else at < border), (name, after, offset)


@pytest.mark.parametrize("seconds, nanos, fine", [
    (-62135596800, 0, True), (253402300799, 999_999_999, True), (-62135596801, 0, False), (253402300800, 0, False), (0, -1, False),
    (0, 10**9, False), (2**63 - 1, 2**31 - 1, False), (-2**63, -2**31, False)])
def test_borders_of_time(flows, seconds, nanos, fine):
    flows.save("f")
    border = {"seconds": seconds, "nanos": nanos}
    for name in ("created_after", "created_before", "updated_after", "updated_before"):
        if fine:
            found = [flow.flow_id for flow in flows.ListFlows(filter={name: border}).flows]
            assert found == (["f"] if (seconds < 0) == name.endswith("after") else [])
        else:
            with invalid() as refusal:
                flows.ListFlows(filter={name: border})
            assert refusal.fields() == [f"filter.{name}"]
    if fine and seconds > 0:
        assert flows.load("f", time=border).version.version == 1
    else:
        with (not_found("VERSION_NOT_FOUND") if fine else invalid()):
            flows.load("f", time=border)


@promise("state", "Exactly this type.", "Exactly this phase.", "Exactly this status.", "All of these labels, with these values.",
         "Flow ids that begin with this.", "Deleted flows too.", "By id, in byte order.")
def test_filters(flows):
    flows.save("a%_", flow_type="t", phase="p", status="s", labels={"k": "v", "x": "y"})
    flows.save("é", flow_type="tt", phase="pp", status="ss", labels={"k": "vv"})
    flows.save("e\u0301", labels={"k": "v"})
    flows.save("gone")
    flows.DeleteFlow(flow_id="gone")

    def ids(**filter):
        return [flow.flow_id for flow in flows.ListFlows(filter=filter, order=5).flows]

    assert ids() == ["a%_", "e\u0301", "é"] and ids(include_deleted=True) == ["a%_", "e\u0301", "gone", "é"]
    assert ids(flow_type="t") == ids(phase="p") == ids(status="s") == ids(flow_id_prefix="a%") == ["a%_"]
    assert ids(labels={"k": "v"}) == ["a%_", "e\u0301"] and ids(labels={"k": "v", "x": "y"}) == ["a%_"]
    assert ids(flow_id_prefix="é") == ["é"] and ids(flow_id_prefix="e") == ["e\u0301"] and ids(flow_id_prefix="_") == []


@promise("state", "Lists a flow's checkpoints, newest first.")
def test_checkpoints_are_listed_newest_first(flows):
    flows.save("f")
    made = [flows.CreateCheckpoint(flow_id="f").checkpoint.id for _ in range(5)]
    assert [checkpoint.id for checkpoint in flows.ListCheckpoints(flow_id="f").checkpoints] == made[::-1]


# DiffVersions


@promise("state", "FAILED_PRECONDITION (STATE_NOT_JSON) when one of them is not JSON.")
@pytest.mark.parametrize("versions", [(1, 2), (2, 1), (2, 2)])
def test_diff_of_what_is_not_json(flows, versions):
    flows.save("f", b"{}")
    flows.save("f", b"\x00\x01", content_type="application/octet-stream")
    with refused(FAILED, "STATE_NOT_JSON") as refusal:
        flows.DiffVersions(flow_id="f", from_version=versions[0], to_version=versions[1])
    assert "version 2" in refusal.message


@promise("state", "The version to arrive at; 0: the latest.", "`[]` when they are equal.", "The version to begin from; required.")
def test_diff(flows):
    flows.save("f", b'{"a": 1}')
    flows.save("f", b'{"a": 1.0}')
    flows.save("f", b'{"b": 2}', content_type="text/x-json")
    diff = flows.DiffVersions(flow_id="f", from_version=1)
    assert (diff.from_version, diff.to_version) == (1, 3) and json.loads(diff.json_patch)
    assert flows.DiffVersions(flow_id="f", from_version=1, to_version=1).json_patch == b"[]"
    with invalid() as refusal:
        flows.DiffVersions(flow_id="f")
    assert refusal.fields() == ["from_version"]
    with not_found("VERSION_NOT_FOUND"):
        flows.DiffVersions(flow_id="f", from_version=9)
    with not_found():
        flows.DiffVersions(flow_id="none", from_version=1)


# Deleting, checkpoints


@promise("state", "Its history stays readable until retention removes it, and a late save is refused: NOT_FOUND (FLOW_NOT_FOUND).",
         "Required. NOT_FOUND (FLOW_NOT_FOUND) when there is none or it is deleted.",
         "The flow must be at this version, 1 or more. ABORTED (VERSION_CONFLICT) when it is not.", "The tombstone's version.")
def test_delete(flows):
    with not_found():
        flows.DeleteFlow(flow_id="f")
    flows.save("f")
    for wrong in (2, 2**40):
        with conflict():
            flows.DeleteFlow(flow_id="f", expected_version=wrong)
    for field, value in (("expected_version", 0), ("expected_version", -1), ("any_version", False)):
        with invalid() as refusal:
            flows.DeleteFlow(flow_id="f", **{field: value})
        assert refusal.fields() == [field]
    assert flows.DeleteFlow(flow_id="f", expected_version=1).version == 2
    for late in (lambda: flows.save("f"), lambda: flows.save("f", any_version=True), lambda: flows.DeleteFlow(flow_id="f"),
                 lambda: flows.SetStatus(flow_id="f", status="s"), lambda: flows.SaveState(flow_id="f", merge_patch=b"{}")):
        with not_found():
            late()
    assert len(flows.versions("f")) == 2 and flows.GetHistory(flow_id="f").entries


@promise(
    "state",
    "ALREADY_EXISTS (CHECKPOINT_ALREADY_EXISTS) when the flow has a checkpoint of that name.",
    "The version to point at; 0: the latest.",
    "Version numbers never go back.",
    "Removes a checkpoint; the version that it pointed at stays until retention removes it.",
    "The checkpoint's name or id; required. NOT_FOUND (CHECKPOINT_NOT_FOUND) when there is none.",
    "The version the state came from.")
def test_checkpoints(flows):
    flows.save("f", b"1")
    flows.save("f", b"2")
    first = flows.CreateCheckpoint(flow_id="f", name="n", version=1).checkpoint
    assert (first.version, flows.CreateCheckpoint(flow_id="f").checkpoint.version) == (1, 2)
    with refused(ALREADY, "CHECKPOINT_ALREADY_EXISTS"):
        flows.CreateCheckpoint(flow_id="f", name="n")
    restored = flows.RestoreCheckpoint(flow_id="f", checkpoint="n")
    assert (restored.version, restored.restored_version, flows.state("f")) == (3, 1, b"1")
    assert flows.RestoreCheckpoint(flow_id="f", checkpoint=first.id).version == 4
    assert flows.DeleteCheckpoint(flow_id="f", checkpoint="n").checkpoint == first
    assert flows.state("f", version=1) == b"1"
    for call in (flows.RestoreCheckpoint, flows.DeleteCheckpoint):
        with not_found("CHECKPOINT_NOT_FOUND"):
            call(flow_id="f", checkpoint="n")
        with invalid() as refusal:
            call(flow_id="f")
        assert refusal.fields() == ["checkpoint"]


@promise("state", "INVALID_ARGUMENT (STATE_INVALID) when the flow's definition is enforced and that state breaks its rules.")
def test_a_restored_state_follows_the_rules(flows):
    put(flows, flow_type="t", on_save="off")
    flows.save("f", b"{}", flow_type="t", checkpoint={"name": "n"})
    put(flows, flow_type="t", on_save="enforce", rules=[{"rule": "required", "path": "/a"}])
    flows.save("f", b'{"a": 1}')
    flows.MoveFlow(flow_id="f")
    with invalid("STATE_INVALID"):
        flows.RestoreCheckpoint(flow_id="f", checkpoint="n")
    assert flows.state("f") == b'{"a": 1}'
