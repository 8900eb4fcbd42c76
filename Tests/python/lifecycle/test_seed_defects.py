"""The defects of this server's predecessor: each is a test, here or where it is named."""

import concurrent.futures
import json

import grpc
import pytest

from discovery import discovery, state
from errors import not_found, refused


def broken(validated):
    return {(violation.path, violation.rule) for violation in validated.violations}


def test_1_of_two_writers_one_wins(flows):
    flows.save("f", b"0")

    def save(number):
        try:
            return flows.save("f", b"%d" % number, expected_version=1).version
        except grpc.RpcError as error:
            return error.code()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(save, range(8)))
    assert results.count(2) == 1 and results.count(grpc.StatusCode.ABORTED) == 7


def test_2_every_version_is_kept(flows):
    for number in range(5):
        flows.save("f", b"%d" % number)
    assert [flows.state("f", version=number) for number in range(1, 6)] == [b"0", b"1", b"2", b"3", b"4"]


def test_3_looking_changes_nothing(flow):
    """A flow at 40 % that lacked field_mappings lost its results by being looked at."""
    definition = json.loads(flow.GetDefinition(flow_type="unified_discovery").definition.document)
    flow.PutDefinition(document=json.dumps({**definition, "flow_type": "lax", "on_save": "off"}).encode())
    wrong = discovery("w", current_phase="data_cleansing", progress_percentage=40, results={"rows": 5})
    flow.save("w", wrong, flow_type="lax")
    assert broken(flow.ValidateState(flow_id="w")) == {("/field_mappings", "not_empty_in_phase")}
    flow.GetSummary(flow_id="w")
    assert flow.state("w") == wrong and flow.load("w").flow.version == 1


# 4 is about repairs: recovery/test_recovery.py.


def test_5_a_paused_flow_stays_paused_and_errors_stay(flow):
    flow.SetStatus(flow_id="d", status="paused")
    assert flow.ValidateState(flow_id="d").valid
    flow.ReportError(flow_id="d", message="kept")
    assert [entry["error"] for entry in state(flow)["errors"]] == ["kept"]


def test_6_checkpoints_hold_what_was_saved_and_transitions_name_the_phase_before(flow):
    moved = flow.TransitionPhase(flow_id="d", phase="data_import")
    assert getattr(moved, "from") == "initialization"
    done = flow.CompletePhase(flow_id="d", results=b'{"n": 1}')
    checkpoint = flow.ListCheckpoints(flow_id="d").checkpoints[0]
    assert checkpoint.version == done.flow.version
    assert json.loads(flow.state("d", checkpoint=checkpoint.id))["data_import_results"] == {"n": 1}


def test_7_a_flow_leaves_its_first_phase_and_does_not_go_back(flow):
    flow.TransitionPhase(flow_id="d", phase="data_import")
    for phase in ("initialization", "data_import"):
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "TRANSITION_NOT_ALLOWED"):
            flow.TransitionPhase(flow_id="d", phase=phase)


@pytest.mark.parametrize("changes, expected", [
    ({"progress_percentage": True}, {("/progress_percentage", "type")}), ({"errors": None}, set()),
    ({"phase_completion": ["data_import"], "status": "completed", "progress_percentage": 100},
     {("/phase_completion", "type")} | {
         (f"/phase_completion/{phase}", "consistent_with_status")
         for phase in ("data_import", "field_mapping", "data_cleansing", "asset_inventory")})])
def test_8_odd_values_are_judged(flows, changes, expected):
    assert broken(flows.ValidateState(flow_type="unified_discovery", state=discovery("d", **changes))) == expected


def test_8_nan_is_no_json(flows):
    state = discovery("d").replace(b'"progress_percentage": 0', b'"progress_percentage": NaN')
    assert broken(flows.ValidateState(flow_type="unified_discovery", state=state)) == {("", "syntax")}


def test_9_no_such_flow_is_not_an_absent_database(flows):
    """test_windows.py takes the database away: UNAVAILABLE."""
    with not_found():
        flows.load("nobody's")


def test_10_checkpoints_do_not_grow_the_state(flow):
    before = flow.load("d").version.size_bytes
    for number in range(5):
        flow.CreateCheckpoint(flow_id="d", name=f"c{number}")
        flow.SetStatus(flow_id="d", progress=number)
    assert flow.load("d").version.size_bytes < before + 100


# 11 is about notifications and settings: recovery/test_notifications.py and test_recovery_policy.py. 12 is about the migrator: not built.
