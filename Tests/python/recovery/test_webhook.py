"""Notifications are delivered to a webhook: signed, at least once, again and again until somebody takes them."""

import subprocess

import pytest

from postgresql import Session
from processes import eventually
from webhook_receiver import SECRET, Receiver


@pytest.fixture
def receive():
    """`receive([500, 302])` starts a receiver that fails twice."""
    receivers = []

    def start(answers=()):
        receivers.append(Receiver(answers))
        return receivers[-1]

    yield start
    for receiver in receivers:
        receiver.close()


def fail(flows, flow_id="d", message="it broke"):
    flows.save(flow_id, b"{}")
    flows.ReportError(flow_id=flow_id, message=message)
    return flows.ListNotifications(flow_id=flow_id).notifications[0]


class Rows:
    """The rows of notifications as they are in the database."""

    def __init__(self, url):
        self.url = url

    def __call__(self, columns, condition="true"):
        with Session(self.url) as session:
            return [row.split("|") for row in session.execute(
                f"SELECT {columns} FROM flowstate.notification WHERE {condition} ORDER BY sequence_number")]

    def settled(self):
        """None waits for another attempt."""
        return self("notification_id", "next_attempt_at IS NOT NULL") == []


def test_it_is_tried_until_it_is_taken(start_server, postgresql, receive):
    database, receiver = postgresql(), receive([500, "close", 302])
    server = start_server(database_url=database.url, environment=receiver.environment)
    flows = server.flows()
    made = fail(flows, message='"ünïcode"\nand more')
    requests = receiver.wait_for(4)
    for request in requests:
        request.check_signature()
        assert request.path == "/hook", "redirects are not followed"
        assert request.body == requests[0].body and request.headers["Content-Type"] == "application/json"
        assert request.headers["Flowstate-Notification-Id"] == request.headers["Idempotency-Key"] == made.id
    told = requests[0].notification
    assert (told["id"], told["tenant"], told["flow_id"], told["version"]) == (made.id, flows.tenant, "d", 2)
    assert (told["level"], told["title"], told["message"]) == ("error", made.title, made.message)
    assert told["created_at"] == made.created_at.ToDatetime().isoformat(timespec="microseconds") + "Z"
    rows = Rows(database.url)
    eventually(rows.settled, what="the end of the delivery")
    assert rows("attempts, delivered_at IS NOT NULL") == [["4", "t"]] and len(receiver.received) == 4
    log = server.log.read_text()
    assert log.count("was not delivered") == 3 and SECRET not in log and "/hook" not in log


def test_each_is_delivered_whichever_server_made_it(start_server, postgresql, receive):
    """Two servers deliver, a third one only makes them."""
    database, receiver = postgresql(), receive()
    servers = [start_server(database_url=database.url, environment=receiver.environment) for _ in range(2)]
    flows = start_server(database_url=database.url).flows()
    made = {fail(flows, f"d{number}").id for number in range(40)}
    receiver.wait_for(40)
    eventually(Rows(database.url).settled, what="the end of the deliveries")
    ids = [request.id for request in receiver.received]
    assert set(ids) == made and len(ids) == 40, "nothing failed, so once is enough"
    for server in servers:
        assert "is given up" not in server.log.read_text()


def test_a_receiver_that_never_takes_it(start_server, postgresql, receive):
    database, receiver = postgresql(), receive(["hang"] + 9 * [404])
    server = start_server(
        database_url=database.url, environment=receiver.environment, limits={"webhook-attempts": 3, "webhook-timeout-ms": 300})
    fail(server.flows())
    rows = Rows(database.url)
    eventually(lambda: receiver.wait_for(3) and rows.settled(), what="giving up")
    assert rows("attempts, delivered_at IS NULL") == [["3", "t"]] and len(receiver.received) == 3
    eventually(lambda: "is given up" in server.log.read_text(), what="a line of the log")


def test_a_receiver_whose_answer_never_ends(start_server, postgresql, receive):
    """Its status says that it took the notification; nobody else waits for the rest."""
    database, receiver = postgresql(), receive(["trickle"])
    server = start_server(database_url=database.url, environment=receiver.environment, limits={"webhook-timeout-ms": 1000})
    flows = server.flows()
    fail(flows, "first")
    receiver.wait_for(1)
    fail(flows, "second")
    assert receiver.wait_for(2)[1].notification["flow_id"] == "second"
    rows = Rows(database.url)
    eventually(rows.settled, what="the end of the deliveries")
    assert rows("attempts, delivered_at IS NOT NULL") == 2 * [["1", "t"]]
    eventually(receiver.cut_off.is_set, what="the end of the connection")
    assert "was not delivered" not in server.log.read_text()


def test_a_server_that_dies_while_it_delivers(start_server, postgresql, receive):
    database, receiver = postgresql(), receive(["hang"])
    options = {"database_url": database.url, "environment": receiver.environment, "limits": {"webhook-timeout-ms": 3000}}
    server = start_server(**options)
    made = fail(server.flows())
    receiver.wait_for(1)
    server.kill()
    start_server(**options)
    first, second = receiver.wait_for(2)
    assert first.id == second.id == made.id and first.body == second.body
    rows = Rows(database.url)
    eventually(rows.settled, what="the end of the delivery")
    assert rows("attempts, delivered_at IS NOT NULL") == [["2", "t"]]


def test_what_is_acknowledged_is_not_delivered_any_more(start_server, postgresql, receive):
    database, receiver = postgresql(), receive(9 * [503])
    flows = start_server(database_url=database.url, environment=receiver.environment).flows()
    made = fail(flows)
    receiver.wait_for(1)
    flows.AcknowledgeNotification(id=made.id)
    rows = Rows(database.url)
    assert rows("next_attempt_at IS NULL") == [["t"]]
    # What comes after it is delivered, so its own turn has passed.
    fail(flows, "e")
    eventually(lambda: any(request.notification["flow_id"] == "e" for request in receiver.received), what="the next one")
    assert rows("next_attempt_at IS NULL, delivered_at IS NULL", "flow_id = 'd'") == [["t", "t"]]


def test_what_is_old_when_a_webhook_comes_is_not_delivered(start_server, postgresql, receive):
    database, receiver = postgresql(), receive()
    flows = start_server(database_url=database.url).flows()
    fail(flows, "old")
    with Session(database.url) as session:
        session.execute("UPDATE flowstate.notification SET created_at = created_at - interval '25 hours'")
    new = fail(flows, "new")
    start_server(database_url=database.url, environment=receiver.environment)
    assert receiver.wait_for(1)[0].id == new.id
    rows = Rows(database.url)
    eventually(rows.settled, what="the end of the deliveries")
    assert rows("flow_id", "delivered_at IS NOT NULL") == [["new"]] and len(receiver.received) == 1


def test_a_receiver_that_hangs_does_not_keep_the_server(start_server, receive):
    receiver = receive(["hang"])
    server = start_server(environment=receiver.environment)
    fail(server.flows())
    receiver.wait_for(1)
    server.stop()


def test_no_receiver_keeps_nobody(start_server):
    server = start_server(environment={"FLOWSTATE_WEBHOOK_URL": "http://127.0.0.1:1/", "FLOWSTATE_WEBHOOK_SECRET": "s"})
    flows = server.flows()
    fail(flows)
    eventually(lambda: "was not delivered" in server.log.read_text(), what="a failed attempt")
    assert flows.load("d").flow.version == 2


@pytest.mark.parametrize("arguments, fault", [
    (["--webhook-url", "ftp://example.com", "--webhook-secret", "s"], "must be http"),
    (["--webhook-url", "http://example.com"], "needs a secret"), (["--webhook-secret", "s"], "goes with --webhook-url"),
    (["--webhook-url", "http://ada:hidden@example.com", "--webhook-secret", "s"], "must not have a user")])
def test_a_webhook_that_cannot_work(flowstate_bin, arguments, fault):
    done = subprocess.run([flowstate_bin, "serve", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 64 and fault in done.stderr and "hidden" not in done.stderr.splitlines()[0]
