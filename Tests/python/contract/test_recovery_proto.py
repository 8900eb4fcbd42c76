"""recovery.proto: recovery, quarantine, notifications."""

import json

import grpc
import pytest
import xxhash
from flowstate.v1 import recovery_pb2

from errors import conflict, invalid, not_found, refused
from promises import promise

FAILED = grpc.StatusCode.FAILED_PRECONDITION
LAX = {
    "flow_type": "lax", "on_save": "off", "rules": [{"rule": "required", "path": "/a"}], "initial_state": {"a": 0},
    "recovery": {"strategies": ["checkpoint", "version", "reset"]}}
STATE = recovery_pb2.RecoveryState


@pytest.fixture
def lax(flows):
    flows.PutDefinition(document=json.dumps(LAX).encode())
    flows.save("f", b'{"a": 1}', flow_type="lax", checkpoint={"name": "n"})
    flows.save("f", b'{"a": 2}')
    flows.save("f", b'{"b": 3}')
    return flows


@promise(
    "recovery",
    "A flow that is not broken is left as it is, unless a strategy is named.",
    "The replaced version is quarantined in the same commit.",
    "Say what would be done and change nothing.",
    "0 when it wrote none.",
    "Of a dry run: the JSON Patch (RFC 6902) from the broken state to what would take its place",
    "The newest valid checkpoint.",
    "Lists the recoveries of a flow so far.")
def test_recovery(lax):
    planned = lax.RecoverFlow(flow_id="f", dry_run=True).recovery
    assert (STATE.Name(planned.state), planned.recovered_version, bool(planned.diff)) == ("RECOVERY_STATE_PLANNED", 0, True)
    assert lax.load("f").flow.version == 3 and not lax.ListQuarantine().entries
    done = lax.RecoverFlow(flow_id="f", reason="why").recovery
    assert (STATE.Name(done.state), done.broken_version, done.recovered_version) == ("RECOVERY_STATE_SUCCEEDED", 3, 4)
    assert lax.state("f") == b'{"a": 1}' and [violation.path for violation in done.violations] == ["/a"]
    [entry] = lax.ListQuarantine(flow_id="f").entries
    assert (entry.id, entry.version, entry.digest) == (done.quarantine_id, 3, xxhash.xxh3_128_digest(b'{"b": 3}'))
    assert lax.GetQuarantined(id=entry.id).state == b'{"b": 3}'
    nothing = lax.RecoverFlow(flow_id="f").recovery
    assert nothing.recovered_version == 0 and lax.load("f").flow.version == 4
    reset = lax.RecoverFlow(flow_id="f", strategy=recovery_pb2.RECOVERY_STRATEGY_RESET).recovery
    assert reset.recovered_version == 5 and json.loads(lax.state("f")) == {"a": 0}
    assert [each.id for each in lax.GetRecoveryStatus(flow_id="f").recoveries][:1] == [reset.id], "newest first"
    assert [each.version for each in lax.ListQuarantine(flow_id="f").entries] == [4, 3], "newest first"


@promise("recovery", "Who asked; `flowstate` when the policy did.")
def test_a_recovery_names_its_actor(lax):
    done = lax.RecoverFlow(flow_id="f").recovery
    [listed] = lax.GetRecoveryStatus(flow_id="f").recoveries
    assert (done.actor, listed.actor) == ("tester", "tester")


@promise("recovery", "Repair the latest state by the definition's rules (defaults for what is missing, …).")
def test_repair(flows):
    flows.PutDefinition(document=json.dumps({
        **LAX, "recovery": {"strategies": ["repair"]}, "repairs": [{"path": "/a", "value": 7}]}).encode())
    flows.save("f", b'{"b": 3}', flow_type="lax")
    assert flows.RecoverFlow(flow_id="f").recovery.strategy == recovery_pb2.RECOVERY_STRATEGY_REPAIR
    assert json.loads(flows.state("f")) == {"a": 7, "b": 3}


@promise("recovery", "FAILED_PRECONDITION (RECOVERY_FAILED) when nothing helped; the flow is then as it was before.")
def test_when_nothing_helps(flows):
    flows.PutDefinition(document=json.dumps({**LAX, "initial_state": None} | {"recovery": {"strategies": ["checkpoint"]}}).encode()
                        .replace(b', "initial_state": null', b"").replace(b'"initial_state": null, ', b""))
    flows.save("f", b"{}", flow_type="lax")
    with refused(FAILED, "RECOVERY_FAILED"):
        flows.RecoverFlow(flow_id="f")
    assert (flows.load("f").flow.version, flows.state("f"), list(flows.ListQuarantine().entries)) == (1, b"{}", [])


@promise(
    "recovery",
    "For ROLLBACK_CHECKPOINT: this one, by name or id; empty: the newest valid one.",
    "Why, for the audit trail; at most 4 KiB.")
def test_arguments(lax):
    with not_found("CHECKPOINT_NOT_FOUND"):
        lax.RecoverFlow(flow_id="f", strategy=recovery_pb2.RECOVERY_STRATEGY_ROLLBACK_CHECKPOINT, checkpoint="none")
    for fields in ({"reason": "é" * 2049}, {"strategy": 77}, {"checkpoint": "n", "strategy": recovery_pb2.RECOVERY_STRATEGY_RESET}):
        with invalid():
            lax.RecoverFlow(flow_id="f", **fields)
    with not_found():
        lax.RecoverFlow(flow_id="none")
    first = lax.RecoverFlow(flow_id="f", strategy=recovery_pb2.RECOVERY_STRATEGY_ROLLBACK_CHECKPOINT, checkpoint="n", idempotency_key="k")
    again = lax.RecoverFlow(flow_id="f", strategy=recovery_pb2.RECOVERY_STRATEGY_ROLLBACK_CHECKPOINT, checkpoint="n", idempotency_key="k")
    assert (first.replayed, again.replayed, again.recovery.id) == (False, True, first.recovery.id)


@promise(
    "recovery",
    "The entry's id; required. NOT_FOUND when there is none.",
    "version numbers never go back.",
    "INVALID_ARGUMENT (STATE_INVALID) when the flow's definition is enforced and the state breaks its rules, unless "
    "`allow_invalid` is set.",
    "The version whose state this is.")
def test_quarantined_states_come_back(lax):
    entry = lax.RecoverFlow(flow_id="f").recovery.quarantine_id
    with not_found("QUARANTINED_NOT_FOUND"):
        lax.RestoreQuarantined(id="none")
    with invalid():
        lax.RestoreQuarantined()
    with conflict():
        lax.RestoreQuarantined(id=entry, expected_version=9)
    restored = lax.RestoreQuarantined(id=entry, expected_version=4)
    assert (restored.version, restored.restored_version, lax.state("f")) == (5, 3, b'{"b": 3}')


@promise(
    "recovery",
    "Lists what people should know about flows, newest first.",
    "Marks a notification as seen. Doing so twice changes nothing.",
    "Only this level and more urgent ones; unspecified: all.",
    "The notification's id; required. NOT_FOUND when there is none.",
    "Also those that are acknowledged.",
    "Who acknowledged it; empty: it was not.")
def test_notifications(lax):
    lax.RecoverFlow(flow_id="f")
    lax.ReportError(flow_id="f", message="m")
    newest, oldest = lax.ListNotifications(flow_id="f").notifications
    assert (oldest.level, newest.level) == (recovery_pb2.NOTIFICATION_LEVEL_WARNING, recovery_pb2.NOTIFICATION_LEVEL_ERROR)
    assert [each.id for each in lax.ListNotifications(minimum_level=recovery_pb2.NOTIFICATION_LEVEL_ERROR).notifications] == [newest.id]
    assert newest.acknowledged_by == ""
    seen = lax.AcknowledgeNotification(id=newest.id).notification
    assert (seen.acknowledged_by, lax.AcknowledgeNotification(id=newest.id).notification) == ("tester", seen)
    assert [each.id for each in lax.ListNotifications().notifications] == [oldest.id]
    assert len(lax.ListNotifications(include_acknowledged=True).notifications) == 2
    for wrong in ("none", ""):
        with (not_found("NOTIFICATION_NOT_FOUND") if wrong else invalid()):
            lax.AcknowledgeNotification(id=wrong)
