"""Limits of what a request may hold, and of what is kept, lowered and hit."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from flowstate.v1 import errors_pb2
from google.rpc import error_details_pb2

from errors import invalid, reason, refused
from postgresql import Session
from processes import eventually
from wire import SERVICE

RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
BINARY = {"content_type": "a/b"}


@pytest.fixture(scope="module")
def small(limited_server):
    """Everything that a request may hold is small."""
    return limited_server({
        "message-bytes": 4_000, "state-bytes": 2_000, "json-depth": 3, "metadata-bytes": 20, "id-bytes": 40,
        "content-type-bytes": 20, "labels": 2, "label-bytes": 5, "description-bytes": 10, "idempotency-key-bytes": 6,
        "page-size": 2, "maximum-page-size": 3, "arena-bytes": 8_000, "patch-operations": 2, "work": 1_000,
        "definition-bytes": 200, "definition-depth": 3, "definition-phases": 3, "definition-statuses": 3, "definition-rules": 2,
        "definition-schemas": 3, "definition-patterns": 1, "pattern-bytes": 9, "pattern-memory-bytes": 1_500,
        "error-details-bytes": 12})


def outcome(call, *arguments):
    """What it answers, or the reason why it does not."""
    try:
        return call(*arguments)
    except grpc.RpcError as error:
        return reason(error)


@pytest.fixture
def flows(small):
    small.tenants = getattr(small, "tenants", 0) + 1
    return small.flows(f"t{small.tenants}")


@pytest.mark.parametrize("good, bad, field", [
    ({"metadata": b'"%s"' % (b"x" * 18)}, {"metadata": b'"%s"' % (b"x" * 19)}, None),
    ({"metadata": b"[[[1]]]"}, {"metadata": b"[[[[1]]]]"}, "metadata"),
    ({"flow_id": "x" * 40}, {"flow_id": "x" * 41}, "flow_id"), ({"phase": "x" * 40}, {"phase": "x" * 41}, "phase"),
    ({"content_type": "a/" + "b" * 18}, {"content_type": "a/" + "b" * 19}, "content_type"),
    ({"labels": {"a": "1", "b": "2"}}, {"labels": {"a": "1", "b": "2", "c": "3"}}, "labels"),
    ({"labels": {"x" * 5: "y" * 5}}, {"labels": {"x": "y" * 6}}, "labels"), ({}, {"labels": {"x" * 6: "y"}}, "labels"),
    ({"checkpoint": {"description": "x" * 10}}, {"checkpoint": {"description": "x" * 11}}, "description"),
    ({"checkpoint": {"name": "x" * 40}}, {"checkpoint": {"name": "x" * 41}}, "checkpoint"),
    ({"idempotency_key": "x" * 6}, {"idempotency_key": "x" * 7}, "idempotency_key")])
def test_fields(flows, good, bad, field):
    assert flows.SaveState(**{"flow_id": "f", "state": b"1", **good}).version == 1
    expected = invalid() if field else refused(RESOURCE_EXHAUSTED, "STATE_TOO_LARGE")
    with expected as refusal:
        flows.SaveState(**{"flow_id": "g", "state": b"1", **bad})
    if field:
        assert [re.split("[^a-z_]", name)[0] for name in refusal.fields()] == [field]
    else:
        assert refusal.detail(errors_pb2.TooLarge).limit == 20


@pytest.mark.parametrize("bad", [
    {"metadata": b"[[[[1]]]]"}, {"phase": "x" * 41}, {"labels": {"a": "1", "b": "2", "c": "3"}}, {"labels": {"x": "y" * 6}},
    {"checkpoint": {"description": "x" * 11}}, {"idempotency_key": "x" * 7}], ids=str)
def test_fields_of_a_patch(flows, bad):
    flows.save("f", b"{}")
    for patch in ({"merge_patch": b"{}"}, {"json_patch": b"[]"}):
        with invalid():
            flows.SaveState(flow_id="f", **patch, **bad)


def test_state_bytes_after_a_patch(flows):
    """A state grows to the limit and not beyond, by patches that are small enough themselves."""
    flows.save("f", b'{"a":"%s"}' % (b"x" * 1_000))
    # {"a":"…","b":"…"}: 15 bytes beside the texts.
    flows.SaveState(flow_id="f", merge_patch=b'{"b":"%s"}' % (b"x" * 985))
    assert len(flows.state("f")) == 2_000
    for patch in ({"merge_patch": b'{"b":"%s"}' % (b"x" * 986)},
                  {"json_patch": b'[{"op":"replace","path":"/b","value":"%s"}]' % (b"x" * 986)}):
        with refused(RESOURCE_EXHAUSTED, "STATE_TOO_LARGE") as refusal:
            flows.SaveState(flow_id="f", **patch)
        assert refusal.detail(errors_pb2.TooLarge).limit == 2_000


def test_state_bytes(flows):
    flows.save("f", b"x" * 2_000, **BINARY)
    with refused(RESOURCE_EXHAUSTED, "STATE_TOO_LARGE") as refusal:
        flows.save("f", b"x" * 2_001, **BINARY)
    detail = refusal.detail(errors_pb2.TooLarge)
    assert (detail.limit, detail.size) == (2_000, 2_001)


def test_message_bytes(flows):
    with refused(RESOURCE_EXHAUSTED) as refusal:
        flows.save("f", b"x" * 4_000, **BINARY)
    assert "4000" in refusal.message


def test_json_depth(flows):
    flows.save("f", b'[{"a":[1]}]')
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", b'[{"a":[[1]]}]')
    assert "3" in refusal.message


def test_patch_operations(flows):
    flows.save("f", b"[]")
    operation = {"op": "add", "path": "/-", "value": 1}
    flows.SaveState(flow_id="f", json_patch=json.dumps(2 * [operation]).encode())
    with invalid() as refusal:
        flows.SaveState(flow_id="f", json_patch=json.dumps(3 * [operation]).encode())
    assert "2" in refusal.message and refusal.fields() == ["json_patch"]


def test_work(flows):
    """Of patches, merge patches and differences; nothing of what is too much is applied."""
    flows.save("f", b"[" + b"0," * 300 + b"0]")
    flows.SaveState(flow_id="f", json_patch=b'[{"op": "add", "path": "/-", "value": 1}]')
    flows.save("g", b"[" + b"0," * 900 + b"0]")
    with refused(RESOURCE_EXHAUSTED, "WORK_LIMIT_EXCEEDED") as refusal:
        flows.SaveState(flow_id="g", json_patch=b'[{"op": "add", "path": "/-", "value": 1}]')
    assert "1000" in refusal.message
    flows.save("h", b"{}")
    for call in (lambda: flows.DiffVersions(flow_id="g", from_version=1, to_version=1),
                 lambda: flows.SaveState(flow_id="h", merge_patch=json.dumps(
                     {f"{number}": {} for number in range(150)}).encode())):
        with refused(RESOURCE_EXHAUSTED, "WORK_LIMIT_EXCEEDED"):
            call()
    assert [flows.LoadState(flow_id=flow_id).snapshot.version.version for flow_id in "gh"] == [1, 1]


@pytest.mark.parametrize("good, bad, path", [
    ({"phases": 3 * ["p"]}, {"phases": 4 * ["p"]}, "/phases"), ({"statuses": 3 * ["s"]}, {"statuses": 4 * ["s"]}, "/statuses"),
    ({"rules": [{"rule": "required", "path": "/a"}] * 2}, {"rules": [{"rule": "required", "path": "/a"}] * 3}, "/rules"),
    ({"schema": {"items": {}, "contains": {}}}, {"schema": {"items": {}, "contains": {}, "not": {}}}, "/schema/not"),
    ({"labels": {"a": "/a", "b": "/b"}}, {"labels": {"a": "/a", "b": "/b", "c": "/c"}}, "/labels")])
def test_parts_of_a_definition(flows, good, bad, path):
    def put(parts):
        named = {part: [{"name": f"{value}{number}"} for number, value in enumerate(values)] if isinstance(values[0], str) else values
                 for part, values in parts.items() if part in ("phases", "statuses", "rules")}
        flows.PutDefinition(document=json.dumps({"flow_type": "p", "on_save": "off", **parts, **named}).encode())

    put(good)
    with invalid("DEFINITION_INVALID") as refusal:
        put(bad)
    assert [fault.path for fault in refusal.detail(errors_pb2.DefinitionInvalid).faults] == [path]


def test_error_details(flows):
    flows.save("f", b"{}")
    flows.ReportError(flow_id="f", message="no", details=b'"%s"' % (10 * b"x"))
    with refused(RESOURCE_EXHAUSTED, "STATE_TOO_LARGE") as refusal:
        flows.ReportError(flow_id="f", message="no", details=b'"%s"' % (11 * b"x"))
    assert refusal.detail(errors_pb2.TooLarge).limit == 12


def test_definition_bytes_and_depth(flows):
    definition = {"flow_type": "t", "on_save": "off"}
    flows.PutDefinition(document=json.dumps({**definition, "phases": [{"name": "a"}]}).encode())
    for wrong in ({"description": "xxxxxxxxxx", "rules": 10 * [{"rule": "required", "path": "/a"}]},
                  {"phases": [{"name": "a", "requires": ["a"]}]}):
        with invalid("DEFINITION_INVALID") as refusal:
            flows.PutDefinition(document=json.dumps({**definition, **wrong}).encode())
        assert [fault.path for fault in refusal.detail(errors_pb2.DefinitionInvalid).faults] == [""]


def test_definitions(limited_server):
    """So many types, whatever their revisions; each tenant for itself."""
    server = limited_server({"definitions": 3})
    one, other = server.flows(), server.flows()

    def put(flows, flow_type, **document):
        return flows.PutDefinition(document=json.dumps({"flow_type": flow_type, **document}).encode()).definition.revision

    for number in range(3):
        assert put(one, f"t{number}") == 1
    with refused(RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED") as refusal:
        put(one, "t3")
    detail = refusal.detail(errors_pb2.LimitExceeded)
    assert (detail.limit, detail.count, detail.name) == (3, 3, "definitions") and "limit definitions" in refusal.message
    assert put(one, "t2", description="another") == 2 and put(one, "t2", description="another") == 2
    with refused(grpc.StatusCode.ABORTED, "VERSION_CONFLICT"):
        one.PutDefinition(document=b'{"flow_type": "t3"}', expected_revision=1)
    assert [put(other, f"t{number}") for number in range(2)] == [1, 1]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda number: outcome(put, other, f"u{number}"), range(8)))
    assert sorted(done, key=str) == [1] + 7 * ["LIMIT_EXCEEDED"]
    assert len([found for found in other.ListDefinitions().definitions if found.created_at.seconds]) == 3


def test_patterns(flows):
    def put(*patterns):
        rules = [{"rule": "pattern", "path": "/a", "pattern": pattern} for pattern in patterns]
        flows.PutDefinition(document=json.dumps({"flow_type": "t", "rules": rules}).encode())

    for wrong, place in ((["a", "b"], 1), (["aaaaaaaaaa"], 0), (["." * 9], 0)):
        with invalid("DEFINITION_INVALID") as refusal:
            put(*wrong)
        assert [fault.path for fault in refusal.detail(errors_pb2.DefinitionInvalid).faults] == [f"/rules/{place}/pattern"]
    put("..$")
    with refused(RESOURCE_EXHAUSTED, "WORK_LIMIT_EXCEEDED"):
        put("a{500}")
    flows.save("f", b'{"a": "%s"}' % (9 * b"a"), flow_type="t")
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", b'{"a": "%s"}' % (1_950 * b"a"))
    assert [violation.rule for violation in refusal.detail(errors_pb2.StateInvalid).violations] == ["work"]


def test_schema_work(flows):
    flows.PutDefinition(document=b'{"flow_type": "s", "schema": {"uniqueItems": true, "items": {"type": "number"}}}')
    flows.save("f", b"[1, 2, 3]", flow_type="s")
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", b"[%s]" % b",".join(b"%d" % number for number in range(400)))
    [violation] = refusal.detail(errors_pb2.StateInvalid).violations
    assert (violation.rule, violation.message) == ("schema", "cannot be checked against the schema: that would take too long")


def test_arena_bytes(small):
    call = small.channel().unary_unary(SERVICE + "SaveState")
    with refused(RESOURCE_EXHAUSTED) as refusal:
        call(b"\x0a\x01f\x1a\x011" + b"\x8a\x01\x00" * 900, timeout=10)
    assert "8000" in refusal.message


def test_page_sizes(flows):
    for number in range(5):
        flows.save(f"f{number}")
    assert [len(flows.ListFlows(page_size=size).flows) for size in (0, 1, 3, 4, 1000)] == [2, 1, 3, 3, 3]


def test_queued_operations_per_flow(limited_server):
    """One more has its turn; the next one is refused with a delay, and other flows have room."""
    server = limited_server({"queued-operations-per-flow": 3})
    flows = server.flows()
    for flow_id in "fg":
        flows.save(flow_id, b"{}")

    def patch(number, flow_id="f"):
        request = flows.message("SaveState", flow_id=flow_id, merge_patch=b'{"%d": 1}' % number)
        return flows.stub.SaveState.future(request, metadata=flows.metadata, timeout=30)

    with Session(f"host={server.data}/socket port=5432 user=flowstate dbname=flowstate") as session:
        session.execute(f"BEGIN; SELECT FROM flowstate.flow WHERE tenant = '{flows.tenant}' AND flow_id = 'f' FOR UPDATE")
        calls = [patch(number) for number in range(4)]
        with refused(RESOURCE_EXHAUSTED, "OVERLOADED") as refusal:
            patch(4).result()
        assert "3 operations of this flow" in refusal.message
        assert refusal.detail(error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() >= 100
        assert flows.SaveState(flow_id="g", merge_patch=b"{}").version == 2
        session.execute("ROLLBACK")
    assert [call.result().version for call in calls] == [2, 3, 4, 5]
    assert json.loads(flows.state("f")) == {"0": 1, "1": 1, "2": 1, "3": 1}
    assert patch(4).result().version == 6


def test_a_stock_client_retries_after_the_delay_that_it_hears(limited_server):
    """`grpc-retry-pushback-ms` takes the place of its own backoff of a minute (gRFC A6)."""
    server = limited_server({"queued-operations-per-flow": 1})
    policy = {"maxAttempts": 5, "initialBackoff": "60s", "maxBackoff": "60s", "backoffMultiplier": 1,
              "retryableStatusCodes": ["RESOURCE_EXHAUSTED"]}
    config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})
    server.flows("t").save("f", b"{}")
    with grpc.insecure_channel(server.endpoint, options=[("grpc.service_config", config)]) as channel:
        flows = server.flows("t", channel=channel)

        def patch(number):
            request = flows.message("SaveState", flow_id="f", merge_patch=b'{"%d": 1}' % number)
            return flows.stub.SaveState.future(request, metadata=flows.metadata, timeout=30)

        with Session(f"host={server.data}/socket port=5432 user=flowstate dbname=flowstate") as session:
            session.execute("BEGIN; SELECT FROM flowstate.flow WHERE tenant = 't' AND flow_id = 'f' FOR UPDATE")
            calls = [patch(number) for number in range(3)]
            time.sleep(0.2)
            assert not any(call.done() for call in calls), "those that are refused wait"
            session.execute("ROLLBACK")
        begun = time.monotonic()
        assert sorted(call.result().version for call in calls) == [2, 3, 4]
        assert time.monotonic() - begun < 20


def test_notification_hours(start_server, postgresql):
    """PostgreSQL's clock says when a notification was made."""
    database = postgresql()
    server = start_server(database_url=database.url, limits={"notification-hours": 1}, arguments=["--cleanup-interval", "1"])
    flows = server.flows()
    for flow_id in ("old", "young"):
        flows.save(flow_id, b"{}")
        flows.ReportError(flow_id=flow_id, message="it broke")
    assert len(flows.ListNotifications().notifications) == 2
    with Session(database.url) as session:
        session.execute("""UPDATE flowstate.notification SET created_at = created_at - interval '61 minutes'
            WHERE flow_id = 'old'""")
    eventually(
        lambda: [notification.flow_id for notification in flows.ListNotifications().notifications] == ["young"],
        what="the end of the old notification")
