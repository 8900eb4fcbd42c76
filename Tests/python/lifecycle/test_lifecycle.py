"""The life of a flow: phases, completion, errors, status."""

import concurrent.futures
import json

import grpc
import pytest
from flowstate.v1 import errors_pb2, lifecycle_pb2, types_pb2

from discovery import PHASES, discovery, state
from errors import conflict, invalid, not_found, refused

PROGRESS = dict(zip(PHASES, [0, 10, 25, 40, 55, 70, 85, 95, 100]))


def refused_transition():
    return refused(grpc.StatusCode.FAILED_PRECONDITION, "TRANSITION_NOT_ALLOWED")


@pytest.fixture
def lax(flows):
    """The type of flows with the same definition, whose states may be as they like."""
    definition = json.loads(flows.GetDefinition(flow_type="unified_discovery").definition.document)
    flows.PutDefinition(document=json.dumps({**definition, "flow_type": "lax", "on_save": "off"}).encode())
    return "lax"


def checkpoints(flows, flow_id="d"):
    return [(checkpoint.version, checkpoint.description) for checkpoint in flows.ListCheckpoints(flow_id=flow_id).checkpoints]


def test_a_flow_goes_through_its_phases(flow):
    """Defect 7: a new flow could not leave its first phase."""
    for number, phase in enumerate(PHASES[1:], 1):
        before = flow.load("d").flow.version
        moved = flow.TransitionPhase(flow_id="d", phase=phase, expected_version=before, reason="next")
        assert (moved.flow.version, moved.flow.phase, moved.flow.progress) == (before + 1, phase, PROGRESS[phase])
        assert getattr(moved, "from") == PHASES[number - 1]
        now = state(flow)
        assert (now["current_phase"], now["progress_percentage"]) == (phase, PROGRESS[phase])
        assert now["updated_at"] > "2026-11-25T10:00:00Z"
        assert checkpoints(flow)[0] == (before, f"before {phase}"), "the old phase has its checkpoint"
        version = flow.load("d").version
        assert version.event == types_pb2.VERSION_EVENT_TRANSITIONED
        assert json.loads(version.metadata) == {"from": PHASES[number - 1], "to": phase, "reason": "next"}
        if phase != "completed":
            done = flow.CompletePhase(flow_id="d", results=b'{"status": "ok", "records_processed": 5, "secret": 1}')
            assert done.completed[-1] == phase and len(done.completed) == number + 1
            now = state(flow)
            assert now["phase_completion"][phase] is True and now[f"{phase}_results"]["records_processed"] == 5
            entry = now["workflow_log"][-1]
            assert (entry["event"], entry["phase"]) == ("phase_completed", phase)
            assert entry["results_summary"] == {"status": "ok", "records_processed": 5}
            assert checkpoints(flow)[0] == (done.flow.version, f"{phase} complete"), "of what was saved, not of what was before"
            assert flow.load("d").version.event == types_pb2.VERSION_EVENT_PHASE_COMPLETED
    assert json.loads(flow.state("d"))["phase_completion"]["initialization"] is True


def test_what_must_come_first_is_named(flow):
    with refused_transition() as refusal:
        flow.TransitionPhase(flow_id="d", phase="data_cleansing")
    detail = refusal.detail(errors_pb2.TransitionNotAllowed)
    assert (detail.to, list(detail.missing)) == ("data_cleansing", ["data_import", "field_mapping"])
    assert flow.load("d").flow.version == 1, "nothing is stored of a transition that is refused"
    flow.TransitionPhase(flow_id="d", phase="data_import")
    for phase in ("initialization", "data_import"):  # defect 7: back, or nowhere
        with refused_transition():
            flow.TransitionPhase(flow_id="d", phase=phase)
    with refused_transition() as refusal:
        flow.TransitionPhase(flow_id="d", phase="field_mapping")
    assert list(refusal.detail(errors_pb2.TransitionNotAllowed).missing) == ["data_import"]
    with invalid() as refusal:
        flow.TransitionPhase(flow_id="d", phase="nonsense")
    assert "data_import" in refusal.message


def test_force_is_written_down(flow):
    moved = flow.TransitionPhase(flow_id="d", phase="asset_inventory", force=True, reason="by hand")
    assert (moved.flow.phase, moved.flow.progress) == ("asset_inventory", 70)
    assert json.loads(flow.load("d").version.metadata) == {
        "from": "initialization", "to": "asset_inventory", "reason": "by hand", "forced": True}


def test_phase_data_goes_where_the_definition_says(flow):
    flow.TransitionPhase(flow_id="d", phase="data_import", phase_data=b'{"file": "a.csv", "rows": 12345678901234567890123}')
    assert b'"data_import_data"' in flow.state("d") and b"12345678901234567890123" in flow.state("d")
    with invalid():
        flow.TransitionPhase(flow_id="d", phase="field_mapping", phase_data=b"{")


def test_steps_expect_versions_and_are_not_repeated(flow):
    with conflict():
        flow.TransitionPhase(flow_id="d", phase="data_import", expected_version=2)
    first = flow.TransitionPhase(flow_id="d", phase="data_import", idempotency_key="k")
    again = flow.TransitionPhase(flow_id="d", phase="data_import", idempotency_key="k")
    assert again.replayed and again.flow.version == first.flow.version == 2
    with invalid("IDEMPOTENCY_KEY_REUSED"):
        flow.TransitionPhase(flow_id="d", phase="field_mapping", idempotency_key="k")
    with not_found():
        flow.TransitionPhase(flow_id="nobody's", phase="data_import")


def test_errors_are_never_lost(flow):
    """Defect 5: reporting an error lost it."""
    reported = flow.ReportError(flow_id="d", error_type="ImportError", message="no such file", details=b'{"file": "x"}', retryable=True)
    assert reported.flow.status == "failed"
    now = state(flow)
    assert now["status"] == "failed"
    entry = now["errors"][-1]
    assert (entry["phase"], entry["error"], entry["details"]) == ("initialization", "no such file", {"file": "x"})
    version = flow.load("d").version
    assert version.event == types_pb2.VERSION_EVENT_ERROR_REPORTED
    assert json.loads(version.metadata) == {
        "phase": "initialization", "error_type": "ImportError", "error": "no such file", "retryable": True, "details": {"file": "x"}}


@pytest.mark.parametrize("broken", [
    b"no json", b"[]", b"null", b'{"errors": {"a": 1}, "status": []}', b'{"errors": null}', b'{"errors": 5}'])
def test_errors_of_broken_flows_are_kept_too(flows, lax, broken):
    flows.save("d", broken, flow_type=lax, content_type="application/octet-stream")
    assert flows.ReportError(flow_id="d", message="broken").flow.status == "failed"
    assert json.loads(flows.load("d").version.metadata)["error"] == "broken"


def test_errors_reported_at_the_same_time_are_all_kept(flow):
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda number: flow.ReportError(flow_id="d", message=f"error {number}"), range(40)))
    assert sorted(entry["error"] for entry in state(flow)["errors"]) == sorted(f"error {number}" for number in range(40))


def test_status(flow):
    paused = flow.SetStatus(flow_id="d", status="paused", progress=12.5, set_labels={"a": "1", "b": "2"})
    assert (paused.flow.status, paused.flow.progress, dict(paused.flow.labels)) == ("paused", 12.5, {"a": "1", "b": "2"})
    now = state(flow)
    assert (now["status"], now["progress_percentage"]) == ("paused", 12.5)
    running = flow.SetStatus(flow_id="d", status="running", set_labels={"c": "3"}, remove_labels=["a", "x"])
    assert dict(running.flow.labels) == {"b": "2", "c": "3"}
    assert flow.load("d").version.event == types_pb2.VERSION_EVENT_STATUS_SET
    for status in ("asleep", ""):
        with invalid():
            flow.SetStatus(flow_id="d", status=status)
    with invalid():
        flow.SetStatus(flow_id="d", progress=101)


def test_an_actor_that_is_not_a_name(flow):
    """It would be written into the audit trail."""
    with_actor = flow.metadata = [("flowstate-tenant", flow.tenant), ("flowstate-actor", "x" * 256)]
    for call in (
            lambda: flow.TransitionPhase(flow_id="d", phase="data_import"), lambda: flow.CompletePhase(flow_id="d"),
            lambda: flow.ReportError(flow_id="d", message="m"), lambda: flow.SetStatus(flow_id="d", status="paused"),
            lambda: flow.MoveFlow(flow_id="d"), lambda: flow.SaveState(flow_id="d", merge_patch=b"{}"),
            lambda: flow.RestoreQuarantined(id="q"), lambda: flow.DeleteFlow(flow_id="d")):
        with invalid() as refusal:
            call()
        assert "actor" in refusal.message
    flow.metadata = with_actor[:1]
    assert flow.load("d").flow.version == 1


def test_a_completed_flow_has_ended(flow):
    flow.SetStatus(flow_id="d", status="completed")
    with refused_transition():
        flow.SetStatus(flow_id="d", status="running")
    with refused_transition() as refusal:
        flow.TransitionPhase(flow_id="d", phase="data_import")
    assert 'it has ended, with status "completed"' in refusal.message
    with refused_transition() as refusal:
        flow.CompletePhase(flow_id="d")
    assert 'it has ended, with status "completed"' in refusal.message
    reported = flow.ReportError(flow_id="d", message="too late")
    assert reported.flow.status == "completed" and state(flow)["errors"][-1]["error"] == "too late"
    flow.DeleteFlow(flow_id="d")


def test_a_state_that_breaks_rules_is_not_moved(flows, lax):
    flows.save("d", discovery("d", phase_completion=[]), flow_type=lax)
    with invalid("STATE_INVALID") as refusal:
        flows.TransitionPhase(flow_id="d", phase="data_import")
    assert "/phase_completion" in [violation.path for violation in refusal.detail(errors_pb2.StateInvalid).violations]
    assert flows.load("d").flow.version == 1


def test_without_a_definition_every_phase_goes(flows):
    flows.save("f", b"\x00binary", content_type="application/octet-stream", phase="one")
    moved = flows.TransitionPhase(flow_id="f", phase="anything")
    assert moved.flow.phase == "anything" and flows.state("f") == b"\x00binary"
    assert flows.CompletePhase(flow_id="f").flow.version == 3
    assert flows.SetStatus(flow_id="f", status="any").flow.status == "any"
    assert flows.ReportError(flow_id="f", message="m").flow.status == "failed"
    assert flows.state("f") == b"\x00binary"
    snapshot = flows.load("f")
    assert snapshot.version.content_type == "application/octet-stream" and snapshot.flow.version == 5


def test_steps_at_the_same_time_enter_a_phase_once(flow):
    def move(_):
        try:
            return flow.TransitionPhase(flow_id="d", phase="data_import").flow.version
        except grpc.RpcError as error:
            return error.code()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(move, range(16)))
    assert results.count(2) == 1 and results.count(grpc.StatusCode.FAILED_PRECONDITION) == 15


@pytest.mark.parametrize("call, fields", [
    ("TransitionPhase", {"phase": ""}), ("TransitionPhase", {"phase": "a\n"}), ("TransitionPhase", {"phase": "a", "reason": "x" * 5000}),
    ("TransitionPhase", {"phase": "data_import", "expected_version": 0}), ("ReportError", {"details": b"{"}),
    ("ReportError", {"message": "x" * 5000}), ("CompletePhase", {"metadata": b"{"}), ("CompletePhase", {"results": b"{"}),
    ("CompletePhase", {"phase": "nonsense"}), ("SetStatus", {}), ("SetStatus", {"progress": -1})])
def test_bad_requests(flow, call, fields):
    with invalid():
        getattr(flow, call)(flow_id="d", **fields)
    assert flow.load("d").flow.version == 1


def history(flows, **fields):
    found, token = [], ""
    while True:
        page = flows.GetHistory(flow_id="d", page_token=token, **fields)
        found += page.entries
        token = page.next_page_token
        if not token:
            return found


def test_history_has_versions_and_events(flow):
    flow.TransitionPhase(flow_id="d", phase="data_import")
    flow.CreateCheckpoint(flow_id="d", name="mine")
    flow.ReportError(flow_id="d", message="m")
    flow.DeleteCheckpoint(flow_id="d", checkpoint="mine")
    entries = history(flow)
    told = [entry.version.version if entry.WhichOneof("entry") == "version" else entry.event.kind for entry in entries]
    assert told == ["checkpoint_deleted", 3, "checkpoint_created", 2, 1]
    times = [entry.time.ToMicroseconds() for entry in entries]
    assert times == sorted(times, reverse=True) and all(entry.actor == "tester" for entry in entries)
    assert json.loads(entries[2].event.details)["name"] == "mine"
    for size in (1, 2, 3, 4, 5, 100):
        assert history(flow, page_size=size) == entries, size
    assert [entry.version.version for entry in history(flow, kinds=["transitioned", "error_reported"])] == [3, 2]
    assert [entry.event.kind for entry in history(flow, kinds=["checkpoint_created"], page_size=1)] == ["checkpoint_created"]
    assert history(flow, kinds=["nothing"]) == []
    with not_found():
        flow.GetHistory(flow_id="nobody's")
    with invalid():
        flow.GetHistory(flow_id="d", page_token=flow.GetHistory(flow_id="d", page_size=1).next_page_token, kinds=["saved"])


def test_summary(flow):
    flow.TransitionPhase(flow_id="d", phase="data_import")
    flow.CompletePhase(flow_id="d")
    flow.ReportError(flow_id="d", message="first")
    flow.ReportError(flow_id="d", message="second \"one\"")
    summary = flow.GetSummary(flow_id="d")
    assert (summary.flow.version, summary.flow.phase, summary.flow.status) == (5, "data_import", "failed")
    progress = {phase.phase: phase.progress for phase in summary.phases}
    assert [phase.phase for phase in summary.phases] == PHASES
    assert progress["initialization"] == progress["data_import"] == lifecycle_pb2.PHASE_PROGRESS_COMPLETE
    assert progress["field_mapping"] == lifecycle_pb2.PHASE_PROGRESS_PENDING
    assert summary.phases[1].entered_at.ToMicroseconds() < summary.phases[1].completed_at.ToMicroseconds()
    assert (summary.version_count, summary.checkpoint_count, summary.error_count, summary.recovery_count) == (5, 2, 2, 0)
    assert summary.last_error == 'second "one"' and 0 < summary.stored_bytes < 5_000


def test_summary_without_a_definition(flows):
    flows.save("f", phase="one")
    flows.TransitionPhase(flow_id="f", phase="two")
    flows.TransitionPhase(flow_id="f", phase="three")
    summary = flows.GetSummary(flow_id="f")
    assert [(phase.phase, phase.progress) for phase in summary.phases] == [
        ("one", lifecycle_pb2.PHASE_PROGRESS_LEFT), ("two", lifecycle_pb2.PHASE_PROGRESS_LEFT),
        ("three", lifecycle_pb2.PHASE_PROGRESS_ACTIVE)]
