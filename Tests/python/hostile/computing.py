"""Attacks by computing: small requests that ask for much work, and definitions that are costly to read."""

import json

import grpc
from flowstate.v1 import definition_pb2, lifecycle_pb2, state_pb2

from messages import patch, save, send
from raw import LIFECYCLE, SERVICE
from registry import attack

DEFINITIONS = "/flowstate.v1.FlowDefinitionService/"


def definition(flow_type, **members):
    return json.dumps({"flow_type": flow_type, **members}, separators=(",", ":"), ensure_ascii=False).encode()


def put(document):
    return definition_pb2.PutDefinitionRequest(document=document).SerializeToString()


# States and patches


def members(count):
    return b"{" + b",".join(b'"%06d":%d' % (number, number) for number in range(count)) + b"}"


@attack("computing", short=4, prepare=lambda flows: flows.save("patched", members(200)))
def merge_patch_of_900000_members(peer):
    send(peer, SERVICE + "SaveState", patch("patched", merge_patch=members(900_000)), in_flight=4, timeout=20)


@attack("computing", short=2, loop_share=0.6, prepare=lambda flows: flows.save("doubled", b'{"a":[1,2,3]}'))
def patches_that_double(peer):
    operations = [{"op": "copy", "from": "", "path": f"/b{number}"} for number in range(40)]
    send(peer, SERVICE + "SaveState", patch("doubled", json_patch=json.dumps(operations).encode()))


@attack("computing", short=2, loop_share=0.8, prepare=lambda flows: flows.save("worked", b"[" + b",".join([b"1"] * 50_000) + b"]"))
def patches_of_10000_operations(peer):
    operations = [{"op": "add", "path": "/0", "value": number} for number in range(10_000)]
    send(peer, SERVICE + "SaveState", patch("worked", json_patch=json.dumps(operations).encode()))


def prepare_difference(flows):
    for step in (1, 3):
        flows.save("differs", json.dumps([number * step for number in range(1_200_000)]).encode(), timeout=60)


@attack("computing", short=3, prepare=prepare_difference)
def differences_of_8MiB_of_numbers(peer):
    request = state_pb2.DiffVersionsRequest(flow_id="differs", from_version=1, to_version=2).SerializeToString()
    send(peer, SERVICE + "DiffVersions", request, in_flight=4, timeout=20)


def validate(state, flow_type):
    return lifecycle_pb2.ValidateStateRequest(state=state, flow_type=flow_type).SerializeToString()


def validation(flow_type, state, **members):
    """Definition and state of an attack by ValidateState."""
    def prepare(flows):
        _try(lambda: flows.PutDefinition(document=definition(flow_type, **members), timeout=60))
    return prepare, validate(state, flow_type)


def _try(call):
    """A definition that is refused is as good: the attack then ends before it begins."""
    try:
        call()
    except grpc.RpcError as error:
        if error.code() not in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED):
            raise


def texts(count, letter):
    return [f"{letter}{number:06d}" for number in range(count)]


ELEMENTS = {"rule": "elements", "path": "/a"}
NOT_LISTED = {**ELEMENTS, "rules": [{"rule": "not_listed", "in": "/b"}]}
_listed, LISTED_STATE = validation(
    "listed", json.dumps({"a": texts(60_000, "a"), "b": texts(60_000, "b")}, separators=(",", ":")).encode(), rules=[NOT_LISTED])
_many, MANY_STATE = validation(
    "many-rules", json.dumps({"a": [1] * 400_000}, separators=(",", ":")).encode(),
    rules=[{**ELEMENTS, "rules": [{"rule": "range", "minimum": 0, "maximum": number + 1} for number in range(200)]}])
_re2, RE2_STATE = validation(
    "re2", json.dumps({"a": ["a" * 20_000] * 300}).encode(),
    rules=[{**ELEMENTS, "rules": [{"rule": "pattern", "pattern": f"(a?){{{number}}}(a*a*)*b$"} for number in range(20, 50)]}])
_schema, SCHEMA_STATE = validation(
    "schema", json.dumps([list(range(300))] * 700, separators=(",", ":")).encode(),
    schema={"items": {"uniqueItems": True, "items": {"anyOf": [{"multipleOf": 0.0001 + number, "minimum": 1e9} for number in range(30)]}}})


@attack("computing", short=3, loop_share=0.6, prepare=_listed)
def not_listed_of_60000_in_60000(peer):
    send(peer, LIFECYCLE + "ValidateState", LISTED_STATE, in_flight=2, timeout=2)


@attack("computing", short=3, loop_share=0.6, prepare=_many)
def elements_400000_under_200_rules(peer):
    send(peer, LIFECYCLE + "ValidateState", MANY_STATE, in_flight=2, timeout=2)


@attack("computing", short=3, prepare=_re2)
def patterns_that_are_slow(peer):
    send(peer, LIFECYCLE + "ValidateState", RE2_STATE, in_flight=8)


@attack("computing", short=3, loop_share=0.8, prepare=_schema)
def schemas_that_are_slow(peer):
    send(peer, LIFECYCLE + "ValidateState", SCHEMA_STATE, in_flight=8)


def prepare_small(flows):
    _try(lambda: flows.PutDefinition(document=definition(
        "small", rules=[{**NOT_LISTED, "name": f"r{number}"} for number in range(60)]), timeout=60))


@attack("computing", short=3, loop_share=0.6, prepare=prepare_small)
def saves_of_16KB_under_60_rules(peer):
    """Small enough for what takes small states to be cheap."""
    state = json.dumps({"a": ["a"] * 2_000, "b": ["b"] * 2_000}, separators=(",", ":")).encode()
    send(peer, SERVICE + "SaveState", save(f"small-{peer.share}", state, flow_type="small"), in_flight=2)


# Definitions


def chain(count):
    return [{"name": f"p{number}", **({"requires": [f"p{number + 1}"]} if number < count - 1 else {})} for number in range(count)]


def put_one(peer, document, in_flight=1):
    send(peer, DEFINITIONS + "PutDefinition", put(document), in_flight=in_flight)


@attack("computing", short=2, loop_share=0.6)
def definition_with_3000_labels(peer):
    put_one(peer, definition("labels", labels={f"l{number}": f"/l{number}" for number in range(3_000)}))


@attack("computing", short=2, loop_share=0.6)
def definition_with_790_patterns(peer):
    put_one(peer, definition("patterns", schema={"patternProperties": {
        "\\pL" * 320 + str(number): {} for number in range(790)}}))


@attack("computing", short=2, loop_share=0.6)
def definition_with_64_patterns_of_1000_repetitions(peer):
    """1 KB, each of whose patterns takes milliseconds to compile."""
    put_one(peer, definition("repetitions", schema={"patternProperties": {
        "(a|b){1,1000}" + str(number): {} for number in range(64)}}))


@attack("computing", short=2, loop_share=0.6)
def definition_with_3000_phases(peer):
    put_one(peer, definition(f"phases-{peer.share}", phases=chain(3_000)))


@attack("computing", short=2, loop_share=0.6)
def definition_with_900_phases_that_require_140(peer):
    """Not too many phases, and not too many bytes."""
    names = [f"p{number:03d}" for number in range(900)]
    put_one(peer, definition("dense", phases=[
        {"name": name, "requires": names[max(0, number - 140):number]} for number, name in enumerate(names)]))


@attack("computing", short=3, loop_share=0.6, prepare=lambda flows: _try(
    lambda: flows.PutDefinition(document=definition("stored-phases", phases=chain(3_000)), timeout=60)))
def saves_under_a_definition_of_3000_phases(peer):
    send(peer, SERVICE + "SaveState", lambda number: save(f"p{peer.share}-{number}", flow_type="stored-phases"), in_flight=2)


@attack("computing", short=2, loop_share=0.6)
def definition_with_20000_statuses(peer):
    put_one(peer, definition("statuses", statuses=[{"name": f"s{number}"} for number in range(20_000)]))


@attack("computing", short=2, loop_share=0.6)
def definition_with_an_initial_state_that_is_costly(peer):
    put_one(peer, definition("initial", initial_state={"a": texts(6_000, "a"), "b": texts(6_000, "b")}, rules=[NOT_LISTED]))


@attack("computing", short=2, loop_share=0.6)
def definition_of_a_schema_of_1_MB(peer):
    put_one(peer, definition("schema-large", schema={"properties": {
        f"p{number}": {"type": "string", "minLength": number, "$comment": "x" * 20} for number in range(9_000)}}))


@attack("memory", short=5, loop_share=0.7)
def definitions_of_1_MB_60_types(peer):
    """Each is kept by every server that the tenant uses."""
    rules = [{"rule": "one_of", "path": f"/p{number}", "values": [f"value-{each}" for each in range(85)]} for number in range(900)]
    puts = lambda number: put(definition(f"many-{peer.share}-{number}", rules=rules))  # noqa: E731
    send(peer, DEFINITIONS + "PutDefinition", puts, in_flight=1, count=30)
    send(peer, SERVICE + "SaveState", lambda number: save(f"m{number}", flow_type=f"many-{peer.share}-{number % 30}"), in_flight=2)

