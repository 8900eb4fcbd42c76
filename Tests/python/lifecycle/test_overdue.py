"""Flows that stay in a phase or a status for longer than their definition allows are reported, once."""

import contextlib
import json

import pytest
from flowstate.v1 import types_pb2

from errors import invalid
from postgresql import Session, session
from processes import eventually
from recoveries import ERROR, WARNING, notifications
from webhook_receiver import Receiver

PATHS = {"phase": "/phase", "status": "/status", "errors": "/errors"}
DEFINITION = {
    "flow_type": "order", "on_save": "off", "paths": PATHS,
    "phases": [{"name": "cart", "limit_seconds": 3600}, {"name": "paid", "limit_seconds": 60, "on_overdue": "report_error"},
               {"name": "sent", "terminal": True}],
    "statuses": [{"name": "open"}, {"name": "asking", "limit_seconds": 7200}, {"name": "failed", "error": True}, {"name": "closed", "next": []}]}


def put(flows, **members):
    flows.PutDefinition(document=json.dumps({**DEFINITION, **members}).encode())
    return flows


def save(flows, flow_id, **state):
    return flows.save(flow_id, json.dumps(state).encode(), flow_type="order")


def due(flows, flow_id):
    """Seconds from its last change to when it is due; None: it never is."""
    flow = flows.load(flow_id).flow
    return (flow.due_at.ToNanoseconds() - flow.updated_at.ToNanoseconds()) / 1e9 if flow.HasField("due_at") else None


def overdue(flows, **fields):
    return sorted(flow.flow_id for flow in flows.ListFlows(filter={"overdue": True, **fields}, page_size=1000).flows)


@pytest.fixture
def database(postgresql):
    """`database.age(flows, 3600)` lets an hour pass for what is due."""
    database = postgresql()

    def age(flows, seconds, flow_id=""):
        database.execute(
            f"""UPDATE flowstate.flow SET phase_due_at = phase_due_at - interval '{seconds} s',
                status_due_at = status_due_at - interval '{seconds} s', due_at = due_at - interval '{seconds} s',
                checkpoint_epoch = checkpoint_epoch + 1
                WHERE tenant = '{flows.tenant}' AND starts_with(flow_id, '{flow_id}')""")

    database.age = age
    return database


@pytest.fixture
def sweeping(start_server, database):
    """Two servers that look once a second."""
    return [start_server(database_url=database.url, arguments=["--cleanup-interval", "1"]) for _ in range(2)]


def test_when_a_flow_is_due(flows):
    put(flows)
    save(flows, "a")
    assert due(flows, "a") == 3600, "the first phase"
    before = flows.load("a").flow.due_at
    save(flows, "a", phase="cart", more=1)
    flows.SaveState(flow_id="a", merge_patch=b'{"more": 2}')
    flows.SetStatus(flow_id="a", status="open")
    assert flows.load("a").flow.due_at == before, "it has stayed in its phase"
    flows.TransitionPhase(flow_id="a", phase="paid", force=True)
    assert due(flows, "a") == 60
    flows.SetStatus(flow_id="a", status="asking")
    assert due(flows, "a") < 60, "the phase is due first"
    flows.TransitionPhase(flow_id="a", phase="cart", force=True)
    assert due(flows, "a") == 3600
    save(flows, "a", phase="elsewhere")
    assert 3600 < due(flows, "a") <= 7200, "that of the status is left"
    [listed] = flows.ListFlows().flows
    assert listed.due_at == flows.load("a").flow.due_at
    flows.SetStatus(flow_id="a", status="closed")
    assert due(flows, "a") is None
    flows.save("b", b"{}")
    assert due(flows, "b") is None


def test_a_flow_that_ends_is_not_due(flows):
    put(flows)
    save(flows, "a", phase="paid", status="asking")
    flows.TransitionPhase(flow_id="a", phase="sent", force=True)
    assert due(flows, "a") is None
    save(flows, "b", phase="paid", status="closed")
    assert due(flows, "b") is None
    save(flows, "c", phase="paid")
    flows.DeleteFlow(flow_id="c")
    assert not flows.ListFlows(filter={"include_deleted": True, "flow_id_prefix": "c"}).flows[0].HasField("due_at")
    flows.save("c", b'{"phase": "cart"}', flow_type="order", revive=True)
    assert due(flows, "c") == 3600


def test_forks_and_restores_enter_what_they_bring(flows):
    put(flows)
    save(flows, "a", phase="paid")
    flows.CreateCheckpoint(flow_id="a", name="c")
    save(flows, "a", phase="elsewhere")
    flows.RestoreCheckpoint(flow_id="a", checkpoint="c")
    assert due(flows, "a") == 60
    before = flows.load("a").flow.due_at
    flows.RestoreCheckpoint(flow_id="a", checkpoint="c")
    assert flows.load("a").flow.due_at == before
    for number, with_history in enumerate([False, True]):
        flows.ForkFlow(flow_id="a", new_flow_id=f"fork {number}", with_history=with_history)
        assert flows.load(f"fork {number}").flow.due_at.ToNanoseconds() > before.ToNanoseconds(), "it is a new flow"


def test_another_definition_counts_from_the_move_on(flows):
    put(flows)
    save(flows, "a", phase="paid")
    before = flows.load("a").flow.due_at
    put(flows, phases=[{"name": "paid", "limit_seconds": 10}, {"name": "cart"}])
    save(flows, "a", phase="paid", more=1)
    assert flows.load("a").flow.due_at == before, "a flow follows the revision that it was made under"
    flows.MoveFlow(flow_id="a")
    assert due(flows, "a") == 10
    put(flows, phases=[{"name": "paid"}])
    flows.MoveFlow(flow_id="a")
    assert due(flows, "a") is None


def test_it_is_notified_of_once(sweeping, database):
    flows, other = sweeping[0].flows(tenant="t"), sweeping[1].flows(tenant="t")
    put(flows)
    for number in range(50):
        save(flows, f"f{number}", phase="cart")
    save(flows, "moves on", phase="cart"), save(flows, "later", phase="cart")
    save(flows, "moves on", phase="elsewhere")
    assert overdue(flows) == []
    database.age(flows, 3600, "f"), database.age(flows, 3600, "moves")
    eventually(lambda: len(notifications(other, page_size=1000)) >= 50, what="notifications of all")
    # Each server has looked again since.
    database.age(flows, 3600, "later")
    eventually(lambda: len(notifications(other, flow_id="later")) == 1, what="the last notification")
    told = notifications(flows, page_size=1000)
    assert len(told) == len({one.flow_id for one in told}) == 51 and {one.level for one in told} == {WARNING}
    assert told[0].title == 'flow "later" is overdue' and 'in phase "cart" for longer than 3600 s' in told[0].message
    assert told[0].version == 1 and flows.load("f1").flow.version == 1, "the flow is as it was"
    assert len(overdue(flows)) == 51 and overdue(flows, phase="paid") == []
    save(flows, "f1", phase="paid")
    assert "f1" not in overdue(flows)
    for server in sweeping:
        server.stop()
    # Nothing is left over, and no server is needed to know what is overdue.
    again = sweeping[0].start().flows(tenant="t")
    assert len(overdue(again)) == 50 and len(notifications(again, page_size=1000)) == 51


def test_an_error_is_reported_once_and_recovery_stands_behind_it(sweeping, database):
    flows = sweeping[0].flows()
    put(flows, rules=[{"rule": "type", "path": "/n", "type": "number"}], repairs=[{"path": "/n", "value": 1}],
        recovery={"strategies": ["repair"], "automatic": ["error_report"]})
    save(flows, "broken", phase="paid", status="open", n="one")
    for number in range(20):
        save(flows, f"f{number}", phase="paid", status="open", n=1)
    flows.AcquireLease(flow_id="f0", holder="h", ttl={"seconds": 600})
    database.age(flows, 60)
    eventually(lambda: {flow.status for flow in flows.ListFlows().flows} == {"failed"}, what="error reports")
    for number in range(20):
        first, last = flows.versions(f"f{number}")
        assert (last.event, last.actor) == (types_pb2.VERSION_EVENT_ERROR_REPORTED, "flowstate")
    [error] = json.loads(flows.state("f1"))["errors"]
    assert error["error_type"] == "overdue" and error["phase"] == "paid" and 'in phase "paid" for longer than 60 s' in error["error"]
    assert [notification.level for notification in notifications(flows, flow_id="f1")] == [ERROR]
    events = [types_pb2.VersionEvent.Name(version.event).removeprefix("VERSION_EVENT_") for version in flows.versions("broken")]
    assert events == ["CREATED", "RECOVERED", "ERROR_REPORTED"] and json.loads(flows.state("broken"))["n"] == 1
    assert len(overdue(flows)) == 21, "they are in their phase still"


def test_what_moves_on_while_it_is_reported_is_not_reported(sweeping, database):
    flows = sweeping[0].flows()
    put(flows)
    save(flows, "a", phase="cart"), save(flows, "b", phase="cart")
    with Session(database.url) as session:
        session.execute("BEGIN; LOCK TABLE flowstate.notification IN SHARE MODE")
        database.age(flows, 3600)
        session.wait_for_blocked()
        # As a save that takes it to another phase does.
        database.execute(f"""UPDATE flowstate.flow SET phase = 'elsewhere', phase_due_at = NULL, due_at = NULL
            WHERE tenant = '{flows.tenant}' AND flow_id = 'a'""")
        session.execute("COMMIT")
    eventually(lambda: notifications(flows, flow_id="b"), what="the notification of the other flow")
    save(flows, "c", phase="cart"), database.age(flows, 3600, "c")
    eventually(lambda: notifications(flows, flow_id="c"), what="another round")
    assert notifications(flows, flow_id="a") == []


def test_a_webhook_hears_of_it(start_server, database):
    with contextlib.closing(Receiver()) as receiver:
        server = start_server(database_url=database.url, arguments=["--cleanup-interval", "1"], environment=receiver.environment)
        flows = put(server.flows())
        save(flows, "a", phase="cart")
        database.age(flows, 3600)
        [request] = receiver.wait_for(1)
        told = request.notification
        assert (told["flow_id"], told["level"], told["title"], told["version"]) == ("a", "warning", 'flow "a" is overdue', 1)


def test_saves_that_are_not_validated_have_no_limit(start_server):
    server = start_server(arguments=["--validation", "false"])
    flows = put(server.flows())
    flows.save("a", b"{}", flow_type="order", phase="cart")
    assert due(flows, "a") is None
    flows.TransitionPhase(flow_id="a", phase="paid", force=True)
    assert due(flows, "a") == 60, "steps know the definition"
    flows.save("a", b"{}", status="open")
    assert 0 < due(flows, "a") <= 60
    flows.save("a", b"{}", phase="cart")
    assert due(flows, "a") is None


def test_watches_do_not_filter_by_it(flows):
    with invalid() as refusal:
        next(flows.WatchFlows(filter={"overdue": True}))
    assert refusal.fields() == ["filter"]


@pytest.mark.parametrize("limit", [0, 3_155_760_001, 1.5, "60"])
def test_what_a_limit_may_be(flows, limit):
    for place in ("phases", "statuses"):
        document = {"flow_type": "order", place: [{"name": "a", "limit_seconds": limit}]}
        with invalid("DEFINITION_INVALID") as refusal:
            flows.PutDefinition(document=json.dumps(document).encode())
        assert f"/{place}/0/limit_seconds" in refusal.message
    flows.PutDefinition(document=json.dumps({"flow_type": "order", "phases": [{"name": "a", "limit_seconds": 3_155_760_000}]}).encode())
    save(flows, "a")
    assert due(flows, "a") == 3_155_760_000


def test_the_command_line_lists_what_is_overdue(cli, server):
    cli.ok("definition", "put", "-", stdin=json.dumps(DEFINITION).encode())
    for flow in ("late", "in-time"):
        cli.ok("flow", "save", flow, "--type", "order", "--state-text", '{"phase": "cart"}')
    tenant = cli.environment["FLOWSTATE_TENANT"]
    with session(server) as database:
        database.execute(
            f"UPDATE flowstate.flow SET phase_due_at = phase_due_at - interval '1 h' WHERE tenant = '{tenant}' AND flow_id = 'late'")
    assert [flow["flow_id"] for flow in cli.json("flow", "list", "--overdue")["flows"]] == ["late"]
    people = cli.ok("flow", "list", "--overdue", "--output", "table").decode().splitlines()
    assert people[0].split()[-1] == "DUE_AT" and len(people) == 2
    assert cli.json("flow", "status", "in-time", "open")["flow"]["due_at"]
