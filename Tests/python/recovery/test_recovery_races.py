"""Several callers meet one broken state at once: it is recovered once, and each of them is served from what it became."""

import concurrent.futures
import itertools
import json
import threading

import pytest

from recoveries import put

CHANGES = {
    "complete": lambda flows, flow_id: flows.CompletePhase(flow_id=flow_id),
    "transition": lambda flows, flow_id: flows.TransitionPhase(flow_id=flow_id, phase="data_import"),
    "status": lambda flows, flow_id: flows.SetStatus(flow_id=flow_id, status="paused"),
    "merge": lambda flows, flow_id: flows.SaveState(flow_id=flow_id, merge_patch=b'{"mark": 7}'),
    "patch": lambda flows, flow_id: flows.SaveState(flow_id=flow_id, json_patch=b'[{"op": "add", "path": "/word", "value": "x"}]'),
    "error": lambda flows, flow_id: flows.ReportError(flow_id=flow_id, message="it broke"),
}
# Two steps leave the same phase: the one that comes second is wrong itself, whatever state it meets. So is a step of a failed flow.
PAIRS = [pair for pair in itertools.combinations_with_replacement(CHANGES, 2)
         if not {*pair} <= {"complete", "transition", "status", "error"} or pair in (("status", "status"), ("error", "error"))]


def version(reply):
    return reply.flow.version if hasattr(reply, "flow") else reply.version


def race(callers, pair, flow_id):
    start = threading.Barrier(2)

    def change(flows, name):
        start.wait(timeout=30)
        return CHANGES[name](flows, flow_id)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [version(reply) for reply in pool.map(change, callers, pair)]


def check(callers, pair, flow_id):
    callers[0].save(flow_id, b"no json", flow_type="lax", content_type="text/plain")
    assert sorted(race(callers, pair, flow_id)) == [3, 4]
    assert len(callers[0].ListQuarantine(flow_id=flow_id).entries) == 1, "recovered once"
    state = json.loads(callers[0].state(flow_id))
    assert ("merge" in pair) == (state.get("mark") == 7) and ("patch" in pair) == (state.get("word") == "x")
    assert len(state.get("errors", [])) == pair.count("error")


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_two_callers_at_once_are_both_served(server, flows, pair):
    put(flows, ["step", "patch", "error_report"])
    for number in range(5):
        check([flows, server.flows(flows.tenant)], pair, f"d{number}")


def test_so_they_are_through_two_servers(start_server, postgresql):
    database = postgresql()
    first = put(start_server(database_url=database.url).flows(), ["step", "patch", "error_report"])
    callers = [first, start_server(database_url=database.url).flows(first.tenant)]
    for pair in PAIRS:
        check(callers, pair, "-".join(pair))
