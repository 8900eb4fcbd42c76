"""Creating, saving and loading, as the proto documents them."""

import re

import grpc
import pytest
import xxhash
from flowstate.v1 import errors_pb2, types_pb2

from errors import conflict, invalid, not_found, refused

UUID7 = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


def test_create_makes_version_1(flows):
    created = flows.CreateFlow(
        flow_id="order-1", flow_type="order", state=b'{"a": 1}', phase="draft", status="new", labels={"team": "blue"},
        metadata=b'{"by": "test"}')
    assert (created.flow_id, created.version, created.replayed) == ("order-1", 1, False)
    assert created.digest == xxhash.xxh3_128(b'{"a": 1}').digest()

    snapshot = flows.load("order-1")
    flow, version = snapshot.flow, snapshot.version
    assert snapshot.state == b'{"a": 1}'
    assert (flow.flow_id, flow.flow_type, flow.version, flow.phase, flow.status) == ("order-1", "order", 1, "draft", "new")
    assert dict(flow.labels) == {"team": "blue"}
    assert not flow.HasField("progress") and not flow.deleted
    assert flow.created_at == flow.updated_at == created.created_at
    assert (version.version, version.parent_version, version.event) == (1, 0, types_pb2.VERSION_EVENT_CREATED)
    assert (version.actor, version.content_type, version.size_bytes) == ("tester", "application/json", 8)
    assert (version.digest, version.metadata) == (created.digest, b'{"by": "test"}')
    assert (version.phase, version.status, version.created_at) == ("draft", "new", created.created_at)


def test_create_generates_ids(flows):
    ids = {flows.CreateFlow(state=b"{}").flow_id for _ in range(5)}
    assert len(ids) == 5 and all(map(UUID7.match, ids))


def test_create_refuses_an_id_that_is_taken(flows):
    flows.CreateFlow(flow_id="twice", state=b"1")
    with refused(grpc.StatusCode.ALREADY_EXISTS, "FLOW_ALREADY_EXISTS") as refusal:
        flows.CreateFlow(flow_id="twice", state=b"2")
    assert "twice" in refusal.message
    assert refusal.detail(errors_pb2.VersionConflict).actual == 1
    assert flows.state("twice") == b"1"


def test_save_without_precondition_creates_then_appends(flows):
    assert [flows.save("f", b"%d" % number).version for number in range(3)] == [1, 2, 3]
    assert flows.save("f", b"3", any_version=True).version == 4
    events = [version.event for version in flows.versions("f")]
    assert events == [types_pb2.VERSION_EVENT_CREATED] + 3 * [types_pb2.VERSION_EVENT_SAVED]
    assert [version.parent_version for version in flows.versions("f")] == [0, 1, 2, 3]


def test_expected_version(flows):
    assert flows.save("f", b"1", expected_version=0).version == 1
    assert flows.save("f", b"2", expected_version=1).version == 2
    with conflict() as refusal:
        flows.save("f", b"3", expected_version=1)
    detail = refusal.detail(errors_pb2.VersionConflict)
    assert (detail.expected, detail.actual) == (1, 2)
    assert "expected_version 2" in refusal.message
    assert flows.load("f").version.version == 2


def test_expected_version_0_means_must_not_exist(flows):
    flows.save("f")
    with conflict() as refusal:
        flows.save("f", expected_version=0)
    detail = refusal.detail(errors_pb2.VersionConflict)
    assert (detail.expected, detail.actual) == (0, 1)


def test_expected_version_of_a_flow_that_does_not_exist(flows):
    with conflict() as refusal:
        flows.save("nobody", expected_version=3)
    detail = refusal.detail(errors_pb2.VersionConflict)
    assert (detail.expected, detail.actual) == (3, 0)
    with not_found():
        flows.load("nobody")


def test_negative_versions_are_refused(flows):
    flows.save("f")
    with invalid() as refusal:
        flows.save("f", expected_version=-1)
    assert refusal.fields() == ["expected_version"]
    with invalid() as refusal:
        flows.load("f", version=-1)
    assert refusal.fields() == ["version"]
    with invalid() as refusal:
        flows.load("f", if_version_not=-1)
    assert refusal.fields() == ["if_version_not"]
    with invalid() as refusal:
        flows.save("f", parent_version=-1)
    assert refusal.fields() == ["parent_version"]


def test_false_is_no_precondition_and_no_selector(flows):
    flows.save("f")
    flows.CreateCheckpoint(flow_id="f", name="c")
    for call in (
        lambda: flows.save("f", any_version=False),
        lambda: flows.DeleteFlow(flow_id="f", any_version=False),
        lambda: flows.RestoreCheckpoint(flow_id="f", checkpoint="c", any_version=False),
    ):
        with invalid() as refusal:
            call()
        assert refusal.fields() == ["any_version"]
    with invalid() as refusal:
        flows.load("f", latest=False)
    assert refusal.fields() == ["latest"]


def test_a_save_needs_a_state(flows):
    with invalid():
        flows.SaveState(flow_id="f")


def test_head_keeps_what_a_save_does_not_name(flows):
    flows.save("f", phase="one", status="running", progress=12.5, labels={"a": "1"}, flow_type="t")
    flows.save("f", b"[2]")
    flow = flows.load("f").flow
    assert (flow.phase, flow.status, flow.progress, dict(flow.labels), flow.flow_type) == (
        "one", "running", 12.5, {"a": "1"}, "t")
    flows.save("f", b"[3]", phase="two", status="done", progress=0, labels={"b": "2"}, flow_type="t")
    flow = flows.load("f").flow
    assert (flow.phase, flow.status, flow.progress, dict(flow.labels)) == ("two", "done", 0, {"b": "2"})
    assert flow.HasField("progress")
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        flows.save("f", flow_type="another")


@pytest.mark.parametrize("progress", [-0.1, 100.1, float("nan"), float("inf")])
def test_progress_is_per_cent(flows, progress):
    with invalid() as refusal:
        flows.save("f", progress=progress)
    assert refusal.fields() == ["progress"]


def test_load_by_every_selector(flows):
    first = flows.save("f", b"1", version_label="draft", checkpoint={"name": "start", "description": "the first"})
    second = flows.save("f", b"2", version_label="draft")
    third = flows.save("f", b"3", parent_version=1)
    assert flows.state("f") == flows.state("f", latest=True) == b"3"
    assert flows.state("f", version=1) == b"1"
    assert flows.state("f", checkpoint="start") == b"1"
    assert flows.state("f", checkpoint=first.checkpoint_id) == b"1"
    assert flows.state("f", version_label="draft") == b"2", "the newest with the label"
    assert flows.state("f", time=second.created_at) == b"2"
    assert flows.load("f", version=1).flow.version == 3, "the head as it is now"
    assert flows.load("f", version=3).version.parent_version == 1
    assert flows.load("f", version=2).version.version_label == "draft"
    assert list(flows.load("f", version=1).version.checkpoints) == ["start"]
    assert third.created_at.ToMicroseconds() >= second.created_at.ToMicroseconds()


def test_what_a_selector_does_not_find(flows):
    created = flows.save("f", b"1")
    before = type(created.created_at)()
    before.FromMicroseconds(created.created_at.ToMicroseconds() - 1)
    for selector in ({"version": 2}, {"version_label": "none"}, {"time": before}):
        with not_found("VERSION_NOT_FOUND"):
            flows.load("f", **selector)
    with not_found("CHECKPOINT_NOT_FOUND") as refusal:
        flows.load("f", checkpoint="none")
    assert "none" in refusal.message
    for selector in ({}, {"version": 1}, {"version_label": "none"}, {"checkpoint": "none"}):
        with not_found("FLOW_NOT_FOUND"):
            flows.load("nobody", **selector)


def test_if_version_not(flows):
    flows.save("f", b"1")
    flows.save("f", b"2")
    unchanged = flows.LoadState(flow_id="f", if_version_not=2)
    assert unchanged.unchanged and unchanged.snapshot.state == b"" and unchanged.snapshot.flow.version == 2
    changed = flows.LoadState(flow_id="f", if_version_not=1)
    assert not changed.unchanged and changed.snapshot.state == b"2"
    assert flows.LoadState(flow_id="f", version=1, if_version_not=1).unchanged
    assert not flows.LoadState(flow_id="f", if_version_not=0).unchanged
