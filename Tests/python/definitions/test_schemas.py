"""JSON Schemas in definitions: what they refuse, and that nothing in them is fetched."""

import http.server
import json
import threading

import pytest
from flowstate.v1 import errors_pb2, lifecycle_pb2

from errors import invalid

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": ["id", "items"],
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z]+-[0-9]+$"},
        "items": {"type": "array", "items": {"$ref": "#/definitions/item"}, "maxItems": 1000},
        "next": {"$ref": "#"},
    },
    "additionalProperties": False,
    "definitions": {
        "item": {"required": ["count"], "properties": {"count": {"type": "integer", "minimum": 1}, "price": {"multipleOf": 0.01}}},
    },
}
RIGHT = b'{"id": "order-7", "items": [{"count": 2, "price": 19.99}], "next": {"id": "order-8", "items": []}}'
WRONG = b'{"id": "7", "items": [{"count": 0}, {"price": 0.005, "count": 1.5}, {}], "next": {"items": []}, "more": 1}'
BROKEN = ["/id", "/items/0/count", "/items/1/count", "/items/1/price", "/items/2/count", "/more", "/next/id"]


def document(schema=SCHEMA, **changes):
    return json.dumps({"flow_type": "order", "schema": schema, **changes}).encode()


def places(violations):
    assert {violation.rule for violation in violations} <= {"schema"}
    return sorted(violation.path for violation in violations)


def test_saves_that_break_a_schema_are_refused(flows):
    flows.PutDefinition(document=document())
    flows.save("f", RIGHT, flow_type="order")
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", WRONG)
    violations = refusal.detail(errors_pb2.StateInvalid).violations
    assert places(violations) == BROKEN
    assert "is 0, less than 1" in [violation.message for violation in violations]
    assert flows.state("f") == RIGHT
    with invalid("STATE_INVALID"):
        flows.SaveState(flow_id="f", merge_patch=b'{"items": [{}]}')


def test_a_schema_warns_or_keeps_silent_as_rules_do(flows):
    flows.PutDefinition(document=document(on_save="warn"))
    assert places(flows.save("f", WRONG, flow_type="order").warnings) == BROKEN
    flows.PutDefinition(document=document(on_save="off"))
    assert not flows.save("g", WRONG, flow_type="order").warnings


def test_a_state_is_held_against_a_schema_at_full_depth(flows):
    flows.PutDefinition(document=document(on_save="off"))
    validated = flows.ValidateState(flow_type="order", state=WRONG)
    assert not validated.valid and places(validated.violations) == BROKEN
    for depth in (lifecycle_pb2.VALIDATION_DEPTH_MINIMAL, lifecycle_pb2.VALIDATION_DEPTH_TRANSITION):
        assert flows.ValidateState(flow_type="order", state=WRONG, depth=depth).valid
    assert flows.ValidateState(flow_type="order", state=RIGHT).valid


@pytest.mark.parametrize("state, path", [
    (b'{"id": "a-1", "items": [], "next": {"id": "\\ud800", "items": []}}', "/next/id"),
    (b'{"id": "a-1", "items": [{"count": 1e400, "price": 1e-400}]}', "/items/0/price"),
    (b'{"id": "a-1", "items": [{"count": 100000000000000000000000000000.1}]}', "/items/0/count"),
    (b'{"id": "a-1", "items": [], "\\u0000": 1}', "/\0")])
def test_what_other_parsers_cannot_read_is_judged_too(flows, state, path):
    flows.PutDefinition(document=document())
    with invalid("STATE_INVALID") as refusal:
        flows.save("f", state, flow_type="order")
    assert places(refusal.detail(errors_pb2.StateInvalid).violations) == [path]


def test_a_flow_without_a_state_begins_with_one_that_fits(flows):
    paths = {"id": "/id"}
    schema = {"required": ["id", "n"], "properties": {"n": {"type": "integer"}}}
    with invalid("DEFINITION_INVALID") as refusal:
        flows.PutDefinition(document=document(schema, paths=paths, initial_state={"n": "x"}))
    assert [fault.path for fault in refusal.detail(errors_pb2.DefinitionInvalid).faults] == ["/initial_state"]
    flows.PutDefinition(document=document(schema, paths=paths, initial_state={"n": 1}))
    flow = flows.CreateFlow(flow_id="f", flow_type="order")
    assert flow.version == 1 and json.loads(flows.state("f")) == {"n": 1, "id": "f"}


@pytest.mark.parametrize("schema, path", [
    (5, "/schema"), ({"type": "text"}, "/schema/type"), ({"properties": {"a": {"minimum": "1"}}}, "/schema/properties/a/minimum"),
    ({"$ref": "#"}, "/schema/$ref"), ({"allOf": [{"$ref": "#"}]}, "/schema"), ({"pattern": "("}, "/schema/pattern"),
    ({"patternProperties": {"(?!a)": {}}}, "/schema/patternProperties/(?!a)"), ({"prefixItems": []}, "/schema/prefixItems")])
def test_a_faulty_schema_has_its_faults_named(flows, schema, path):
    with invalid("DEFINITION_INVALID") as refusal:
        flows.PutDefinition(document=document(schema))
    [fault] = refusal.detail(errors_pb2.DefinitionInvalid).faults
    assert fault.path == path and fault.message


def test_nothing_is_fetched(flows):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as remote:
        threading.Thread(target=remote.serve_forever, daemon=True).start()
        with invalid("DEFINITION_INVALID") as refusal:
            flows.PutDefinition(document=document({"items": {"$ref": f"http://127.0.0.1:{remote.server_port}/a.json"}}))
        remote.shutdown()
    [fault] = refusal.detail(errors_pb2.DefinitionInvalid).faults
    assert fault.path == "/schema/items/$ref" and "never fetched" in fault.message and not asked
