"""Recovery: what is broken is put right, and nothing is lost on the way."""

import concurrent.futures
import json

import grpc
import pytest
from flowstate.v1 import errors_pb2, recovery_pb2, types_pb2

from discovery import discovery, state
from errors import invalid, not_found, refused
from postgresql import Session
from recoveries import CHECKPOINT, REPAIR, RESET, VERSION, recover


def test_nothing_is_done_to_a_flow_that_is_right(lax):
    """Defect 5: a paused flow was rolled back."""
    lax.save("d", discovery("d", status="paused"), flow_type="lax")
    recovery = recover(lax)
    assert (recovery.strategy, recovery.recovered_version, recovery.quarantine_id) == (0, 0, "")
    assert lax.load("d").flow.version == 1 and not lax.ListQuarantine().entries


@pytest.mark.parametrize("broken", [
    {"flow_id": None}, {"current_phase": "unknown"}, {"phase_completion": ["data_import"]}, {"created_at": "yesterday"},
    # Defect 4: these three could not be repaired.
    {"phase_completion": {"unknown": True}}, {"client_account_id": "nobody"}, {"status": "failed", "progress_percentage": 100},
    {"errors": 5, "agent_confidences": {"a": 2}, "user_clarifications": [1]}])
def test_repair(lax, broken):
    text = json.dumps({**json.loads(discovery("d", kept={"n": 1})), **broken}).encode()
    lax.save("d", text, flow_type="lax")
    recovery = recover(lax, reason="by hand")
    assert (recovery.state, recovery.strategy) == (recovery_pb2.RECOVERY_STATE_SUCCEEDED, REPAIR)
    assert (recovery.broken_version, recovery.recovered_version) == (1, 2)
    assert [step.action for step in recovery.steps] == ["repair"] and recovery.violations
    assert lax.ValidateState(flow_id="d").valid and state(lax)["kept"] == {"n": 1}
    version = lax.load("d").version
    assert version.event == types_pb2.VERSION_EVENT_RECOVERED and version.actor == "tester"

    entry = lax.ListQuarantine(flow_id="d").entries[0]
    assert (entry.id, entry.version, entry.reason) == (recovery.quarantine_id, 1, "by hand")
    assert list(entry.violations) == list(recovery.violations)
    archived = lax.GetQuarantined(id=entry.id)
    assert (archived.state, archived.entry) == (text, entry)


def test_a_dry_run_changes_nothing(lax):
    lax.save("d", discovery("d", current_phase="unknown"), flow_type="lax")
    recovery = recover(lax, dry_run=True)
    assert (recovery.state, recovery.strategy, recovery.recovered_version) == (recovery_pb2.RECOVERY_STATE_PLANNED, REPAIR, 0)
    paths = [operation["path"] for operation in json.loads(recovery.diff)]
    assert "/current_phase" in paths and lax.load("d").flow.version == 1 and not lax.ListQuarantine().entries


def test_the_newest_checkpoint_that_is_right(lax):
    lax.save("d", discovery("d", mark=1), flow_type="lax", checkpoint={"name": "good"})
    lax.save("d", discovery("d", mark=2, status="paused"), checkpoint={"name": "better"})
    lax.save("d", discovery("d", mark=3, current_phase="data_cleansing"), checkpoint={"name": "worse"})
    # Repair cannot make up results that a phase needs.
    recovery = recover(lax)
    assert [(step.action, step.version, step.outcome) for step in recovery.steps] == [
        ("repair", 3, "no valid state"), ("checkpoint", 2, "helped")]
    now = state(lax)
    assert (now["mark"], now["status"], lax.load("d").flow.status) == (2, "running", "running")
    assert recover(lax, strategy=CHECKPOINT, checkpoint="good").recovered_version == 5
    assert state(lax)["mark"] == 1
    with invalid():
        recover(lax, strategy=REPAIR, checkpoint="good")


def test_reset_keeps_what_the_definition_says(lax):
    lax.save("d", discovery("d", current_phase="data_cleansing", raw_data=[{"x": 1.50}], session_id="s", junk=1), flow_type="lax")
    recovery = recover(lax)
    assert recovery.strategy == RESET and [step.action for step in recovery.steps] == ["repair", "checkpoint", "reset"]
    now = state(lax)
    assert (now["raw_data"], now["session_id"], now["current_phase"], "junk" in now) == ([{"x": 1.5}], "s", "initialization", False)
    assert json.loads(lax.GetQuarantined(id=recovery.quarantine_id).state)["junk"] == 1


@pytest.mark.parametrize("broken", [b"no json", b"[]", b"", b"\xff", b"[" * 1_000])
def test_what_is_no_json_is_reset(lax, broken):
    lax.save("d", broken, flow_type="lax", content_type="application/octet-stream")
    recovery = recover(lax)
    assert recovery.strategy == RESET and lax.ValidateState(flow_id="d").valid
    assert lax.GetQuarantined(id=recovery.quarantine_id).state == broken
    assert lax.load("d").version.content_type == "application/json"


def test_when_nothing_helps_the_flow_stays(flows):
    flows.PutDefinition(document=json.dumps(
        {"flow_type": "t", "on_save": "off", "rules": [{"rule": "required", "path": "/a"}]}).encode())
    flows.save("d", b"{}", flow_type="t")
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "RECOVERY_FAILED") as refusal:
        recover(flows)
    assert "repair" in refusal.message and flows.load("d").flow.version == 1


def test_a_flow_that_cannot_be_read_goes_back(start_server, postgresql):
    database = postgresql()
    flows = start_server(database_url=database.url).flows()
    for number in range(4):
        flows.save("d", b'{"n": %d}' % number)
    with Session(database.url) as session:
        session.execute(
            "UPDATE flowstate.flow_version SET state = 'rubbish' WHERE flow_id = 'd' AND version IN (3, 4)")
    other = start_server(database_url=database.url).flows(flows.tenant)
    with refused(grpc.StatusCode.DATA_LOSS, "STATE_CORRUPT"):
        other.load("d")
    recovery = recover(other)
    assert (recovery.strategy, recovery.broken_version, recovery.recovered_version) == (VERSION, 4, 5)
    assert [(step.version, step.outcome) for step in recovery.steps if step.version] == [(3, "no valid state"), (2, "helped")]
    assert [violation.rule for violation in recovery.violations] == ["corrupt"]
    assert other.state("d") == b'{"n": 1}'
    with refused(grpc.StatusCode.DATA_LOSS, "STATE_CORRUPT"):
        other.GetQuarantined(id=recovery.quarantine_id)


def test_status_and_retries(lax):
    lax.save("d", discovery("d", current_phase="unknown"), flow_type="lax")
    first = lax.RecoverFlow(flow_id="d", idempotency_key="k")
    again = lax.RecoverFlow(flow_id="d", idempotency_key="k")
    assert again.replayed and not first.replayed
    assert (again.recovery.id, again.recovery.recovered_version) == (first.recovery.id, 2)
    with invalid("IDEMPOTENCY_KEY_REUSED"):
        lax.RecoverFlow(flow_id="d", idempotency_key="k", reason="another")
    lax.save("d", discovery("d", status="unknown"))
    second = recover(lax)
    status = lax.GetRecoveryStatus(flow_id="d").recoveries
    assert [(entry.id, entry.strategy, entry.broken_version, entry.recovered_version, entry.quarantine_id) for entry in status] == [
        (second.id, REPAIR, 3, 4, second.quarantine_id), (first.recovery.id, REPAIR, 1, 2, first.recovery.quarantine_id)]
    assert [entry.version for entry in lax.ListQuarantine().entries] == [3, 1]
    assert len(lax.ListQuarantine(page_size=1).entries) == 1
    assert lax.GetSummary(flow_id="d").recovery_count == 2
    with not_found("QUARANTINED_NOT_FOUND"):
        lax.GetQuarantined(id="nobody's")
    with not_found():
        lax.RecoverFlow(flow_id="nobody's")


def test_recoveries_at_the_same_time_leave_one(lax):
    lax.save("d", discovery("d", current_phase="unknown"), flow_type="lax")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        recoveries = list(pool.map(lambda _: recover(lax), range(16)))
    assert sorted(recovery.recovered_version for recovery in recoveries) == 15 * [0] + [2]
    assert len(lax.ListQuarantine().entries) == 1


def test_a_large_state_is_recovered(lax):
    text = discovery("d", current_phase="unknown", raw_data=[{"name": "server", "cpu": 1.5}] * 300_000)
    assert len(text) > 9_000_000
    lax.save("d", text, flow_type="lax")
    assert recover(lax).strategy == REPAIR


@pytest.mark.parametrize("repairs, path", [
    ([{"path": "/b", "value": 1}], "/repairs"), ([{"path": "/a"}], "/repairs/0"), ([{"path": "a", "value": 1}], "/repairs/0/path"),
    ([{"path": "/a", "set": "never"}], "/repairs/0/set")])
def test_repairs_that_cannot_work_are_refused(flows, repairs, path):
    document = {"flow_type": "t", "rules": [{"rule": "required", "path": "/a"}], "repairs": repairs}
    with invalid("DEFINITION_INVALID") as refusal:
        flows.PutDefinition(document=json.dumps(document).encode())
    assert path in [fault.path for fault in refusal.detail(errors_pb2.DefinitionInvalid).faults]
