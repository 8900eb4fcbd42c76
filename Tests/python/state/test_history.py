"""Deleting, checkpoints, versions and the audit trail."""

import grpc
import pytest
from flowstate.v1 import errors_pb2, state_pb2, types_pb2

from errors import conflict, invalid, not_found, refused


def test_a_deleted_flow_stays_deleted(flows):
    flows.save("f", b"1")
    flows.save("f", b"2")
    assert flows.DeleteFlow(flow_id="f").version == 3
    with not_found() as refusal:
        flows.load("f")
    assert "deleted" in refusal.message
    for fields in ({}, {"any_version": True}, {"expected_version": 3}, {"expected_version": 2}):
        with not_found():
            flows.save("f", b'"late"', **fields)
    with refused(grpc.StatusCode.ALREADY_EXISTS, "FLOW_ALREADY_EXISTS"):
        flows.CreateFlow(flow_id="f", state=b"{}")
    with not_found():
        flows.DeleteFlow(flow_id="f")


def test_history_of_a_deleted_flow_is_readable(flows):
    flows.save("f", b"1", checkpoint={"name": "c"})
    flows.DeleteFlow(flow_id="f")
    assert flows.state("f", version=1) == b"1"
    tombstone = flows.versions("f")[-1]
    assert (tombstone.version, tombstone.event, tombstone.size_bytes) == (2, types_pb2.VERSION_EVENT_DELETED, 0)
    assert tombstone.actor == "tester"
    assert flows.load("f", version=1).flow.deleted


def test_delete_with_expected_version(flows):
    flows.save("f")
    with conflict() as refusal:
        flows.DeleteFlow(flow_id="f", expected_version=2)
    detail = refusal.detail(errors_pb2.VersionConflict)
    assert (detail.expected, detail.actual) == (2, 1)
    with invalid():
        flows.DeleteFlow(flow_id="f", expected_version=0)
    assert flows.DeleteFlow(flow_id="f", expected_version=1).version == 2
    with not_found():
        flows.DeleteFlow(flow_id="nobody")


def test_checkpoints_name_versions(flows):
    flows.save("f", b"1")
    flows.save("f", b"2")
    named = flows.CreateCheckpoint(flow_id="f", name="first", version=1, description="before").checkpoint
    latest = flows.CreateCheckpoint(flow_id="f").checkpoint
    assert (named.flow_id, named.name, named.version, named.description, named.actor) == (
        "f", "first", 1, "before", "tester")
    assert (latest.name, latest.version) == ("", 2) and latest.id != named.id
    listed = flows.ListCheckpoints(flow_id="f").checkpoints
    assert list(listed) == [latest, named], "newest first"
    assert flows.state("f", checkpoint=latest.id) == b"2"
    assert [list(version.checkpoints) for version in flows.versions("f")] == [["first"], [latest.id]]


def test_checkpoint_names_are_unique_within_a_flow(flows):
    flows.save("f")
    flows.save("g")
    flows.CreateCheckpoint(flow_id="f", name="c")
    flows.CreateCheckpoint(flow_id="g", name="c")
    with refused(grpc.StatusCode.ALREADY_EXISTS, "CHECKPOINT_ALREADY_EXISTS"):
        flows.CreateCheckpoint(flow_id="f", name="c")
    with refused(grpc.StatusCode.ALREADY_EXISTS, "CHECKPOINT_ALREADY_EXISTS"):
        flows.save("f", b"[2]", checkpoint={"name": "c"})
    assert flows.load("f").version.version == 1, "a save whose checkpoint is refused saves nothing"


def test_checkpoints_of_what_is_not_there(flows):
    flows.save("f")
    with not_found("FLOW_NOT_FOUND"):
        flows.CreateCheckpoint(flow_id="nobody", name="c")
    with not_found("VERSION_NOT_FOUND"):
        flows.CreateCheckpoint(flow_id="f", name="c", version=7)
    with not_found("FLOW_NOT_FOUND"):
        flows.ListCheckpoints(flow_id="nobody")
    for name in ("RestoreCheckpoint", "DeleteCheckpoint"):
        with not_found("CHECKPOINT_NOT_FOUND"):
            getattr(flows, name)(flow_id="f", checkpoint="none")
        with not_found("FLOW_NOT_FOUND"):
            getattr(flows, name)(flow_id="nobody", checkpoint="none")


def test_restore_writes_a_new_version(flows):
    flows.save("f", b"1", checkpoint={"name": "c"}, phase="one", content_type="text/plain")
    flows.save("f", b"2", phase="two")
    restored = flows.RestoreCheckpoint(flow_id="f", checkpoint="c", expected_version=2)
    assert (restored.version, restored.restored_version) == (3, 1)
    snapshot = flows.load("f")
    assert snapshot.state == b"1" and snapshot.version.content_type == "text/plain"
    assert snapshot.version.event == types_pb2.VERSION_EVENT_RESTORED
    assert flows.state("f", version=2) == b"2"
    with conflict():
        flows.RestoreCheckpoint(flow_id="f", checkpoint="c", expected_version=2)
    assert flows.RestoreCheckpoint(flow_id="f", checkpoint="c").version == 4


def test_delete_checkpoint_keeps_the_version(flows):
    saved = flows.save("f", b"1", checkpoint={"name": "c"})
    flows.save("f", b"2")
    gone = flows.DeleteCheckpoint(flow_id="f", checkpoint="c").checkpoint
    assert (gone.id, gone.name, gone.version) == (saved.checkpoint_id, "c", 1)
    assert flows.state("f", version=1) == b"1"
    with not_found("CHECKPOINT_NOT_FOUND"):
        flows.load("f", checkpoint="c")
    by_id = flows.CreateCheckpoint(flow_id="f", name="c").checkpoint
    assert flows.DeleteCheckpoint(flow_id="f", checkpoint=by_id.id).checkpoint == by_id


def test_pages_of_checkpoints(flows):
    flows.save("f")
    made = [flows.CreateCheckpoint(flow_id="f", name=f"c{number}").checkpoint.id for number in range(7)]
    seen, token = [], ""
    while True:
        page = flows.ListCheckpoints(flow_id="f", page_size=3, page_token=token)
        assert len(page.checkpoints) <= 3
        seen += [checkpoint.id for checkpoint in page.checkpoints]
        token = page.next_page_token
        if not token:
            break
    assert seen == made[::-1]


@pytest.mark.parametrize("order, step", [
    (state_pb2.VERSION_ORDER_UNSPECIFIED, -1), (state_pb2.VERSION_ORDER_NEWEST_FIRST, -1),
    (state_pb2.VERSION_ORDER_OLDEST_FIRST, 1)])
def test_pages_of_versions(flows, order, step):
    for number in range(7):
        flows.save("f", b"%d" % number)
    seen, token, pages = [], "", 0
    while True:
        page = flows.ListVersions(flow_id="f", order=order, page_size=3, page_token=token)
        seen += [version.version for version in page.versions]
        token, pages = page.next_page_token, pages + 1
        if not token:
            break
    assert (seen, pages) == (list(range(1, 8))[::step], 3)


def test_versions_of_what_is_not_there(flows):
    with not_found():
        flows.ListVersions(flow_id="nobody")
    flows.save("f")
    for fields, field in (({"page_size": -1}, "page_size"), ({"page_token": "made-up"}, "page_token"), ({"order": 9}, "order")):
        with invalid() as refusal:
            flows.ListVersions(flow_id="f", **fields)
        assert refusal.fields() == [field]


def test_every_version_names_its_actor(server):
    writer = server.flows(actor="writer")
    writer.save("f", checkpoint={"name": "c"})
    reviewer = server.flows(writer.tenant, actor="reviewer")
    reviewer.save("f", b"[2]")
    reviewer.RestoreCheckpoint(flow_id="f", checkpoint="c")
    server.flows(writer.tenant, actor="operator").DeleteFlow(flow_id="f")
    assert [version.actor for version in writer.versions("f")] == ["writer", "reviewer", "reviewer", "operator"]
