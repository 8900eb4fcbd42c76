"""What is promised in the same words of many methods, held against all of them."""

import functools
import importlib

import grpc
import pytest

from flowstate.v1 import errors_pb2

from errors import invalid, refused
from promises import promise
from service_methods import BUILT, MODULES


FAILED = grpc.StatusCode.FAILED_PRECONDITION


def methods():
    for module in MODULES:
        for service in importlib.import_module(f"flowstate.v1.{module}_pb2").DESCRIPTOR.services_by_name.values():
            yield from (method for method in service.methods if method.name in BUILT)


# What is checked before the flow's id, or instead of it.
BESIDES = {
    "SaveState": {"state": b"{}"}, "DiffVersions": {"from_version": 1}, "RestoreCheckpoint": {"checkpoint": "c"},
    "DeleteCheckpoint": {"checkpoint": "c"}, "TransitionPhase": {"phase": "p"}, "ReportError": {"message": "m"}}
MAY_BE_EMPTY = {"CreateFlow", "ListQuarantine", "ListNotifications", "ValidateState"}


@promise("state", "Required.")
@promise("lifecycle", "Required.", "The phase to move to; required.")
@promise("recovery", "Required.")
@promise("definition", "Required.")
@pytest.mark.parametrize("method", [method for method in methods() if "flow_id" in method.input_type.fields_by_name],
                         ids=lambda method: method.name)
def test_a_flow_must_be_named(flows, method):
    if method.name in MAY_BE_EMPTY:
        return
    with invalid() as refusal:
        getattr(flows, method.name)(**BESIDES.get(method.name, {}))
    assert refusal.fields() == ["flow_id"]


@pytest.mark.parametrize("name, fields, missing", [
    ("TransitionPhase", {"flow_id": "f"}, "phase"), ("RestoreCheckpoint", {"flow_id": "f"}, "checkpoint"),
    ("DeleteCheckpoint", {"flow_id": "f"}, "checkpoint"), ("DiffVersions", {"flow_id": "f"}, "from_version"),
    ("GetDefinition", {}, "flow_type"), ("GetQuarantined", {}, "id"), ("RestoreQuarantined", {}, "id"), ("AcknowledgeNotification", {}, "id")])
def test_what_else_is_required(flows, name, fields, missing):
    flows.save("f")
    with invalid() as refusal:
        getattr(flows, name)(**fields)
    assert refusal.fields() == [missing]


def fill(flows, name, count):
    """Makes a list of so many entries, and answers how to ask for it and what it holds."""
    if name == "ListFlows":
        for number in range(count):
            flows.save(f"f{number:04}")
        return {"filter": {"flow_id_prefix": "f"}}, "flows"
    flows.save("f")
    for number in range(count - (name != "ListCheckpoints")):
        if name == "ListCheckpoints":
            flows.CreateCheckpoint(flow_id="f")
        else:
            flows.save("f", str(number).encode())
    return {"flow_id": "f"}, {"ListCheckpoints": "checkpoints", "ListVersions": "versions", "GetHistory": "entries"}[name]


@promise(
    "state",
    "Default 50, maximum 1,000.",
    "Empty: the first page.",
    "Empty: this was the last page.",
    "Newest first.",
    "Default: newest first.",
    "Default: most recently changed first.",
    "The same as FLOW_ORDER_UPDATED_DESC.",
    "The same as VERSION_ORDER_NEWEST_FIRST.",
    "Not set: every flow that is not deleted.")
@promise("lifecycle", "Default 50, maximum 1,000.", "Empty: the first page.", "Empty: this was the last page.", "Newest first.")
@pytest.mark.parametrize("name", ["ListFlows", "ListVersions", "ListCheckpoints", "GetHistory"])
def test_pages(flows, name):
    fields, entries = fill(flows, name, 1_010)
    call = getattr(flows, name)
    assert [len(getattr(call(page_size=size, **fields), entries)) for size in (0, 1, 50, 1_000, 1_001, 2**31 - 1)] == [
        50, 1, 50, 1_000, 1_000, 1_000]
    found, token, pages = [], "", 0
    while pages == 0 or token:
        page = call(page_size=300, page_token=token, **fields)
        found += list(getattr(page, entries))
        token, pages = page.next_page_token, pages + 1
    assert (len(found), pages) == (1_010, 4)
    keys = [entry.SerializeToString(deterministic=True) for entry in found]
    assert len(set(keys)) == 1_010
    times = [(entry.time if name == "GetHistory" else entry.updated_at if name == "ListFlows" else entry.created_at).ToNanoseconds()
             for entry in found]
    assert times == sorted(times, reverse=True)


@promise("definition", "Default 50, maximum 1,000.", "Empty: the first page.", "Empty: this was the last page.")
def test_pages_of_definitions(flows):
    for number in range(60):
        flows.PutDefinition(document=b'{"flow_type": "t%02d"}' % number)
    first = flows.ListDefinitions()
    rest = flows.ListDefinitions(page_token=first.next_page_token)
    types = [each.flow_type for page in (first, rest) for each in page.definitions]
    assert (len(first.definitions), len(types), rest.next_page_token, types) == (50, 62, "", sorted(types))


@promise("state", "JSON to keep with the version, 64 KiB at most.", "64 entries at most, 256 bytes each key and value at most.",
         "64 entries at most, 256 bytes each at most.", "Empty: none.", "Not set: the state is always sent.", "Free text, at most 4 KiB.")
@pytest.mark.parametrize("name", ["CreateFlow", "SaveState"])
def test_what_comes_with_a_version(flows, name):
    call = getattr(flows, name)
    full = {"metadata": b'"%s"' % (b"x" * 65534), "labels": {f"{number:0256}": "v" * 256 for number in range(64)}}
    assert call(flow_id="f", state=b"{}", **full).version == 1
    assert flows.LoadState(flow_id="f").snapshot.state == b"{}" and flows.load("f").flow.status == ""
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "STATE_TOO_LARGE"):
        call(flow_id="g", state=b"{}", metadata=full["metadata"][:-1] + b'x"')
    for bad in ({**full["labels"], "x": ""}, {"x" * 257: ""}, {"x": "v" * 257}):
        with invalid() as refusal:
            call(flow_id="g", state=b"{}", labels=bad)
        assert refusal.fields()[0].startswith("labels")


@promise("state", "A token that is not the flow's current one answers FAILED_PRECONDITION (LEASE_LOST).",
         "The fencing token of the caller's lease; 0: the caller has none.")
@promise("lifecycle", "The fencing token of the caller's lease; 0: the caller has none.")
@pytest.mark.parametrize("name", ["SaveState", "TransitionPhase", "CompletePhase", "ReportError", "SetStatus", "AppendWrites", "DeleteWrites"])
def test_what_a_lease_fences(flows, name):
    flows.save("f", phase="p")
    fields = {"CompletePhase": {}, "SetStatus": {"status": "s"}, "DeleteWrites": {},
              "AppendWrites": {"version_label": "l", "writes": [{"task_id": "t", "channel": "c"}]}, **BESIDES}[name]
    call = functools.partial(getattr(flows, name), flow_id="f", **fields)
    with refused(FAILED, "LEASE_LOST") as refusal:
        call(lease_token=1)
    lost = refusal.detail(errors_pb2.LeaseLost)
    assert (lost.holder, lost.token) == ("", 0)
    first = flows.AcquireLease(flow_id="f", holder="one").lease
    call(lease_token=first.token)
    flows.ReleaseLease(flow_id="f", token=first.token)
    second = flows.AcquireLease(flow_id="f", holder="two").lease
    version = flows.load("f").flow.version
    for stale in (first.token, second.token + 1):
        with refused(FAILED, "LEASE_LOST") as refusal:
            call(lease_token=stale)
        lost = refusal.detail(errors_pb2.LeaseLost)
        assert (lost.holder, lost.token) == ("two", second.token)
    assert flows.load("f").flow.version == version
    call()
    call(lease_token=second.token)
    with invalid() as refusal:
        call(lease_token=-1)
    assert refusal.fields() == ["lease_token"]
