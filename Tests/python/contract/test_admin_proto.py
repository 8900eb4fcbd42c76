"""admin.proto: figures and cleaning up; durations of every kind."""

import json
import re

import grpc
import pytest

from errors import invalid, refused
from postgresql import Session
from promises import promise


@promise("admin", "the last stretch of time of this length, a minute to 31 days. Not set: a day.")
@pytest.mark.parametrize("seconds, nanos, fine", [
    (60, 0, True), (31 * 86_400, 0, True), (60, 1, True), (59, 999_999_999, True), (59, 0, False), (31 * 86_400, 1, False),
    (0, 0, False), (-60, 0, False), (60, -1, False), (-60, 1, False), (60, 1_000_000_000, False), (60, -1_000_000_000, False),
    (61, 2**31 - 1, False), (315_576_000_000, 0, False), (315_576_000_001, 0, False), (2**63 - 1, 0, False), (-2**63, -1, False)])
def test_windows(flows, seconds, nanos, fine):
    if fine:
        answer = flows.GetStatistics(window={"seconds": seconds, "nanos": nanos})
        assert answer.time.ToNanoseconds() - answer.since.ToNanoseconds() == (seconds + (nanos > 0)) * 1_000_000_000
    else:
        with invalid() as refusal:
            flows.GetStatistics(window={"seconds": seconds, "nanos": nanos})
        assert refusal.fields() == ["window"]


@promise("admin", "Any other one is refused with NOT_SUPPORTED until servers have authentication.")
def test_tenants(flows):
    flows.save("f", b"{}")
    assert flows.GetStatistics(tenant=flows.tenant).flows == flows.GetStatistics().flows == 1
    with refused(grpc.StatusCode.UNIMPLEMENTED, "NOT_SUPPORTED") as refusal:
        flows.GetStatistics(tenant="another")
    assert refusal.fields() == ["tenant"]


@promise("admin", "Flows that are not deleted.", "Deleted flows whose history is still there.", "Versions.", "Checkpoints.",
         "Bytes of all states as clients sent them.", "Flows created in the window, deleted ones too.")
def test_figures(flows):
    flows.save("f", b"1234", checkpoint={"name": "n"}, flow_type="t", status="s")
    flows.save("f", b"12")
    flows.save("g", b"1")
    flows.DeleteFlow(flow_id="g")
    figures = flows.GetStatistics()
    assert (figures.flows, figures.deleted_flows, figures.versions, figures.checkpoints, figures.state_bytes, figures.created_flows) == (
        1, 1, 4, 1, 7, 2)
    assert figures.flow_sample == figures.storage_sample == figures.activity_sample == 1


def kept(flows, count, **retention):
    flows.PutDefinition(document=json.dumps({"flow_type": "t", "on_save": "off", "retention": {"versions": 1, **retention}}).encode())
    for _ in range(count):
        flows.save("f", b"{}", flow_type="t")


@promise("admin", "Say what would be removed and remove nothing.", "Versions removed.")
def test_cleaning_up(flows):
    kept(flows, 8)
    planned = flows.Cleanup(dry_run=True)
    assert planned.versions == 7 and len(flows.versions("f")) == 8
    assert flows.Cleanup(flow_type="other").versions == 0
    assert flows.Cleanup(flow_type="t").versions == 7
    assert [version.version for version in flows.versions("f")] == [8]
    with invalid() as refusal:
        flows.Cleanup(max_rows=-1)
    assert refusal.fields() == ["max_rows"]


@promise("admin", "The `cursor` of the last response, to continue where that one stopped; empty: from the beginning.",
         "Where it stopped; empty: it reached the end.")
def test_a_clean_up_goes_on_where_it_stopped(flows):
    kept(flows, 40)
    cursor, removed = "", 0
    for _ in range(10):
        done = flows.Cleanup(max_rows=10, cursor=cursor)
        removed, cursor = removed + done.versions, done.cursor
        if not cursor:
            break
    assert (removed, cursor) == (39, "") and len(flows.versions("f")) == 1


@promise("admin", "How many rows to remove at most; 0: 100,000.", "there may be more to remove.")
def test_a_clean_up_stops_after_so_many_rows(flows):
    kept(flows, 40)
    done = flows.Cleanup(max_rows=10)
    removed = done.versions + done.checkpoints + done.events + done.quarantined
    assert (removed, done.more) == (10, True)
    assert len(flows.versions("f")) == 30


@promise("admin", "Removes what retention no longer keeps of the caller's flows.",
         "Empty: it has not reached this tenant's flows yet, or is done with them.")
def test_nobody_cleans_up_other_tenants(flows, server):
    other = server.flows(tenant=flows.tenant + "-other")
    kept(other, 4)
    kept(flows, 4)
    assert flows.Cleanup().versions == 3
    assert len(flows.versions("f")) == 1 and len(other.versions("f")) == 4
    assert flows.GetCleanupRun().flow_id == ""


@promise("admin", "The server's release, such as `0.2.0`.", "How long it has been running.",
         "The last migration that was applied to its database.", "The value in force.")
def test_what_a_server_says_of_itself(flows):
    info = flows.GetServerInfo()
    assert re.fullmatch(r"\d+\.\d+\.\d+", info.version) and info.schema_version >= 16
    assert 0 < info.uptime.ToTimedelta().total_seconds() < 3_600
    assert {"validation", "recovery"} <= set(info.features)
    limits = {limit.name: limit.value for limit in info.limits}
    assert limits["message-bytes"] == 16 << 20 and len(limits) > 50


@promise("admin", "A load of one that it has reads only a few columns of the flow, to see that it is the newest.",
         "Flows whose newest version it has.", "Bytes that it takes, about.", "the limit `version-cache-bytes`, and up to twice as much of the memory that requests leave free.",
         "Loads of newest versions since the server started.", "Those of them that it answered.")
def test_the_cache_of_versions(start_server):
    server = start_server(limits={"version-cache-bytes": 1 << 20})
    flows = server.flows()
    for flow in range(3):
        flows.save(f"f{flow}", b"1234")
    for flow in ("f0", "f1", "f1"):
        flows.LoadState(flow_id=flow)
    flows.LoadState(flow_id="f2", version=1)
    cache = flows.GetServerInfo().version_cache
    assert (cache.flows, cache.capacity_bytes, cache.loads, cache.hits) == (3, 1 << 20, 3, 3)
    assert 12 < cache.bytes < 1 << 20
    # Another server, as it were, changes a flow: what is cached of it is no longer the newest version.
    with Session(f"host={server.data}/socket port=5432 user=flowstate dbname=flowstate") as session:
        session.execute("UPDATE flowstate.flow SET updated_at = updated_at + interval '1 second' WHERE flow_id = 'f0'")
    flows.LoadState(flow_id="f0")
    cache = flows.GetServerInfo().version_cache
    assert (cache.loads, cache.hits) == (4, 3)
    large = b'"' + b"x" * 300_000 + b'"'
    flows.save("large", large)
    assert flows.state("large") == large and flows.GetServerInfo().version_cache.flows == 3, "more than a quarter of all"
