"""Retention: what definitions let go is removed, by request and by the servers themselves, and nothing else."""

import json

import pytest

from command_line import UNAVAILABLE
from errors import invalid
from processes import eventually


def kept(flows, **retention):
    document = {"flow_type": "kept", "on_save": "off", "phases": [{"name": "work"}, {"name": "end", "terminal": True}], "retention": retention}
    return flows.PutDefinition(document=json.dumps(document).encode())


def fill(flows, flow_id, versions, **fields):
    for number in range(versions):
        flows.save(flow_id, b"[%d]" % number, flow_type="kept", **fields)


def versions(flows, flow_id):
    return [version.version for version in flows.ListVersions(flow_id=flow_id).versions]


def test_versions_beyond_the_policy_go_and_the_rest_stays(flows):
    kept(flows, versions=3)
    fill(flows, "f", 5)
    flows.CreateCheckpoint(flow_id="f", name="here", version=2)
    fill(flows, "f", 5)
    fill(flows, "short", 2)
    flows.save("other", b"1")
    flows.save("other", b"2")

    planned = flows.Cleanup(dry_run=True)
    assert (planned.versions, planned.more) == (6, False) and planned.bytes > 0
    assert len(versions(flows, "f")) == 10, "a dry run changes nothing"
    assert flows.Cleanup(flow_type="nobody's").versions == 0
    done = flows.Cleanup(flow_type="kept")
    assert (done.versions, done.bytes) == (6, planned.bytes)
    assert versions(flows, "f") == [10, 9, 8, 2]
    assert flows.state("f", checkpoint="here") == b"[1]" and flows.state("f") == b"[4]"
    assert (versions(flows, "short"), versions(flows, "other")) == ([2, 1], [2, 1])
    entries = flows.GetHistory(flow_id="f", kinds=["versions_pruned"]).entries
    assert [(entry.actor, json.loads(entry.event.details)["versions"]) for entry in entries] == [("tester", 6)]
    # The flow goes on.
    assert flows.save("f", b"[10]", expected_version=10).version == 11


def test_checkpoints_and_archives_are_counted_too(flows):
    kept(flows, versions=1, checkpoints=2)
    for number in range(5):
        flows.save("f", b"[%d]" % number, flow_type="kept")
        flows.CreateCheckpoint(flow_id="f", name=f"at {number}")
    fill(flows, "f", 1)
    planned = flows.Cleanup(dry_run=True)
    assert (planned.versions, planned.checkpoints) == (3, 3)
    done = flows.Cleanup()
    assert (done.versions, done.checkpoints) == (3, 3)
    assert [checkpoint.name for checkpoint in flows.ListCheckpoints(flow_id="f").checkpoints] == ["at 4", "at 3"]
    assert versions(flows, "f") == [6, 5, 4]
    # What this server remembers of the flow is right, too.
    assert [version.checkpoints for version in flows.ListVersions(flow_id="f").versions] == [[], ["at 4"], ["at 3"]]


@pytest.mark.parametrize("retention, path", [
    ({"versions": 0}, "/retention/versions"), ({"versions": -1}, "/retention/versions"), ({"bytes": 1}, "/retention/bytes"),
    ({"version_hours": 1.5}, "/retention/version_hours"), ({"checkpoints": "all"}, "/retention/checkpoints"),
    ({"version_hours": 10 ** 9}, "/retention/version_hours")])
def test_a_policy_that_cannot_work_is_refused(flows, retention, path):
    with invalid("DEFINITION_INVALID") as refusal:
        kept(flows, **retention)
    assert path in refusal.message


def test_ended_hours_need_an_end(flows):
    document = {"flow_type": "endless", "phases": [{"name": "work"}], "retention": {"ended_hours": 1}}
    with invalid("DEFINITION_INVALID") as refusal:
        flows.PutDefinition(document=json.dumps(document).encode())
    assert "no flow of this type ever ends" in refusal.message


def test_arguments(flows):
    for field, value in (("max_rows", -1), ("flow_type", "\n")):
        with invalid() as refusal:
            flows.Cleanup(**{field: value})
        assert refusal.fields() == [field]


def test_servers_clean_up_by_themselves_one_at_a_time(start_server, postgresql):
    database = postgresql()
    servers = [start_server(database_url=database.url, arguments=["--cleanup-interval", "1"]) for _ in range(2)]
    flows = servers[0].flows()
    kept(flows, versions=2)
    fill(flows, "f", 20)
    eventually(lambda: versions(flows, "f") == [20, 19], what="two versions", timeout=60)

    def finished():
        run = flows.GetCleanupRun()
        return run if run.HasField("finished_at") else None

    run = eventually(finished, what="the end of a clean-up", timeout=60)
    assert run.holder.split()[0] in [server.endpoint for server in servers]
    # Another tenant hears when it was, and nothing of what was removed.
    other = servers[0].flows(tenant="another").GetCleanupRun()
    assert other.HasField("started_at") and (other.flow_id, other.removed.versions) == ("", 0)
    # The one that does it is killed; the other one goes on.
    next(server for server in servers if server.endpoint == run.holder.split()[0]).kill()
    flows = next(server for server in servers if server.process).flows(tenant=flows.tenant)
    fill(flows, "f", 20)
    eventually(lambda: versions(flows, "f") == [40, 39], what="two versions", timeout=120)


def test_the_older_name_of_the_hours(start_server):
    server = start_server(environment={"FLOW_STATE_CLEANUP_HOURS": "many"}, wait=False)
    assert server.wait() == 64 and "cleanup-hours: many is not a number" in server.log_tail()


def test_a_call_that_does_not_get_through_is_not_repeated_for_ever(cli):
    """A call stops a second before its deadline, so one of a second looks at nothing."""
    assert "raise --timeout" in cli.fails(UNAVAILABLE, "cleanup", "--timeout", "1")["message"]
    done = cli.run("cleanup", "--dry-run", "--timeout", "1", "--output", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["more"] and b"raise --timeout" in done.stderr
