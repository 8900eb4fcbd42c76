"""Notifications: made with what they tell of, listed, acknowledged, logged."""

import concurrent.futures
import json

import grpc
import pytest

from command_line import NOT_FOUND
from discovery import discovery
from errors import invalid, not_found, refused
from postgresql import Session
from recoveries import ERROR, INFO, WARNING, notifications, recover


def test_a_recovery_tells_of_itself(lax):
    lax.save("d", discovery("d", current_phase="unknown"), flow_type="lax")
    recover(lax, dry_run=True)
    assert notifications(lax) == []
    recovery = lax.RecoverFlow(flow_id="d", idempotency_key="k").recovery
    [notification] = notifications(lax)
    assert (notification.flow_id, notification.level, notification.version) == ("d", WARNING, 2)
    assert notification.title == 'flow "d" was recovered: it was repaired'
    assert "/current_phase" in notification.message and recovery.quarantine_id in notification.message
    assert notification.created_at == recovery.finished_at == lax.load("d").flow.updated_at
    lax.RecoverFlow(flow_id="d", idempotency_key="k")
    recover(lax)
    assert notifications(lax) == [notification]


def test_when_nothing_helped_somebody_has_to_act(flows):
    flows.PutDefinition(document=json.dumps(
        {"flow_type": "t", "on_save": "off", "rules": [{"rule": "required", "path": "/a"}]}).encode())
    flows.save("d", b"{}", flow_type="t")

    def fail(**fields):
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "RECOVERY_FAILED"):
            recover(flows, **fields)

    fail(dry_run=True)
    assert notifications(flows) == []
    fail()
    [notification] = notifications(flows)
    assert (notification.level, notification.version, flows.load("d").flow.version) == (ERROR, 1, 1)
    assert "could not be recovered" in notification.title and "repair" in notification.message
    fail()
    assert notifications(flows) == [notification], "while nobody has seen it, once is enough"
    flows.AcknowledgeNotification(id=notification.id)
    fail()
    assert len(notifications(flows, include_acknowledged=True)) == 2


@pytest.mark.parametrize("flow_type", ["", "open", "unified_discovery"])
@pytest.mark.parametrize("retryable, level", [(False, ERROR), (True, WARNING)])
def test_an_error_report_that_ends_in_a_failed_flow(flows, flow_type, retryable, level):
    flows.save("d", discovery("d"), flow_type=flow_type)
    report = {"flow_id": "d", "message": "it broke\x00", "phase": "data_import", "retryable": retryable, "idempotency_key": "k"}
    assert flows.ReportError(**report).flow.status == "failed"
    assert flows.ReportError(**report).replayed
    [notification] = notifications(flows)
    assert (notification.level, notification.version) == (level, 2)
    assert "failed" in notification.title and "data_import" in notification.title
    assert notification.message.startswith("it broke\ufffd\n")


def test_an_error_that_leaves_the_status_is_no_notification(flows):
    flows.PutDefinition(document=json.dumps({"flow_type": "t", "statuses": [{"name": "open"}]}).encode())
    flows.save("d", b"{}", flow_type="t", status="open")
    assert flows.ReportError(flow_id="d", message="it broke").flow.status == "open"
    assert notifications(flows) == []


def test_pages_and_filters(flows):
    for number in range(5):
        flows.save(f"d{number % 2}", b"{}")
        flows.ReportError(flow_id=f"d{number % 2}", message=f"error {number}", retryable=number == 4)
    found, token = [], ""
    while True:
        page = flows.ListNotifications(page_size=2, page_token=token)
        assert len(page.notifications) <= 2
        found += page.notifications
        token = page.next_page_token
        if not token:
            break
    assert [notification.message[:7] for notification in found] == [f"error {number}" for number in (4, 3, 2, 1, 0)]
    assert notifications(flows) == found
    assert [entry.message[6] for entry in notifications(flows, flow_id="d1")] == ["3", "1"]
    assert len(flows.ListNotifications(flow_id="d1", page_size=1).next_page_token) > 0
    assert notifications(flows, minimum_level=ERROR) == found[1:] and notifications(flows, minimum_level=INFO) == found
    with invalid():
        flows.ListNotifications(minimum_level=9)
    with invalid():
        flows.ListNotifications(page_token=flows.ListNotifications(page_size=2).next_page_token, minimum_level=ERROR)


def test_acknowledging(flows, server):
    flows.save("d", b"{}")
    flows.ReportError(flow_id="d", message="it broke")
    [notification] = notifications(flows)
    others = [server.flows(flows.tenant, actor=f"operator {number}") for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda one: one.AcknowledgeNotification(id=notification.id).notification, others))
    assert all(one == seen[0] for one in seen), "the first one stays"
    assert seen[0].acknowledged_by.startswith("operator ") and seen[0].HasField("acknowledged_at")
    assert notifications(flows) == [] and notifications(flows, include_acknowledged=True) == [seen[0]]
    [event] = flows.GetHistory(flow_id="d", kinds=["notification_acknowledged"]).entries
    assert event.actor == seen[0].acknowledged_by and json.loads(event.event.details)["notification_id"] == notification.id
    with not_found("NOTIFICATION_NOT_FOUND"):
        flows.AcknowledgeNotification(id="nobody's")
    with not_found("NOTIFICATION_NOT_FOUND"):
        server.flows().AcknowledgeNotification(id=notification.id)


def test_every_notification_is_logged(start_server):
    server = start_server()
    flows = server.flows()
    flows.save("d", b"{}")
    flows.ReportError(flow_id="d", message="first line\nsecond line\x1b[31m")
    [notification] = notifications(flows)
    lines = [line for line in server.log_tail().splitlines() if notification.id in line]
    assert len(lines) == 1 and " error" in lines[0] and "first line second line" in lines[0] and "\x1b" not in lines[0]


def test_a_notification_and_what_it_tells_of_are_one_commit(start_server, postgresql):
    """Without a row for the notification there is no version either."""
    database = postgresql()
    flows = start_server(database_url=database.url).flows()
    flows.save("d", b"{}")
    with Session(database.url) as session:
        session.execute("ALTER TABLE flowstate.notification ADD CONSTRAINT none CHECK (title = '')")
    with refused(grpc.StatusCode.INTERNAL):
        flows.ReportError(flow_id="d", message="it broke")
    assert flows.load("d").flow.version == 1


def test_the_command_line(cli):
    cli.ok("flow", "save", "f", "--state-text", "{}")
    cli.ok("flow", "fail", "f", "the warehouse does not answer")
    [listed] = cli.json("notification", "list", "--level", "error", "--flow", "f")["notifications"]
    assert (listed["level"], listed["version"], listed["acknowledged_by"]) == ("NOTIFICATION_LEVEL_ERROR", 2, "")
    assert cli.json("notification", "ack", listed["id"])["notification"]["acknowledged_by"] != ""
    assert cli.json("notification", "list")["notifications"] == []
    assert [entry["id"] for entry in cli.json("notification", "list", "--acknowledged")["notifications"]] == [listed["id"]]
    cli.fails(NOT_FOUND, "notification", "ack", "nobody's")
