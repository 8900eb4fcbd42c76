"""Definitions that another server, another release or another history of the database put."""

import json
import time

import grpc
import pytest

from errors import invalid, refused
from postgresql import Session
from processes import eventually

#: Definitions that another server put hold within this time, in seconds (docs/definitions.md).
NOTICED_WITHIN = 1.0


def document(*required, flow_type="order", **more):
    return json.dumps(
        {"flow_type": flow_type, "rules": [{"rule": "required", "path": f"/{name}"} for name in required], **more}).encode()


def put(flows, *required, **more):
    return flows.PutDefinition(document=document(*required, **more)).definition.revision


def wait_until_noticed(put_at):
    eventually(lambda: time.monotonic() > put_at + NOTICED_WITHIN, what="the time in which definitions are noticed")


@pytest.fixture
def pair(start_server, postgresql):
    """One tenant through two servers on one database."""
    database = postgresql()
    flows = [start_server(database_url=database.url).flows(tenant="pair") for _ in range(2)]
    return (*flows, database)


def test_what_another_server_put_holds_for_the_first_save_too(pair):
    one, other, _ = pair
    other.save("warm", b"{}", flow_type="plain")
    put(one, "x", flow_type="late")
    wait_until_noticed(time.monotonic())
    with invalid("STATE_INVALID"):
        other.CreateFlow(flow_id="f", flow_type="late", state=b"{}")
    put(one, "x", "y", flow_type="late")
    wait_until_noticed(time.monotonic())
    with invalid("STATE_INVALID"):
        other.save("f", b'{"x": 1}', flow_type="late")
    other.save("f", b'{"x": 1, "y": 1}', flow_type="late")
    assert other.load("f").flow.definition_revision == 2


def test_a_definition_that_cannot_be_read_refuses_saves_of_its_type_only(pair, start_server):
    one, _, database = pair
    put(one, "x", flow_type="good")
    put(one, "x", flow_type="bad")
    with Session(database.url) as session:
        # As a release to come may write it.
        session.execute(
            "UPDATE flowstate.definition SET document = convert_to('{\"flow_type\": \"bad\", \"rules\": [{\"rule\": \"telepathy\"}]}', 'UTF8')"
            " WHERE flow_type = 'bad'")
    fresh = start_server(database_url=database.url).flows(tenant="pair")
    fresh.save("plain", b"1")
    fresh.save("good", b'{"x": 1}', flow_type="good")
    with invalid("STATE_INVALID"):
        fresh.save("worse", b"{}", flow_type="good")
    for _ in range(2):
        with refused(grpc.StatusCode.INTERNAL, "INTERNAL"):
            fresh.save("bad", b'{"x": 1}', flow_type="bad")
    put(one, "y", flow_type="later")
    wait_until_noticed(time.monotonic())
    with invalid("STATE_INVALID"):
        fresh.save("later", b"{}", flow_type="later")


def test_a_number_given_to_another_document_means_that_document(pair):
    """A backup restored under running servers takes revisions back, and new ones get their numbers."""
    one, other, database = pair
    for flows in (one, other):
        flows.save("warm", b"{}", flow_type="plain")
    put(one, "one")
    put(one, "two")
    wait_until_noticed(time.monotonic())
    for flows in (one, other):
        with invalid("STATE_INVALID"):
            flows.save("f", b'{"one": 1}', flow_type="order")
    with Session(database.url) as session:
        session.execute("DELETE FROM flowstate.definition WHERE revision = 2")
        session.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'flowstate' AND pid <> pg_backend_pid()")

    def again():
        try:
            return put(one, "three") == 2
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            return False

    eventually(again, what="a revision after the connections were cut")
    wait_until_noticed(time.monotonic())
    for number, flows in enumerate((one, other)):
        flows.save(f"g{number}", b'{"three": 1}', flow_type="order")
        with invalid("STATE_INVALID"):
            flows.save(f"h{number}", b'{"two": 1}', flow_type="order")
        assert flows.load(f"g{number}").flow.definition_revision == 2


def test_types_are_told_apart_by_their_bytes(flows):
    composed, decomposed = "T\u00e9", "Te\u0301"
    put(flows, "x", flow_type=composed)
    with invalid("STATE_INVALID"):
        flows.save("a", b"{}", flow_type=composed)
    flows.save("b", b"{}", flow_type=decomposed)
    put(flows, "y", flow_type=decomposed)
    with invalid("STATE_INVALID"):
        flows.save("c", b'{"x": 1}', flow_type=decomposed)
    flows.save("d", b'{"x": 1}', flow_type=composed)


def test_saves_that_wait_for_a_definition_keep_their_order(start_server):
    """All of them find nothing known yet; the document takes a while to read."""
    server = start_server()
    flows = server.flows()
    rules = [{"rule": "required", "name": f"r{number}", "path": "/n"} for number in range(900)]
    flows.PutDefinition(document=json.dumps({"flow_type": "order", "rules": rules}).encode())
    flows.save("f", b'{"n": 0}', flow_type="order")
    server.stop()
    server.start()
    flows = server.flows(tenant=flows.tenant)
    # Before it is connected, gRPC sends what waits in no order.
    flows.ListFlows()
    calls = [
        flows.stub.SaveState.future(
            flows.message("SaveState", flow_id="f", state=b'{"n": %d}' % number), metadata=flows.metadata, timeout=30)
        for number in range(1, 101)]
    assert [call.result().version for call in calls] == list(range(2, 102))
    assert flows.state("f") == b'{"n": 100}'


def test_pages_of_definitions_are_bounded_in_bytes(flows):
    """Stock clients take messages of 4 MiB."""
    types = sorted(f"type{number}" for number in range(8))
    for flow_type in types:
        flows.PutDefinition(document=document("x", flow_type=flow_type) + b" " * 900_000)
    found, token = [], ""
    while True:
        page = flows.ListDefinitions(page_size=1000, page_token=token)
        assert page.ByteSize() < 4 << 20
        found += [definition.flow_type for definition in page.definitions if not definition.built_in]
        token = page.next_page_token
        if not token:
            break
    assert found == types
