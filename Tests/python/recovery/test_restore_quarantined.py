"""What recovery replaced can be brought back, as the next version."""

import json

import grpc
import pytest
from flowstate.v1 import types_pb2

from discovery import discovery
from errors import conflict, invalid, not_found, refused
from postgresql import Session
from recoveries import recover


@pytest.fixture
def archived(lax):
    """A flow at version 2, whose first version is in quarantine; its save is not validated."""
    lax.save("d", discovery("d", current_phase="unknown", mark=1), flow_type="lax", phase="lost", status="odd", progress=12)
    recover(lax)
    lax.entry = lax.ListQuarantine().entries[0]
    return lax


def enforce(flows, policy="enforce"):
    definition = json.loads(flows.GetDefinition(flow_type="lax").definition.document)
    flows.PutDefinition(document=json.dumps({**definition, "on_save": policy}).encode())


def test_it_becomes_the_next_version(archived):
    restored = archived.RestoreQuarantined(id=archived.entry.id)
    assert (restored.flow_id, restored.version, restored.restored_version) == ("d", 3, 1)
    assert (restored.digest, list(restored.warnings)) == (archived.entry.digest, [])
    now = archived.load("d")
    assert now.state == archived.state("d", version=1) and now.version.parent_version == 1
    assert now.version.event == types_pb2.VERSION_EVENT_RESTORED and now.version.actor == "tester"
    assert json.loads(now.version.metadata) == {"quarantine_id": archived.entry.id}
    assert (now.flow.phase, now.flow.status, now.flow.progress) == ("lost", "odd", 12)
    assert [entry.id for entry in archived.ListQuarantine().entries] == [archived.entry.id], "it stays archived"


def test_rules_hold_for_it(archived):
    """Those of the revision that the flow follows."""
    enforce(archived)
    assert archived.MoveFlow(flow_id="d").flow.version == 3
    with invalid("STATE_INVALID") as refusal:
        archived.RestoreQuarantined(id=archived.entry.id)
    assert "/current_phase" in refusal.message and archived.load("d").flow.version == 3
    assert archived.RestoreQuarantined(id=archived.entry.id, allow_invalid=True).version == 4
    enforce(archived, "warn")
    assert archived.MoveFlow(flow_id="d").flow.version == 5
    restored = archived.RestoreQuarantined(id=archived.entry.id)
    assert restored.version == 6 and "/current_phase" in [violation.path for violation in restored.warnings]
    archived.PutDefinition(document=b'{"flow_type": "lax", "rules": [{"rule": "required", "path": "/mark"}]}')
    assert archived.MoveFlow(flow_id="d").flow.version == 7
    restored = archived.RestoreQuarantined(id=archived.entry.id)
    assert restored.version == 8 and not restored.warnings, "it follows the rules of today"


def test_preconditions(archived):
    with conflict():
        archived.RestoreQuarantined(id=archived.entry.id, expected_version=1)
    for version in (0, -1):
        with invalid() as refusal:
            archived.RestoreQuarantined(id=archived.entry.id, expected_version=version)
        assert refusal.fields() == ["expected_version"]
    with invalid():
        archived.RestoreQuarantined(id=archived.entry.id, any_version=False)
    assert archived.RestoreQuarantined(id=archived.entry.id, expected_version=2).version == 3
    assert archived.RestoreQuarantined(id=archived.entry.id, any_version=True).version == 4
    archived.DeleteFlow(flow_id="d")
    with not_found():
        archived.RestoreQuarantined(id=archived.entry.id)


def test_retries(archived):
    first = archived.RestoreQuarantined(id=archived.entry.id, idempotency_key="k")
    enforce(archived)
    again = archived.RestoreQuarantined(id=archived.entry.id, idempotency_key="k")
    assert again.replayed and (again.version, again.restored_version, again.digest) == (3, 1, first.digest)
    assert archived.load("d").flow.version == 3
    with invalid("IDEMPOTENCY_KEY_REUSED"):
        archived.RestoreQuarantined(id=archived.entry.id, idempotency_key="k", allow_invalid=True)


def test_nobody_elses(archived, server):
    with not_found("QUARANTINED_NOT_FOUND"):
        server.flows().RestoreQuarantined(id=archived.entry.id)
    with not_found("QUARANTINED_NOT_FOUND"):
        archived.RestoreQuarantined(id="nobody's")
    with invalid():
        archived.RestoreQuarantined(id="")


def test_what_cannot_be_read_cannot_be_restored(start_server, postgresql):
    database = postgresql()
    flows = start_server(database_url=database.url).flows()
    for number in range(2):
        flows.save("d", b'{"n": %d}' % number)
    with Session(database.url) as session:
        session.execute("UPDATE flowstate.flow_version SET state = 'rubbish' WHERE flow_id = 'd' AND version = 2")
    other = start_server(database_url=database.url).flows(flows.tenant)
    quarantined = recover(other).quarantine_id
    with refused(grpc.StatusCode.DATA_LOSS, "STATE_CORRUPT") as refusal:
        other.RestoreQuarantined(id=quarantined, allow_invalid=True)
    assert "version 2 is damaged" in refusal.message and other.load("d").flow.version == 3


def test_the_command_line(cli):
    cli.ok("flow", "save", "f", "--state-text", '{"n": 1}')
    cli.ok("flow", "save", "f", "--state-text", '{"n": 2}')
    quarantined = cli.json("recover", "f", "--strategy", "version")["recovery"]["quarantine_id"]
    restored = cli.json("quarantine", "restore", quarantined, "--expected-version", "3")
    assert (restored["version"], restored["restored_version"]) == (4, 2)
    assert cli.ok("flow", "load", "f") == b'{"n": 2}'
