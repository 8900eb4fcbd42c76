"""Definitions over gRPC: put, get, list, and states held against them."""

import json

import grpc
import pytest
from flowstate.v1 import errors_pb2, lifecycle_pb2

from errors import conflict, invalid, not_found
from processes import eventually

ORDER = {
    "flow_type": "order",
    "phases": [{"name": "cart"}, {"name": "paid", "requires": ["cart"], "terminal": True}],
    "statuses": [{"name": "open"}, {"name": "closed"}],
    "paths": {"phase": "/phase", "status": "/status"},
    "on_save": "off",
    "rules": [
        {"rule": "required", "path": "/id", "depths": ["minimal", "complete"]},
        {"rule": "one_of", "path": "/phase", "values": "phases"},
        {"rule": "not_empty_in_phase", "path": "/payment", "phases": ["paid"]},
        {"rule": "deprecated", "path": "/number", "beside": "/id", "severity": "warning"},
    ],
}


def document(**changes):
    return json.dumps({**ORDER, **changes}).encode()


def broken(validated):
    return [(violation.path, violation.rule) for violation in validated.violations]


def test_put_makes_revisions(flows):
    first = flows.PutDefinition(document=document()).definition
    assert (first.flow_type, first.revision, first.document, first.actor, first.built_in) == ("order", 1, document(), "tester", False)
    again = flows.PutDefinition(document=document()).definition
    assert again == first, "the same document makes no revision"
    second = flows.PutDefinition(document=document(description="new"), expected_revision=1).definition
    assert second.revision == 2

    assert flows.GetDefinition(flow_type="order").definition == second
    assert flows.GetDefinition(flow_type="order", revision=1).definition == first
    with not_found("DEFINITION_NOT_FOUND"):
        flows.GetDefinition(flow_type="order", revision=3)
    with not_found("DEFINITION_NOT_FOUND"):
        flows.GetDefinition(flow_type="nobody's")


def test_put_compares_revisions(flows):
    with conflict() as refusal:
        flows.PutDefinition(document=document(), expected_revision=1)
    assert refusal.detail(errors_pb2.VersionConflict).actual == 0
    flows.PutDefinition(document=document(), expected_revision=0)
    with conflict() as refusal:
        flows.PutDefinition(document=document(description="new"), expected_revision=0)
    assert refusal.detail(errors_pb2.VersionConflict).actual == 1


def test_put_at_the_same_time_loses_nothing(flows):
    calls = [
        flows.stubs["FlowDefinitionService"].PutDefinition.future(
            flows.message("PutDefinition", document=document(description=str(number))), metadata=flows.metadata, timeout=30)
        for number in range(20)]
    revisions = sorted(call.result().definition.revision for call in calls)
    assert revisions == list(range(1, 21))


@pytest.mark.parametrize("text, path", [
    (b"{", ""), (b"[]", "/flow_type"), (document(flow_type=""), "/flow_type"),
    (document(phases=[{"name": "a", "requires": ["b"]}]), "/phases/0/requires/0"),
    (document(phases=[{"name": "a", "requires": ["a"]}], rules=[]), "/phases/0/requires"),
    (document(rules=[{"rule": "required", "path": "id"}]), "/rules/0/path"),
    (document(flow_type="open"), "/flow_type"), (document(flow_type="unified_discovery"), "/flow_type")])
def test_put_says_what_is_wrong(flows, text, path):
    with invalid("DEFINITION_INVALID") as refusal:
        flows.PutDefinition(document=text)
    faults = refusal.detail(errors_pb2.DefinitionInvalid).faults
    assert path in [fault.path for fault in faults] and all(fault.message for fault in faults)


def test_definitions_belong_to_their_tenant(server, flows):
    flows.PutDefinition(document=document())
    with not_found("DEFINITION_NOT_FOUND"):
        server.flows().GetDefinition(flow_type="order")


def test_list_has_built_in_ones_too(flows):
    for name in ("zebra", "ant", "ünder", "o"):
        flows.PutDefinition(document=document(flow_type=name))
        flows.PutDefinition(document=document(flow_type=name, description="newer"))
    expected = [("ant", 2), ("o", 2), ("open", 1), ("unified_discovery", 1), ("zebra", 2), ("ünder", 2)]
    for size in (0, 1, 2, 3, 5, 6, 100):
        found, token = [], ""
        while True:
            page = flows.ListDefinitions(page_size=size, page_token=token)
            found += [(definition.flow_type, definition.revision) for definition in page.definitions]
            token = page.next_page_token
            if not token:
                break
        assert found == expected, size
    built_in = flows.GetDefinition(flow_type="unified_discovery").definition
    assert built_in.built_in and not built_in.HasField("created_at") and json.loads(built_in.document)["phases"]


def test_a_state_is_held_against_a_definition(flows):
    flows.PutDefinition(document=document())
    validated = flows.ValidateState(flow_type="order", state=b'{"id": 1, "phase": "paid", "payment": "card"}')
    assert validated.valid and not validated.violations and not validated.warnings
    assert (validated.flow_type, validated.definition_revision, validated.version) == ("order", 1, 0)

    validated = flows.ValidateState(flow_type="order", state=b'{"number": 1, "phase": "paid"}')
    assert not validated.valid and broken(validated) == [("/id", "required"), ("/payment", "not_empty_in_phase")]
    validated = flows.ValidateState(flow_type="order", state=b'{"id": 1, "number": 1}')
    assert validated.valid and [warning.rule for warning in validated.warnings] == ["deprecated"]
    validated = flows.ValidateState(flow_type="order", state=b"{}", depth=lifecycle_pb2.VALIDATION_DEPTH_TRANSITION)
    assert validated.valid
    validated = flows.ValidateState(flow_type="order", state=b"nonsense")
    assert broken(validated) == [("", "syntax")]


def test_the_minimal_depth_reads_what_its_rules_look_at(flows):
    flows.PutDefinition(document=document())
    minimal = {"flow_type": "order", "depth": lifecycle_pb2.VALIDATION_DEPTH_MINIMAL}
    for state in (b'{"id": 1, "phase": "nowhere"}', b'{"data": [1, {"a": "\\"]"}], "id": [{}]}', b'{"id": {"not": JSON}}'):
        assert flows.ValidateState(state=state, **minimal).valid, state
    for state in (b'{"data": {"id": 1}}', b'{"id": 1, "\\u0069d": null}'):
        assert broken(flows.ValidateState(state=state, **minimal)) == [("/id", "required")], state
    nested = b'{"id": 1, "data": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    for state in (b"nonsense", b'{"id": [1}', b'{"id": 1, "data": "\xff"}', b'{"id": 1, "data": ["}', nested):
        validated = flows.ValidateState(state=state, **minimal)
        assert broken(validated) == [("", "syntax")], state
        assert validated == flows.ValidateState(state=state, flow_type="order"), "as when all of it is read"


def test_patterns(flows):
    rule = {"rule": "pattern", "path": "/id", "pattern": r"^[A-Z]{2}-\p{Nd}+$"}
    flows.PutDefinition(document=document(rules=[rule], on_save="enforce"))
    flows.save("f", '{"id": "DE-٤2"}'.encode(), flow_type="order")
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", b'{"id": "DE-4x"}')
    violation, = refusal.detail(errors_pb2.StateInvalid).violations
    assert (violation.path, violation.rule) == ("/id", "pattern") and rule["pattern"] in violation.message
    with invalid("DEFINITION_INVALID") as refusal:
        flows.PutDefinition(document=document(rules=[rule, {**rule, "pattern": "(?<=a)b"}]))
    fault, = refusal.detail(errors_pb2.DefinitionInvalid).faults
    assert fault.path == "/rules/1/pattern" and "invalid perl operator: (?<" in fault.message


def test_a_flow_is_held_against_its_own_definition(flows):
    flows.save("free", b"anything", content_type="text/plain")
    assert flows.ValidateState(flow_id="free").valid

    flows.save("f", b'{"phase": "cart"}', flow_type="order")
    validated = flows.ValidateState(flow_id="f")
    assert validated.valid and validated.definition_revision == 0, "the type has no definition yet"
    flows.PutDefinition(document=document())
    flows.save("f", b'{"phase": "paid"}')
    validated = flows.ValidateState(flow_id="f")
    assert broken(validated) == [("/id", "required"), ("/payment", "not_empty_in_phase")]
    assert (validated.version, validated.definition_revision) == (2, 1)
    assert broken(flows.ValidateState(flow_id="f", flow_type="unified_discovery"))
    assert flows.state("f") == b'{"phase": "paid"}', "looking changes nothing"
    with not_found():
        flows.ValidateState(flow_id="nobody's")


def test_large_states_are_validated(flows):
    flows.PutDefinition(document=document())
    state = b'{"padding": "' + b"x" * 3_000_000 + b'", "id": 1}'
    assert flows.ValidateState(flow_type="order", state=state).valid
    validated = flows.ValidateState(flow_type="order", state=state.replace(b'"id"', b'"di"'))
    assert broken(validated) == [("/id", "required")]


@pytest.mark.parametrize("fields", [
    {}, {"state": b"{}"}, {"state": b"{}", "flow_type": "\x01"}, {"flow_id": ""}, {"flow_id": "f", "depth": 9}])
def test_validate_refuses_what_it_cannot_mean(flows, fields):
    with invalid():
        flows.ValidateState(**fields)


def test_validate_needs_the_definition_that_is_named(flows):
    with not_found("DEFINITION_NOT_FOUND"):
        flows.ValidateState(flow_type="nobody's", state=b"{}")
    flows.save("f", b"{}")
    with not_found("DEFINITION_NOT_FOUND"):
        flows.ValidateState(flow_id="f", flow_type="nobody's")


def refused_save(flows, *paths, **fields):
    with invalid("STATE_INVALID") as refusal:
        flows.save(**fields)
    violations = refusal.detail(errors_pb2.StateInvalid).violations
    assert [violation.path for violation in violations] == list(paths)


def test_rules_hold_for_saves(flows):
    flows.PutDefinition(document=document(on_save="enforce"))
    refused_save(flows, "/id", flow_id="f", state=b"{}", flow_type="order")
    with not_found():
        flows.load("f")
    with invalid("STATE_INVALID"):
        flows.CreateFlow(flow_id="f", flow_type="order", state=b"{}")
    assert not flows.save("f", b'{"id": 1}', flow_type="order").warnings
    refused_save(flows, "/id", flow_id="f", state=b"{}")
    refused_save(flows, "/payment", flow_id="f", state=b'{"id": 1, "phase": "paid"}', expected_version=1)
    with invalid("STATE_INVALID"):
        flows.SaveState(flow_id="f", merge_patch=b'{"id": null}')
    assert [warning.rule for warning in flows.save("f", b'{"id": 1, "number": 2}').warnings] == ["deprecated"]
    assert flows.load("f").flow.version == 2
    flows.save("other", b"{}", flow_type="other")
    flows.save("none", b"no json", content_type="text/plain")


def test_rules_can_warn(flows):
    flows.PutDefinition(document=document(on_save="warn"))
    saved = flows.save("f", b'{"phase": "x"}', flow_type="order")
    assert [(warning.path, warning.rule) for warning in saved.warnings] == [("/id", "required"), ("/phase", "one_of")]
    created = flows.CreateFlow(flow_id="g", flow_type="order", state=b"{}")
    assert [warning.path for warning in created.warnings] == ["/id"]
    flows.PutDefinition(document=document())
    assert not flows.save("h", b"{}", flow_type="order").warnings, "off"
    assert flows.save("f", b"{}").warnings, "it follows the revision that it was made under"


@pytest.mark.parametrize("count", [1, 10, 30, 300])
def test_violations_are_listed_as_far_as_they_fit(flows, count):
    """Clients refuse long trailers, and with all of the details nobody would get any."""
    rules = [{"rule": "required", "path": f"/a rather long name of a member, number {number}"} for number in range(count)]
    flows.PutDefinition(document=document(rules=rules, on_save="enforce"))
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", b"{}", flow_type="order")
    detail = refusal.detail(errors_pb2.StateInvalid)
    assert len(detail.violations) >= min(count, 15) and len(detail.violations) + detail.omitted == count
    with invalid("DEFINITION_INVALID") as refusal:
        flows.PutDefinition(document=document(rules=[{**rule, "path": "no pointer"} for rule in rules]))
    detail = refusal.detail(errors_pb2.DefinitionInvalid)
    # Of faults the first hundred are listed, and how many more there are.
    assert len(detail.faults) >= min(count, 15) and len(detail.faults) + detail.omitted == count


def test_rules_hold_from_the_next_save_on(flows):
    flows.save("f", b"{}", flow_type="order")
    flows.save("f", b"{}")
    flows.PutDefinition(document=document(on_save="enforce"))
    refused_save(flows, "/id", flow_id="f", state=b"{}")


def test_rules_hold_for_flows_that_a_server_does_not_know(start_server):
    server = start_server()
    flows = server.flows()
    flows.PutDefinition(document=document(on_save="enforce"))
    flows.save("f", b'{"id": 1}', flow_type="order")
    flows.CreateFlow(flow_id="d", flow_type="unified_discovery", state=json.dumps({
        "flow_id": "d", "client_account_id": "", "current_phase": "initialization", "phase_completion": {}}).encode())
    other = server.flows()
    other.CreateFlow(flow_id="d", flow_type="unified_discovery", state=json.dumps({
        "flow_id": "d", "client_account_id": "", "current_phase": "initialization", "phase_completion": {}}).encode())
    server.stop()
    server.start()
    again = server.flows(flows.tenant)
    refused_save(again, "/id", flow_id="f", state=b"{}")
    again.save("new", b"{}")
    other = server.flows(other.tenant)
    with invalid("STATE_INVALID"):
        other.save("d", b"{}")


def test_rules_are_seen_by_other_servers(start_server, postgresql):
    database = postgresql()
    one, two = start_server(database_url=database.url), start_server(database_url=database.url)
    flows = one.flows()
    beside = two.flows(flows.tenant)
    beside.save("f", b"{}", flow_type="order")
    flows.PutDefinition(document=document(on_save="enforce"))

    def is_refused():
        try:
            beside.save("f", b"{}")
            return False
        except grpc.RpcError:
            return True

    eventually(is_refused, what="the other server's rules")
    refused_save(beside, "/id", flow_id="f", state=b"{}")


@pytest.mark.parametrize("setting", [{"arguments": ["--validation", "false"]}, {"environment": {"FLOW_STATE_VALIDATION_ENABLED": "false"}}],
                         ids=["option", "environment"])
def test_validation_can_be_switched_off(start_server, setting):
    flows = start_server(**setting).flows()
    flows.PutDefinition(document=document(on_save="enforce"))
    flows.save("f", b"{}", flow_type="order")
    assert not flows.ValidateState(flow_id="f").valid


def test_the_head_says_what_the_state_says(flows):
    flows.PutDefinition(document=document(paths={"phase": "/phase", "status": "/status", "progress": "/done"}))
    flows.save("f", b'{"phase": "cart", "status": "open", "done": 12.5}', flow_type="order")
    flow = flows.load("f").flow
    assert (flow.phase, flow.status, flow.progress) == ("cart", "open", 12.5)
    flows.save("f", b'{"phase": "paid", "status": "", "done": 101}', status="mine")
    flow = flows.load("f").flow
    assert (flow.phase, flow.status, flow.progress) == ("paid", "mine", 12.5), "what the client says wins; what is none is left"
    flows.SaveState(flow_id="f", merge_patch=b'{"phase": "cart"}')
    assert flows.load("f").flow.phase == "cart"
    flows.save("plain", b'{"phase": "cart"}')
    assert flows.load("plain").flow.phase == ""


def test_a_flow_begins_with_the_initial_state(flows):
    created = flows.CreateFlow(flow_type="unified_discovery")
    snapshot = flows.load(created.flow_id)
    state = json.loads(snapshot.state)
    assert (state["flow_id"], state["current_phase"], state["errors"]) == (created.flow_id, "initialization", [])
    assert state["created_at"] == state["updated_at"] > "2026"
    assert (snapshot.flow.phase, snapshot.flow.status, snapshot.flow.progress) == ("initialization", "running", 0)
    assert flows.ValidateState(flow_id=created.flow_id).valid
    flows.TransitionPhase(flow_id=created.flow_id, phase="data_import")
    with invalid("STATE_INVALID"):
        flows.CreateFlow(flow_type="open")
    with invalid("STATE_INVALID"):
        flows.CreateFlow(flow_type="nobody's")


def test_an_initial_state_must_follow_its_rules(flows):
    good = {"id": "", "phase": "cart"}
    flows.PutDefinition(document=document(initial_state=good, paths={"id": "/id", "phase": "/phase"}, on_save="enforce"))
    created = flows.CreateFlow(flow_type="order")
    assert json.loads(flows.state(created.flow_id)) == {"id": created.flow_id, "phase": "cart"}
    for wrong in ({"phase": "cart"}, {"id": 1, "phase": "paid"}, []):
        with invalid("DEFINITION_INVALID") as refusal:
            flows.PutDefinition(document=document(initial_state=wrong))
        faults = refusal.detail(errors_pb2.DefinitionInvalid).faults
        assert [fault.path for fault in faults] == ["/initial_state"]
