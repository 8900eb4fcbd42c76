"""Saving by patches, and the patches between versions."""

import concurrent.futures
import json

import grpc
import pytest
from flowstate.v1 import errors_pb2

from errors import conflict, invalid, not_found, refused


def not_applicable():
    return refused(grpc.StatusCode.FAILED_PRECONDITION, "PATCH_NOT_APPLICABLE")


def patch(*operations):
    return json.dumps(operations).encode()


def test_merge_patch(flows):
    flows.save("f", b'{"a": 1, "b": {"c": 2, "d": 3}}', phase="one")
    saved = flows.SaveState(flow_id="f", merge_patch=b'{"b": {"c": null, "e": [4]}, "f": 5}')
    assert saved.version == 2
    snapshot = flows.load("f")
    assert json.loads(snapshot.state) == {"a": 1, "b": {"d": 3, "e": [4]}, "f": 5}
    assert (snapshot.flow.phase, snapshot.version.content_type) == ("one", "application/json")


@pytest.mark.parametrize("fields", [
    {"progress": 250}, {"progress": float("nan")}, {"labels": {"a": "x" * 257}}, {"labels": {"a\0": "b"}},
    {"labels": {str(number): "" for number in range(65)}}, {"phase": "x" * 256}, {"status": "a\tb"}, {"flow_type": "t\0"},
    {"version_label": "x" * 256}, {"metadata": b"no json"}, {"parent_version": -1}, {"checkpoint": {"name": "a\0"}},
    {"checkpoint": {"description": "x" * 5_000}}, {"idempotency_key": "x" * 256}, {"expected_version": -1}, {"expected_version": 0},
], ids=str)
@pytest.mark.parametrize("kind", ["merge_patch", "json_patch"])
def test_what_a_save_may_not_hold_a_patch_may_not_either(flows, kind, fields):
    flows.save("f", b"{}")
    with invalid():
        flows.SaveState(flow_id="f", **{kind: b"{}" if kind == "merge_patch" else b"[]"}, **fields)
    assert flows.load("f").flow.version == 1


def test_json_patch(flows):
    flows.save("f", b'{"list": [1, 2, 3], "n": 0}')
    flows.SaveState(flow_id="f", expected_version=1, phase="two", json_patch=patch(
        {"op": "test", "path": "/n", "value": 0.0}, {"op": "add", "path": "/list/-", "value": 4},
        {"op": "remove", "path": "/list/0"}, {"op": "replace", "path": "/n", "value": {"x": []}},
        {"op": "copy", "from": "/list/1", "path": "/n/x/0"}, {"op": "move", "from": "/list/0", "path": "/moved"}))
    snapshot = flows.load("f")
    assert json.loads(snapshot.state) == {"list": [3, 4], "n": {"x": [3]}, "moved": 2}
    assert (snapshot.flow.version, snapshot.flow.phase) == (2, "two")


def test_what_is_not_touched_keeps_its_spelling(flows):
    kept = b'"id": 123456789012345678901234567890, "t": 1.50e+2, "s": "\\u00e9\\ud800\\/", "o": {"z": 1,  "a" : 2}'
    flows.save("f", b'{' + kept + b', "n": 1}')
    flows.SaveState(flow_id="f", merge_patch=b'{"n": 2}')
    flows.SaveState(flow_id="f", json_patch=patch({"op": "replace", "path": "/n", "value": 3}))
    state = flows.state("f")
    for part in (b'123456789012345678901234567890', b'1.50e+2', b'"\\u00e9\\ud800\\/"', b'{"z": 1,  "a" : 2}'):
        assert part in state, state
    assert json.loads(state)["n"] == 3


@pytest.mark.parametrize("operations, place", [
    ([{"op": "test", "path": "/a", "value": 2}], "operation 0"), ([{"op": "remove", "path": "/b"}], "operation 0"),
    ([{"op": "add", "path": "/c", "value": 1}, {"op": "replace", "path": "/list/2", "value": 1}], "operation 1"),
    ([{"op": "add", "path": "/list/01", "value": 1}], "operation 0")])
def test_a_patch_that_does_not_fit_changes_nothing(flows, operations, place):
    flows.save("f", b'{"a": 1, "list": [1]}')
    with not_applicable() as refusal:
        flows.SaveState(flow_id="f", json_patch=patch(*operations))
    assert place in refusal.message and "version 1" in refusal.message
    assert flows.load("f").flow.version == 1


@pytest.mark.parametrize("fields", [
    {"json_patch": b"{}"}, {"json_patch": b"["}, {"json_patch": b"[1]"}, {"json_patch": patch({"op": "ad", "path": ""})},
    {"json_patch": patch({"op": "add", "path": "a", "value": 1})}, {"json_patch": patch({"op": "add", "path": "/a"})},
    {"merge_patch": b"{"}, {"merge_patch": b""}, {"merge_patch": b"{}", "expected_version": 0}])
def test_what_is_no_patch_is_refused(flows, fields):
    flows.save("f", b"{}")
    with invalid():
        flows.SaveState(flow_id="f", **fields)


def test_patches_need_a_flow_and_its_version(flows):
    with not_found():
        flows.SaveState(flow_id="nobody's", merge_patch=b"{}")
    flows.save("f", b"{}")
    with conflict() as refusal:
        flows.SaveState(flow_id="f", merge_patch=b"{}", expected_version=2)
    detail = refusal.detail(errors_pb2.VersionConflict)
    assert (detail.expected, detail.actual) == (2, 1)
    flows.save("text", b"no json", content_type="text/plain")
    with not_applicable():
        flows.SaveState(flow_id="text", merge_patch=b"{}")


def test_patches_at_the_same_time_are_all_applied(flows):
    """Without an expected version each is applied to what the others left."""
    flows.save("f", b'{"list": []}')
    numbers = list(range(60))

    def append(number):
        return flows.SaveState(flow_id="f", json_patch=patch({"op": "add", "path": "/list/-", "value": number})).version

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        versions = sorted(pool.map(append, numbers))
    assert versions == list(range(2, 62))
    assert sorted(json.loads(flows.state("f"))["list"]) == numbers


def test_a_retry_of_a_patch_is_not_applied_again(flows):
    flows.save("f", b'{"n": 0}')
    once = {"flow_id": "f", "idempotency_key": "k", "json_patch": patch(
        {"op": "test", "path": "/n", "value": 0}, {"op": "replace", "path": "/n", "value": 1})}
    first = flows.SaveState(**once)
    flows.save("f", b'{"n": 7}')
    again = flows.SaveState(**once)
    assert again.replayed and (again.version, again.digest) == (first.version, first.digest)
    assert flows.state("f") == b'{"n": 7}'
    with invalid("IDEMPOTENCY_KEY_REUSED"):
        flows.SaveState(flow_id="f", idempotency_key="k", merge_patch=b"{}")


def test_diff_leads_from_one_version_to_the_other(flows):
    states = [b'{"a": [1, 2, 3], "b": {"c": null}}', b'{"b": {"c": null, "d": "\\u00e9"}, "a": [1, 3, 4]}', b'[]', b'[]']
    for state in states:
        flows.save("f", state)
    for start in range(1, 5):
        for end in range(1, 5):
            diff = flows.DiffVersions(flow_id="f", from_version=start, to_version=end)
            assert (diff.from_version, diff.to_version) == (start, end)
            flows.save(f"g-{start}-{end}", states[start - 1])
            flows.SaveState(flow_id=f"g-{start}-{end}", json_patch=diff.json_patch)
            assert json.loads(flows.state(f"g-{start}-{end}")) == json.loads(states[end - 1])
    assert flows.DiffVersions(flow_id="f", from_version=3).json_patch == b"[]", "0 is the latest"
    with not_found("VERSION_NOT_FOUND"):
        flows.DiffVersions(flow_id="f", from_version=9)
    with invalid():
        flows.DiffVersions(flow_id="f", from_version=0)


def test_large_states_are_patched(flows):
    flows.save("f", b'{"padding": "' + b"x" * 3_000_000 + b'", "n": 1}')
    flows.SaveState(flow_id="f", merge_patch=b'{"n": 2}')
    assert json.loads(flows.state("f"))["n"] == 2
    with invalid():
        flows.SaveState(flow_id="f", merge_patch=b"[" * 300 + b"]" * 300, content_type="text/plain")


def test_a_patch_cannot_make_a_state_too_large(flows):
    flows.save("f", b'{"a": "' + b"x" * 1_000_000 + b'"}')
    operations = [{"op": "copy", "from": "", "path": f"/c{number}"} for number in range(10)]
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "STATE_TOO_LARGE"):
        flows.SaveState(flow_id="f", json_patch=patch(*operations))
