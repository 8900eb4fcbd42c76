"""errors.proto: every error of the services has a reason and its detail, and clients can read it."""

import json

import grpc
import pytest
from flowstate.v1 import errors_pb2, state_pb2
from google.rpc import error_details_pb2

from errors import invalid, refused
from postgresql import Session
from promises import PROTO, promise
from repository import ROOT
from wire import SERVICE, Wire, message

FAILED = grpc.StatusCode.FAILED_PRECONDITION
LONG = "ü" * 120


def table():
    """The rows of the table of reasons: reason, code, detail."""
    rows = [line[2:].split() for line in (PROTO / "errors.proto").read_text().splitlines() if line.startswith("//   ")]
    return [row for row in rows if row[0] != "reason"]


def test_the_table_is_the_one_of_the_server():
    """Every reason of the code is in the table, and nothing else but what is still to come."""
    import re
    source = ROOT / "Sources" / "FlowModel" / "StateError.swift"
    reasons = set(re.findall(r': "([A-Z_]{6,})"', source.read_text()))
    assert {row[0] for row in table()} == reasons | {"UNAUTHENTICATED", "PERMISSION_DENIED"}


@promise("errors", "Every error of these services carries `google.rpc.Status` in the trailer `grpc-status-details-bin`",
         "Reason and detail are always sent.", "How many more there are.")
def test_a_transition_that_waits_for_many_phases(flows):
    phases = [{"name": f"{number:03}{LONG}"} for number in range(60)]
    last = {"name": "last", "requires": [phase["name"] for phase in phases]}
    flows.PutDefinition(document=json.dumps({"flow_type": "many", "on_save": "off", "phases": phases + [last]}).encode())
    flows.save("f", b"{}", flow_type="many", phase=phases[0]["name"])
    with refused(FAILED, "TRANSITION_NOT_ALLOWED") as refusal:
        flows.TransitionPhase(flow_id="f", phase="last")
    detail = refusal.detail(errors_pb2.TransitionNotAllowed)
    assert (detail.to, len(detail.missing) + detail.omitted) == ("last", 60)
    assert len(detail.missing) > 2 and set(detail.missing) <= {phase["name"] for phase in phases}


@promise("errors", "The rules that were broken, in the order of the state's text; as many as fit.",
         "What is wrong with it; as many faults as fit.")
def test_long_lists_of_violations_and_faults(flows):
    rules = [{"rule": "required", "path": f"/{number}{LONG}"} for number in range(300)]
    flows.PutDefinition(document=json.dumps({"flow_type": "t", "on_save": "enforce", "rules": rules}).encode())
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", b"{}", flow_type="t")
    detail = refusal.detail(errors_pb2.StateInvalid)
    assert detail.violations and detail.omitted == 300 - len(detail.violations)
    with invalid("DEFINITION_INVALID") as refusal:
        flows.PutDefinition(document=json.dumps({"flow_type": "t", **{f"{number}{LONG}": 1 for number in range(90)}}).encode())
    detail = refusal.detail(errors_pb2.DefinitionInvalid)
    assert detail.faults and detail.omitted > 0


@promise("errors", "such a text ends with `…`")
def test_long_names_are_shortened(flows):
    path = "".join("/" + "漢" * 100 for _ in range(10))
    flows.PutDefinition(document=json.dumps({
        "flow_type": "t", "on_save": "enforce", "rules": [{"rule": "required", "path": path}]}).encode())
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", b"{}", flow_type="t")
    [violation] = refusal.detail(errors_pb2.StateInvalid).violations
    assert violation.path.endswith("…") and path.startswith(violation.path[:-1])
    assert refusal.message.endswith("…")


@promise("errors", "as many as fit; empty when there is no way at all.")
def test_a_transition_without_a_way(flows):
    flows.PutDefinition(document=json.dumps({
        "flow_type": "t", "on_save": "off", "phases": [{"name": "a"}, {"name": "b"}]}).encode())
    flows.save("f", b"{}", flow_type="t", phase="b")
    with refused(FAILED, "TRANSITION_NOT_ALLOWED") as refusal:
        flows.TransitionPhase(flow_id="f", phase="a")
    detail = refusal.detail(errors_pb2.TransitionNotAllowed)
    assert (detail.__getattribute__("from"), detail.to, list(detail.missing), detail.omitted) == ("b", "a", [], 0)


# What the transport refuses


def test_a_message_too_large(limited_server):
    flows = limited_server({"message-bytes": 4_000}).flows()
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "STATE_TOO_LARGE") as refusal:
        flows.save("f", b"x" * 5_000, content_type="a/b")
    detail = refusal.detail(errors_pb2.TooLarge)
    assert detail.limit == 4_000 and detail.size > 5_000


@promise(
    "errors", "RESOURCE_EXHAUSTED, reason LIMIT_EXCEEDED: there are as many as the limit allows.", "How many there may be.",
    "How many there are; may be more than `limit`, if that was lowered.", "The limit, as operators name it: `definitions`.")
@promise("definition", "A tenant has definitions of 1,000 flow types at most: RESOURCE_EXHAUSTED (LIMIT_EXCEEDED) for one more.")
def test_as_many_definitions_as_may_be(flows, server):
    def put(number, **more):
        return flows.PutDefinition(document=json.dumps({"flow_type": f"t{number}", **more}).encode()).definition.revision

    put(0)
    with Session(f"host={server.data}/socket port=5432 user=flowstate dbname=flowstate") as session:
        session.execute(f"""INSERT INTO flowstate.definition (tenant, flow_type, revision, document, actor, created_at)
            SELECT tenant, 't' || i, 1, document, actor, created_at FROM flowstate.definition, generate_series(1, 998) i
            WHERE tenant = '{flows.tenant}'""")
        assert put(999) == 1 and put(0, description="more") == 2
        for count in (1_000, 1_001):
            with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED") as refusal:
                put(1_000)
            detail = refusal.detail(errors_pb2.LimitExceeded)
            assert (detail.limit, detail.count, detail.name) == (1_000, count, "definitions")
            session.execute(f"""INSERT INTO flowstate.definition (tenant, flow_type, revision, document, actor, created_at)
                SELECT tenant, 'more {count}', 1, document, actor, created_at FROM flowstate.definition
                WHERE tenant = '{flows.tenant}' AND flow_type = 't1'""")


@promise("errors", "The size in bytes; if reading or decoding stopped before the end, the size up to there.")
def test_a_message_that_is_too_large_decoded(limited_server):
    server = limited_server({"arena-bytes": 8_000})
    call = server.channel().unary_unary(SERVICE + "SaveState")
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "STATE_TOO_LARGE") as refusal:
        call(b"\x0a\x01f\x1a\x011" + b"\x8a\x01\x00" * 900, timeout=10)
    assert refusal.detail(errors_pb2.TooLarge).limit == 8_000


@pytest.mark.parametrize("payload, field", [(b"\xff", ""), (b"\x0a\x01\xff", "flow_id")])
def test_what_cannot_be_decoded(server, payload, field):
    with invalid() as refusal:
        server.channel().unary_unary(SERVICE + "SaveState")(payload, timeout=10)
    assert refusal.fields() == [field]


@pytest.mark.parametrize("path", ["/flowstate.v1.FlowStateService/Nothing", "/flowstate.v1.Nothing/SaveState", "/flowstate.v1.FlowAdminService/CreateTenant"])
def test_what_is_not_there(server, path):
    with refused(grpc.StatusCode.UNIMPLEMENTED, "NOT_SUPPORTED") as refusal:
        server.channel().unary_unary(path)(b"", timeout=10)
    refusal.detail(error_details_pb2.BadRequest)


@pytest.mark.parametrize("timeout, payload, code, reason", [
    ("bad", message(b""), grpc.StatusCode.INVALID_ARGUMENT, b"INVALID_REQUEST"),
    ("1n", b"", grpc.StatusCode.DEADLINE_EXCEEDED, b"DEADLINE_EXCEEDED"),
    ("10S", message(b"", flag=2), grpc.StatusCode.INTERNAL, b"INTERNAL")])
def test_what_only_bad_clients_see(server, timeout, payload, code, reason):
    import base64
    with Wire(server) as wire:
        stream = wire.headers(SERVICE + "LoadState", extra=[("grpc-timeout", timeout)])
        if payload:
            wire.data(stream, payload)
        reply = wire.reply(stream)
    fields = {**reply.headers, **reply.trailers}
    assert int(fields["grpc-status"]) == code.value[0]
    assert reason in base64.b64decode(fields["grpc-status-details-bin"] + "==")


@promise("errors", "0: it does not exist.", "0: that the flow does not exist.")
def test_conflicts_name_both_versions(flows):
    flows.save("f")
    for expected, flow_id, actual in ((0, "f", 1), (5, "f", 1), (5, "none", 0)):
        with refused(grpc.StatusCode.ABORTED, "VERSION_CONFLICT") as refusal:
            flows.save(flow_id, expected_version=expected)
        detail = refusal.detail(errors_pb2.VersionConflict)
        assert (detail.expected, detail.actual) == (expected, actual)
    with refused(grpc.StatusCode.ALREADY_EXISTS, "FLOW_ALREADY_EXISTS") as refusal:
        flows.CreateFlow(flow_id="f", state=b"{}")
    assert refusal.detail(errors_pb2.VersionConflict).actual == 1


@promise(
    "errors",
    "The rule's name: that of a rule of the definition; `schema` for all that its JSON Schema says; `syntax` when the state is not JSON")
def test_rules_are_named(flows):
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", b"{")
    [violation] = refusal.detail(errors_pb2.StateInvalid).violations
    assert (violation.path, violation.rule) == ("", "syntax") and violation.message
    flows.PutDefinition(document=json.dumps({
        "flow_type": "t", "on_save": "enforce", "schema": {"maxProperties": 1}, "rules": [{"rule": "required", "path": "/a~1b"}]}).encode())
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", b'{"c": 1, "d": 2}', flow_type="t")
    assert {(each.path, each.rule) for each in refusal.detail(errors_pb2.StateInvalid).violations} == {
        ("/a~1b", "required"), ("", "schema")}


@promise("errors", "What was tried, in order; as much as fits.")
def test_recovery_that_fails_tells_what_was_tried(flows):
    flows.PutDefinition(document=b'{"flow_type": "t", "on_save": "off", "rules": [{"rule": "required", "path": "/a"}]}')
    flows.save("f", b"{}", flow_type="t")
    with refused(FAILED, "RECOVERY_FAILED") as refusal:
        flows.RecoverFlow(flow_id="f")
    detail = refusal.detail(errors_pb2.RecoveryFailed)
    assert detail.tried and all(step.action for step in detail.tried) and detail.omitted == 0


@promise("errors", "a `google.rpc.RetryInfo` where a retry can help")
def test_overload_says_when_to_retry(limited_server):
    server = limited_server({"queued-operations": 1, "batch-operations": 1})
    flows = server.flows()
    request = state_pb2.SaveStateRequest(flow_id="f", state=b"{}")
    calls = [flows.stub.SaveState.future(request, metadata=flows.metadata, timeout=30) for _ in range(200)]
    overloaded = [call for call in calls if call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert overloaded, "nothing waited"
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED") as refusal:
        overloaded[0].result()
    assert refusal.detail(error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() > 0
