"""Recovery that nobody asked for: what starts it is what the definition of the flow's type says."""

import concurrent.futures
import json

import grpc
import pytest
from flowstate.v1 import types_pb2

from discovery import discovery, state
from errors import conflict, invalid, refused
from postgresql import Session
from recoveries import ERROR, REPAIR, RESET, WARNING, notifications, put

EVENTS = types_pb2.VersionEvent


def break_flow(flows, **changes):
    flows.save("d", discovery("d", **(changes or {"current_phase": "unknown"})), flow_type="lax")
    return flows


def events(flows):
    return [EVENTS.Name(version.event).removeprefix("VERSION_EVENT_").lower() for version in flows.versions("d")]


def test_an_error_report_recovers_first_and_the_error_stays(flows):
    """Defect 5: recovery overwrote the state that held the error."""
    break_flow(put(flows, ["error_report"]))
    reported = flows.ReportError(flow_id="d", message="it broke")
    assert reported.recovery_id and events(flows) == ["created", "recovered", "error_reported"]
    assert (reported.flow.version, reported.flow.status, reported.flow.phase) == (3, "failed", "initialization")
    assert [entry["error"] for entry in state(flows)["errors"]] == ["it broke"] and flows.ValidateState(flow_id="d").valid
    [recovery] = flows.GetRecoveryStatus(flow_id="d").recoveries
    assert (recovery.id, recovery.actor, recovery.strategy) == (reported.recovery_id, "flowstate", REPAIR)
    [entry] = flows.ListQuarantine().entries
    assert (entry.version, entry.reason) == (1, "by policy: error_report")
    assert [notification.level for notification in notifications(flows)] == [ERROR, WARNING]
    assert flows.ReportError(flow_id="d", message="again").recovery_id == "", "nothing is wrong any more"


def test_the_built_in_definition_recovers_when_an_error_is_reported(flows):
    flows.save("d", discovery("d"), flow_type="unified_discovery")
    assert flows.ReportError(flow_id="d", message="it broke").recovery_id == ""
    assert events(flows) == ["created", "error_reported"] and not flows.ListQuarantine().entries


def test_a_state_that_only_lacks_results_is_not_recovered(flows):
    """Defect 3: a flow at 40 % that lacked field_mappings was reset."""
    break_flow(put(flows, ["error_report"]), current_phase="data_cleansing", progress_percentage=40, results={"rows": 5})
    assert not flows.ValidateState(flow_id="d").valid
    assert flows.ReportError(flow_id="d", message="it broke").recovery_id == ""
    assert state(flows)["results"] == {"rows": 5}
    definition = json.loads(flows.GetDefinition(flow_type="lax").definition.document)
    definition["recovery"]["automatic_depth"] = "complete"
    flows.PutDefinition(document=json.dumps(definition).encode())
    flows.MoveFlow(flow_id="d")
    assert flows.ReportError(flow_id="d", message="it broke").recovery_id


def test_what_the_policy_does_not_name_starts_nothing(flows):
    break_flow(put(flows, ["patch"]), phase_completion=["a"])
    assert flows.ReportError(flow_id="d", message="it broke").recovery_id == ""
    with invalid("STATE_INVALID"):
        flows.TransitionPhase(flow_id="d", phase="data_import")
    with invalid("STATE_INVALID"):
        flows.SetStatus(flow_id="d", status="paused")
    assert "recovered" not in events(flows)


@pytest.mark.parametrize("step", [
    lambda flows: flows.TransitionPhase(flow_id="d", phase="data_import", phase_data=b"[1]"),
    lambda flows: flows.CompletePhase(flow_id="d"),
    lambda flows: flows.SetStatus(flow_id="d", status="paused")])
def test_a_step_that_meets_a_broken_state_is_taken_from_the_recovered_one(flows, step):
    break_flow(put(flows, ["step"]), phase_completion=["data_import"])
    assert step(flows).flow.version == 3
    assert events(flows)[1] == "recovered" and flows.ListQuarantine().entries[0].reason == "by policy: step"


def test_a_step_that_is_wrong_itself_recovers_nothing(flows):
    flows = put(flows, ["step", "patch"])
    flows.save("d", discovery("d"), flow_type="lax")
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "TRANSITION_NOT_ALLOWED"):
        flows.TransitionPhase(flow_id="d", phase="completed")
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "PATCH_NOT_APPLICABLE"):
        flows.SaveState(flow_id="d", json_patch=b'[{"op": "remove", "path": "/nothing"}]')
    assert events(flows) == ["created"]


def test_a_patch_of_what_is_no_json(flows):
    put(flows, ["patch"]).save("d", b"no json", flow_type="lax", content_type="text/plain")
    assert flows.SaveState(flow_id="d", merge_patch=b'{"mark": 7}').version == 3
    assert state(flows)["mark"] == 7 and flows.GetRecoveryStatus(flow_id="d").recoveries[0].strategy == RESET


def test_who_expects_the_broken_version_is_told(flows):
    break_flow(put(flows, ["step"]), phase_completion=["a"])
    with conflict() as refusal:
        flows.SetStatus(flow_id="d", status="paused", expected_version=1)
    assert "at version 2" in refusal.message and events(flows) == ["created", "recovered"]


def test_an_error_is_recorded_though_nothing_helps(flows):
    flows.PutDefinition(document=json.dumps({
        "flow_type": "t", "on_save": "off", "rules": [{"rule": "required", "path": "/a"}],
        "recovery": {"automatic": ["error_report", "step"]}}).encode())
    flows.save("d", b"{}", flow_type="t")
    reported = flows.ReportError(flow_id="d", message="it broke")
    assert reported.recovery_id and (reported.flow.version, reported.flow.status) == (2, "failed")
    assert events(flows) == ["created", "error_reported"]
    assert sorted((entry.version, "recovered" in entry.title) for entry in notifications(flows)) == [(1, True), (2, False)]


def test_a_retry_is_answered_as_before(flows):
    break_flow(put(flows, ["error_report"]))
    first = flows.ReportError(flow_id="d", message="it broke", idempotency_key="k")
    again = flows.ReportError(flow_id="d", message="it broke", idempotency_key="k")
    assert first.recovery_id and again.replayed and events(flows) == ["created", "recovered", "error_reported"]


def test_reports_on_several_servers_at_once_recover_once(start_server, postgresql):
    database = postgresql()
    flows = break_flow(put(start_server(database_url=database.url).flows(), ["error_report", "step"]))
    others = [flows, start_server(database_url=database.url).flows(flows.tenant)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        reported = list(pool.map(lambda number: others[number % 2].ReportError(flow_id="d", message=f"{number}"), range(16)))
    assert sorted(reply.flow.version for reply in reported) == list(range(3, 19))
    assert events(flows) == ["created", "recovered"] + 16 * ["error_reported"]
    assert len(flows.ListQuarantine().entries) == 1 and len(state(flows)["errors"]) == 16
    assert sum(1 for entry in notifications(flows) if entry.level == WARNING) == 1


def test_an_error_of_a_flow_that_cannot_be_read(start_server, postgresql):
    database = postgresql()
    flows = put(start_server(database_url=database.url).flows(), ["error_report"])
    for number in range(3):
        flows.save("d", discovery("d", mark=number), flow_type="lax")
    flows.CreateCheckpoint(flow_id="d", version=2, name="good")
    with Session(database.url) as session:
        session.execute("UPDATE flowstate.flow_version SET state = 'rubbish' WHERE flow_id = 'd' AND version = 3")
    other = start_server(database_url=database.url).flows(flows.tenant)
    reported = other.ReportError(flow_id="d", message="it broke")
    assert (reported.flow.version, state(other)["mark"]) == (5, 1) and reported.recovery_id
    assert [entry["error"] for entry in state(other)["errors"]] == ["it broke"]


@pytest.mark.parametrize("switch", [
    {"arguments": ["--recovery", "false"]}, {"environment": {"FLOW_STATE_RECOVERY_ENABLED": "false"}},
    {"environment": {"FLOWSTATE_RECOVERY": "off"}}])
def test_it_can_be_switched_off(start_server, switch):
    flows = break_flow(put(start_server(**switch).flows(), ["error_report", "step", "patch"]), phase_completion=["a"])
    assert flows.ReportError(flow_id="d", message="it broke").recovery_id == ""
    with invalid("STATE_INVALID"):
        flows.SetStatus(flow_id="d", status="paused")
    assert flows.RecoverFlow(flow_id="d").recovery.recovered_version == 3, "who asks is served"


def test_a_flow_that_has_ended_stays_as_it_is(flows):
    break_flow(put(flows, ["error_report", "step", "patch"]), status="completed")
    assert flows.ReportError(flow_id="d", message="too late").recovery_id == ""
    with refused(grpc.StatusCode.FAILED_PRECONDITION):
        flows.SetStatus(flow_id="d", status="running")
    assert events(flows) == ["created", "error_reported"] and state(flows)["status"] == "completed"


def test_triggers_that_are_none(flows):
    with invalid("DEFINITION_INVALID") as refusal:
        flows.PutDefinition(document=b'{"flow_type": "t", "recovery": {"automatic": ["load"]}}')
    assert "error_report, step, patch" in refusal.message
    with invalid("DEFINITION_INVALID"):
        flows.PutDefinition(document=b'{"flow_type": "t", "recovery": {"automatic_depth": "deep"}}')
