"""types.proto: the rules that hold for every message, and what heads, versions and checkpoints say."""

import uuid

import pytest
import xxhash
from flowstate.v1 import types_pb2

from errors import invalid
from promises import promise

NAMES = {
    "flow_id": "flow_id", "flow_type": "flow_type", "phase": "phase", "status": "status", "version_label": "version_label",
    "idempotency_key": "idempotency_key"}


@promise("types", "1 to 255 bytes of UTF-8 without control characters. Anything else answers INVALID_ARGUMENT.")
@pytest.mark.parametrize("field", NAMES)
def test_names(flows, field):
    def save(value):
        return flows.SaveState(**{"flow_id": "f-" + uuid.uuid4().hex, "state": b"{}", field: value})

    for good in ("é" * 127 + "x", "a b/…\U0001f642", "-", "e\u0301"):
        assert save(good).version == 1
    for bad in ("é" * 128, "x" * 256, "a\nb", "a\0b", "\x7f", "\x80"):
        with invalid() as refusal:
            save(bad)
        assert refusal.fields() == [NAMES[field]], (field, bad)


@promise(
    "types",
    "Without authentication they come from the metadata `flowstate-tenant` (default `default`) and `flowstate-actor` "
    "(default `anonymous`).")
def test_tenant_and_actor(server):
    flows = server.flows()
    bare = server.flows("default", "anonymous")
    flow_id = "f-" + uuid.uuid4().hex
    flows.metadata = []
    flows.save(flow_id)
    [version] = bare.versions(flow_id)
    assert version.actor == "anonymous"


@promise("types", "Versions count 1, 2, 3 … within one flow")
def test_versions_count(flows):
    assert [flows.save("f").version for _ in range(3)] == [1, 2, 3]
    flows.RestoreCheckpoint(flow_id="f", checkpoint=flows.CreateCheckpoint(flow_id="f", version=1).checkpoint.id)
    flows.SetStatus(flow_id="f", status="s")
    flows.DeleteFlow(flow_id="f")
    versions = flows.versions("f")
    assert [version.version for version in versions] == [1, 2, 3, 4, 5, 6]
    assert [version.parent_version for version in versions][:3] == [0, 1, 2]


@promise("types", "State is bytes and a content type. It comes back byte for byte as it was saved.")
@pytest.mark.parametrize("state, content_type", [
    (b"", "a/b"), (bytes(range(256)), "application/octet-stream"), (b' {"a" :1.0e0 ,"a":2}\n', "application/json"),
    (b'"\\ud800"', "application/json; charset=utf-8")])
def test_states(flows, state, content_type):
    flows.save("f", state, content_type=content_type)
    loaded = flows.load("f")
    assert (loaded.state, loaded.version.content_type) == (state, content_type)
    assert loaded.version.digest == xxhash.xxh3_128_digest(state) and loaded.version.size_bytes == len(state)


@promise("types", "a larger one is lowered to the maximum, a negative one answers INVALID_ARGUMENT)")
@promise("types", "A token that this server did not make, or that was made for other fields, answers INVALID_ARGUMENT.")
@pytest.mark.parametrize("name", [
    "ListFlows", "ListVersions", "ListCheckpoints", "GetHistory", "ListDefinitions", "ListQuarantine", "GetRecoveryStatus",
    "ListNotifications"])
def test_pages(flows, name):
    flows.save("f")
    flows.save("g")
    fields = {"flow_id": "f"} if name in ("ListVersions", "ListCheckpoints", "GetHistory", "GetRecoveryStatus") else {}
    call = getattr(flows, name)
    for size in (0, 1, 1000, 1001, 2**31 - 1):
        call(page_size=size, **fields)
    for size in (-1, -2**31):
        with invalid() as refusal:
            call(page_size=size, **fields)
        assert refusal.fields() == ["page_size"]
    other = flows.ListFlows(page_size=1, filter={"flow_id_prefix": ""}).next_page_token
    for token in ("nonsense", "é", "A" * 5000, other if name != "ListFlows" else flows.ListFlows(page_size=1, order=2).next_page_token):
        assert token
        with invalid() as refusal:
            call(page_token=token, **fields)
        assert refusal.fields() == ["page_token"], token


@promise("types", "An unset enum (…_UNSPECIFIED) means the default that the field's comment names.")
def test_unset_enums(flows):
    for flow_id in "ab":
        flows.save(flow_id)
    assert flows.ListFlows(order=0).flows == flows.ListFlows(order=1).flows
    flows.save("a")
    assert flows.ListVersions(flow_id="a", order=0).versions == flows.ListVersions(flow_id="a", order=1).versions
    assert [version.version for version in flows.ListVersions(flow_id="a").versions] == [2, 1]
    for call, fields in ((flows.ListFlows, {}), (flows.ListVersions, {"flow_id": "a"})):
        with invalid() as refusal:
            call(order=77, **fields)
        assert refusal.fields() == ["order"]


@promise(
    "types", "Those that a definition takes from states are among them: a change that would make more answers INVALID_ARGUMENT and names "
    "`labels`.")
def test_labels_of_states_count(flows):
    flows.PutDefinition(document=b'{"flow_type": "order", "labels": {"a": "/a", "b": "/b"}}')
    own = {f"{number:0256}": "x" for number in range(63)}
    flows.save("f", b'{"a": 1}', flow_type="order", labels=own)
    assert len(flows.load("f").flow.labels) == 64
    flows.save("f", b'{"b": 1}')
    assert dict(flows.load("f").flow.labels) == {**own, "b": "1"}
    for call in (lambda: flows.save("f", b'{"a": 1, "b": 1}'), lambda: flows.SaveState(flow_id="f", merge_patch=b'{"a": 1}'),
                 lambda: flows.save("g", b'{"a": 1, "b": 1}', flow_type="order", labels=own)):
        with invalid() as refusal:
            call()
        assert refusal.fields() == ["labels"]


@promise("types", "Key and value, 64 entries at most, 256 bytes each at most.", "Per cent, 0 to 100.")
def test_labels_and_progress(flows):
    most = {f"{number:0256}": "é" * 128 for number in range(64)}
    flows.save("f", labels=most)
    assert dict(flows.load("f").flow.labels) == most
    for bad in ({**most, "x": ""}, {"x" * 257: ""}, {"x": "é" * 128 + "x"}, {"": "x"}, {"a\0": ""}):
        with invalid():
            flows.save("g", labels=bad)
    flows.save("f", labels={"é": "1", "e\u0301": "2"})
    assert dict(flows.load("f").flow.labels) == {"é": "1", "e\u0301": "2"}, "told apart by bytes"
    assert flows.load("f").flow.WhichOneof("progress_value") is None
    for good in (0, 100, 5e-324, 99.99999999999999):
        flows.save("f", progress=good)
        assert flows.load("f").flow.progress == good and flows.load("f").version.progress == good
    for bad in (-5e-324, 100.00000000000001, float("nan"), float("inf")):
        with invalid() as refusal:
            flows.save("f", progress=bad)
        assert refusal.fields() == ["progress"]


@promise("types", "JSON that the client attached to this version, at most 64 KiB; empty when there is none.",
         "The label given when it was saved. Several versions may carry the same one.", "When it was committed, to the microsecond.",
         "Names (ids where there is no name) of the checkpoints that point at it.")
def test_versions(flows):
    flows.save("f", metadata=b'"%s"' % (b"x" * (65534)), version_label="l")
    flows.save("f", version_label="l")
    flows.CreateCheckpoint(flow_id="f", name="n", version=1)
    made = flows.CreateCheckpoint(flow_id="f", version=1).checkpoint
    newest, oldest = flows.ListVersions(flow_id="f").versions
    assert (newest.metadata, len(oldest.metadata)) == (b"", 65536)
    assert (newest.version_label, oldest.version_label) == ("l", "l")
    assert set(oldest.checkpoints) == {"n", made.id} and not newest.checkpoints
    assert oldest.created_at.nanos % 1000 == 0 and oldest.created_at.ToNanoseconds() <= newest.created_at.ToNanoseconds()
    assert flows.load("f", version_label="l").version.version == 2, "the newest with the label"


EVENTS = {
    "CREATED": lambda flows: flows.CreateFlow(flow_id="f", state=b"{}"),
    "SAVED": lambda flows: flows.save("f"),
    "RESTORED": lambda flows: flows.RestoreCheckpoint(
        flow_id="f", checkpoint=flows.CreateCheckpoint(flow_id="f").checkpoint.id),
    "TRANSITIONED": lambda flows: flows.TransitionPhase(flow_id="f", phase="b"),
    "STATUS_SET": lambda flows: flows.SetStatus(flow_id="f", status="s"),
    "ERROR_REPORTED": lambda flows: flows.ReportError(flow_id="f", message="m"),
    "PHASE_COMPLETED": lambda flows: flows.CompletePhase(flow_id="f"),
    "DELETED": lambda flows: flows.DeleteFlow(flow_id="f")}


@promise("types", "The flow was deleted. Such a version has no state.", "Whether the flow is deleted: its latest version is a tombstone.")
def test_events(flows):
    for step in EVENTS.values():
        step(flows)
    versions = flows.versions("f")
    assert [types_pb2.VersionEvent.Name(version.event) for version in versions] == [f"VERSION_EVENT_{name}" for name in EVENTS]
    [head] = flows.ListFlows(filter={"include_deleted": True}).flows
    assert head.deleted and head.version == len(EVENTS)
    tombstone = flows.load("f", version=head.version)
    assert (tombstone.state, tombstone.version.size_bytes) == (b"", 0)


@promise(
    "types",
    "Generated (UUIDv7), unique within the tenant.",
    "Unique within the flow; empty when the checkpoint was made without one.",
    "Free text, at most 4 KiB.")
def test_checkpoints(flows):
    flows.save("f")
    flows.save("g")
    made = [flows.CreateCheckpoint(flow_id=flow, name=name, description=text).checkpoint
            for flow, name, text in (("f", "n", "é" * 2048), ("g", "n", "a\nb"), ("f", "", ""), ("f", "", ""))]
    assert len({checkpoint.id for checkpoint in made}) == 4 and all(uuid.UUID(checkpoint.id).version == 7 for checkpoint in made)
    assert [checkpoint.name for checkpoint in made] == ["n", "n", "", ""] and made[0].description == "é" * 2048
    with invalid() as refusal:
        flows.CreateCheckpoint(flow_id="f", description="é" * 2048 + "x")
    assert refusal.fields() == ["description"]
