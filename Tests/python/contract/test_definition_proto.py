"""definition.proto: storing, reading and following definitions."""

import json

import pytest

from errors import conflict, invalid, not_found
from promises import promise


def document(**members):
    return json.dumps({"flow_type": "t", "on_save": "enforce", **members}).encode()


REQUIRED = {"rules": [{"rule": "required", "path": "/a"}]}


@promise(
    "definition",
    "Stores a new revision of a definition, unless the document is the latest revision's already.",
    "JSON, byte for byte as it was put.",
    "The latest revision must be this one; 0: there must be none. ABORTED (VERSION_CONFLICT) otherwise.",
    "Counts 1, 2, 3 …")
def test_revisions(flows):
    first = flows.PutDefinition(document=b" " + document()).definition
    assert (first.flow_type, first.revision, first.document, first.actor, first.built_in) == ("t", 1, b" " + document(), "tester", False)
    assert flows.PutDefinition(document=b" " + document()).definition.revision == 1
    assert flows.PutDefinition(document=document(), expected_revision=1).definition.revision == 2
    for wrong in (0, 1, 3):
        with conflict():
            flows.PutDefinition(document=document(description="x"), expected_revision=wrong)
    with invalid() as refusal:
        flows.PutDefinition(document=document(description="x"), expected_revision=-1)
    assert refusal.fields() == ["expected_revision"]
    assert flows.GetDefinition(flow_type="t", revision=1).definition.document == b" " + document()
    assert flows.GetDefinition(flow_type="t").definition.revision == 2
    for fields in ({"flow_type": "none"}, {"flow_type": "t", "revision": 3}):
        with not_found("DEFINITION_NOT_FOUND"):
            flows.GetDefinition(**fields)


@promise(
    "definition",
    "Two are built in and cannot be replaced: `open` and `unified_discovery`.",
    "When this revision was stored; not set for one that is built in.",
    "Who stored it; empty for one that is built in.",
    "Lists the latest revision of every definition, built-in ones too, by type.")
def test_built_in_ones(flows):
    flows.PutDefinition(document=document(flow_type="p"))
    flows.PutDefinition(document=document(flow_type="p", description="x"))
    listed = flows.ListDefinitions().definitions
    assert [(each.flow_type, each.revision) for each in listed if not each.built_in] == [("p", 2)]
    assert [each.flow_type for each in listed] == ["open", "p", "unified_discovery"]
    for built_in in ("open", "unified_discovery"):
        stored = flows.GetDefinition(flow_type=built_in).definition
        assert (stored.built_in, stored.actor, stored.HasField("created_at")) == (True, "", False)
        with invalid("DEFINITION_INVALID"):
            flows.PutDefinition(document=document(flow_type=built_in))


@promise("definition", "JSON; 1 MiB at most.")
def test_the_largest_document(flows):
    largest = document().rjust(1 << 20)
    assert flows.PutDefinition(document=largest).definition.document == largest
    with invalid("DEFINITION_INVALID"):
        flows.PutDefinition(document=b" " + largest)


@promise(
    "definition",
    "INVALID_ARGUMENT (STATE_INVALID) when that revision is enforced and the state breaks its rules.",
    "0: the latest.",
    "The flow must be at this version: ABORTED (VERSION_CONFLICT) otherwise.",
    "Must be true.",
    "one more version, with the state as it was.",
    "The revision that it followed; 0: whichever was the latest.")
def test_moving(flows):
    flows.PutDefinition(document=document())
    flows.save("f", b"{}", flow_type="t")
    flows.PutDefinition(document=document(**REQUIRED))
    flows.PutDefinition(document=document(description="without rules"))
    with invalid("STATE_INVALID"):
        flows.MoveFlow(flow_id="f", revision=2)
    with conflict():
        flows.MoveFlow(flow_id="f", expected_version=2)
    with invalid() as refusal:
        flows.MoveFlow(flow_id="f", any_version=False)
    assert refusal.fields() == ["any_version"]
    moved = flows.MoveFlow(flow_id="f")
    assert (moved.from_revision, moved.flow.definition_revision, moved.flow.version, flows.state("f")) == (1, 3, 2, b"{}")
    with not_found("DEFINITION_NOT_FOUND"):
        flows.MoveFlow(flow_id="f", revision=9)
    flows.save("g", b'{"a": 1}', flow_type="other")
    with not_found("DEFINITION_NOT_FOUND"):
        flows.MoveFlow(flow_id="g", revision=1)


@promise("definition", "A flow whose type has none is kept without rules.")
def test_a_type_without_a_definition(flows):
    assert not flows.save("f", b"[]", flow_type="none").warnings
    assert flows.load("f").flow.definition_revision == 0


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"flow_type": ""}', b'{"flow_type": "t", "nonsense": 1}', b"\xef\xbb\xbf{}"])
@promise("definition", "INVALID_ARGUMENT (DEFINITION_INVALID) for a document that is not a valid definition.")
def test_what_is_no_definition(flows, text):
    with invalid("DEFINITION_INVALID"):
        flows.PutDefinition(document=text)
