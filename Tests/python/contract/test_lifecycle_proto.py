"""lifecycle.proto: phases, status, errors, validation, history."""

import json

import grpc
import pytest
from flowstate.v1 import errors_pb2, lifecycle_pb2

from errors import conflict, invalid, not_found, refused
from promises import promise

FAILED = grpc.StatusCode.FAILED_PRECONDITION
ORDER = {
    "flow_type": "order", "on_save": "off", "paths": {"phase": "/phase", "completion": "/done"},
    "phases": [{"name": "cart"}, {"name": "paid", "requires": ["cart"]}, {"name": "sent", "requires": ["paid"], "terminal": True}]}
STEPS = {
    "TransitionPhase": {"phase": "b"}, "CompletePhase": {"phase": "a"}, "ReportError": {"message": "m"}, "SetStatus": {"status": "s"}}


@pytest.fixture
def order(flows):
    flows.PutDefinition(document=json.dumps(ORDER).encode())
    flows.save("f", b'{"phase": "cart", "done": {}}', flow_type="order", phase="cart")
    return flows


@promise(
    "lifecycle",
    "Moves a flow to another phase, and makes a checkpoint of the version before.",
    "INVALID_ARGUMENT for a phase that the definition does not have.",
    "FAILED_PRECONDITION (TRANSITION_NOT_ALLOWED) when phases that come first are not complete, or the flow would go back or has ended",
    "Marks a phase complete, and makes a checkpoint of the version that says so.",
    "Every phase that is complete now, in the definition's order.")
def test_phases(order):
    with refused(FAILED, "TRANSITION_NOT_ALLOWED") as refusal:
        order.TransitionPhase(flow_id="f", phase="paid")
    assert list(refusal.detail(errors_pb2.TransitionNotAllowed).missing) == ["cart"]
    assert list(order.CompletePhase(flow_id="f").completed) == ["cart"]
    assert {checkpoint.version for checkpoint in order.ListCheckpoints(flow_id="f").checkpoints} == {2}
    moved = order.TransitionPhase(flow_id="f", phase="paid")
    assert (getattr(moved, "from"), moved.flow.phase, json.loads(order.state("f"))["phase"]) == ("cart", "paid", "paid")
    assert {checkpoint.version for checkpoint in order.ListCheckpoints(flow_id="f").checkpoints} == {2}, "2 was the version before"
    with refused(FAILED, "TRANSITION_NOT_ALLOWED"):
        order.TransitionPhase(flow_id="f", phase="cart")
    assert list(order.CompletePhase(flow_id="f").completed) == ["cart", "paid"]
    order.TransitionPhase(flow_id="f", phase="sent")
    for phase in ("cart", "paid"):
        with refused(FAILED, "TRANSITION_NOT_ALLOWED"):
            order.TransitionPhase(flow_id="f", phase=phase)
    for step in (order.TransitionPhase, order.CompletePhase):
        with invalid() as refusal:
            step(flow_id="f", phase="nowhere")
        assert refusal.fields() == ["phase"]
    forced = order.TransitionPhase(flow_id="f", phase="cart", force=True)
    assert forced.flow.phase == "cart" and b"force" in order.load("f").version.metadata


@promise(
    "lifecycle",
    "without a definition every transition is allowed.",
    "Without a definition the state stays as it is, and only the head changes.")
def test_without_a_definition(flows):
    flows.save("f", b'{"phase": "x"}')
    for phase in ("a", "b", "a"):
        assert flows.TransitionPhase(flow_id="f", phase=phase).flow.phase == phase
    flows.CompletePhase(flow_id="f")
    flows.SetStatus(flow_id="f", status="s", progress=1)
    flows.ReportError(flow_id="f", message="m")
    assert flows.state("f") == b'{"phase": "x"}'


@promise("lifecycle", "The flow must be at this version, 1 or more. ABORTED (VERSION_CONFLICT) when it is not.",
         "Whatever version is the latest. `false` answers INVALID_ARGUMENT.")
@pytest.mark.parametrize("name", ["TransitionPhase", "CompletePhase", "SetStatus"])
def test_preconditions(flows, name):
    def step(**fields):
        return getattr(flows, name)(flow_id="f", **STEPS[name], **fields)

    flows.save("f", phase="a")
    for field, value in (("expected_version", 0), ("expected_version", -1), ("any_version", False)):
        with invalid() as refusal:
            step(**{field: value})
        assert refusal.fields() == [field]
    with conflict():
        step(expected_version=2)
    assert step(expected_version=1).flow.version == 2
    assert step(any_version=True).flow.version == 3


@promise("lifecycle", "Answered from the idempotency record; nothing was changed by this call.")
@pytest.mark.parametrize("name", STEPS)
def test_retries(flows, name):
    flows.save("f", phase="a")
    first = getattr(flows, name)(flow_id="f", idempotency_key="k", **STEPS[name])
    again = getattr(flows, name)(flow_id="f", idempotency_key="k", **STEPS[name])
    assert (first.replayed, again.replayed, first.flow.version, again.flow.version) == (False, True, 2, 2)
    assert flows.load("f").flow.version == 2
    with invalid("IDEMPOTENCY_KEY_REUSED"):
        getattr(flows, name)(flow_id="f", idempotency_key="k", **{key: value + "x" for key, value in STEPS[name].items()})


@promise("lifecycle", "Why, for the audit trail; at most 4 KiB.", "The kind of error, such as the exception's class; at most 255 bytes.",
         "What happened; at most 4 KiB.", "JSON to keep with the version, 64 KiB at most; empty: none.",
         "JSON with more, such as a stack trace; at most 64 KiB.")
@pytest.mark.parametrize("name, field, fits", [
    ("TransitionPhase", "reason", "é" * 2048), ("ReportError", "error_type", "é" * 127 + "x"), ("ReportError", "message", "é" * 2048),
    ("CompletePhase", "metadata", b'"%s"' % (b"x" * 65534)),
    ("ReportError", "details", b'"%s"' % (b"x" * 65534))])
def test_limits(flows, name, field, fits):
    flows.save("f", phase="a")
    longer = fits[:-1] + b'x"' if isinstance(fits, bytes) else fits + "x"
    fields = {**STEPS[name], field: fits}
    assert getattr(flows, name)(flow_id="f", **fields).flow.version == 2
    expected = refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "STATE_TOO_LARGE") if isinstance(fits, bytes) else invalid()
    with expected:
        getattr(flows, name)(flow_id="f", **{**fields, field: longer})
    if isinstance(fits, bytes):
        with invalid() as refusal:
            getattr(flows, name)(flow_id="f", **{**fields, field: b"{"})
        assert refusal.fields() == [field]


@promise(
    "lifecycle",
    "Empty: the status stays.",
    "Not set: the progress stays.",
    "Labels to set; others stay.",
    "Keys of labels to remove.")
def test_status(flows):
    flows.save("f", status="s", progress=5, labels={"a": "1", "b": "2"})
    head = flows.SetStatus(flow_id="f", set_labels={"b": "3", "c": "4"}, remove_labels=["a", "none"]).flow
    assert (head.status, head.progress, dict(head.labels)) == ("s", 5, {"b": "3", "c": "4"})
    head = flows.SetStatus(flow_id="f", status="t", progress=0).flow
    assert (head.status, head.progress, dict(head.labels)) == ("t", 0, {"b": "3", "c": "4"})
    for bad in (-1, 101, float("nan")):
        with invalid() as refusal:
            flows.SetStatus(flow_id="f", progress=bad)
        assert refusal.fields() == ["progress"]


@promise("lifecycle", "Records an error of the flow, whatever its state is like, and sets its status.",
         "The phase in which it happened; empty: the one the flow is in.")
@pytest.mark.parametrize("state, content_type", [(b"{}", ""), (b"\xff", "a/b"), (b"", "a/b")])
def test_errors(flows, state, content_type):
    flows.save("f", state, content_type=content_type, phase="p")
    head = flows.ReportError(flow_id="f", error_type="E", message="it broke").flow
    assert (head.version, head.status, head.phase) == (2, "failed", "p") and flows.state("f") == state
    summary = flows.GetSummary(flow_id="f")
    assert summary.error_count == 1 and "it broke" in summary.last_error


@promise(
    "lifecycle",
    "This state, which need not be stored; `flow_type` is required then.",
    "A type without a definition has no rules.",
    "0 for a state that came with the request.",
    "0 when there is none.",
    "The version that was validated",
    "What to validate; required.",
    "The definition; empty: the flow's own.",
    "Validates a state by the rules of a definition. Changes nothing.")
def test_validation(flows):
    flows.PutDefinition(document=b'{"flow_type": "t", "on_save": "off", "rules": [{"rule": "required", "path": "/a"}]}')
    flows.save("f", b"{}", flow_type="t")
    flows.save("g", b"{}")
    own = flows.ValidateState(flow_id="f")
    assert (own.valid, own.flow_type, own.definition_revision, own.version) == (False, "t", 1, 1)
    assert [violation.path for violation in own.violations] == ["/a"]
    none = flows.ValidateState(flow_id="g")
    assert (none.valid, none.definition_revision, none.version) == (True, 0, 1)
    assert not flows.ValidateState(flow_id="g", flow_type="t").valid
    given = flows.ValidateState(state=b'{"a": 1}', flow_type="t")
    assert (given.valid, given.version, given.definition_revision) == (True, 0, 1)
    with invalid():
        flows.ValidateState(state=b"{}")
    with invalid():
        flows.ValidateState(flow_type="t")
    assert flows.load("f").flow.version == 1


@promise("lifecycle", "Lists everything that happened to a flow, newest first: versions, and events that made none.",
         "Required; a deleted flow's history can be read too.")
def test_history(flows):
    flows.save("f")
    flows.CreateCheckpoint(flow_id="f", name="n")
    flows.SetStatus(flow_id="f", status="s")
    flows.DeleteCheckpoint(flow_id="f", checkpoint="n")
    flows.DeleteFlow(flow_id="f")
    entries = flows.GetHistory(flow_id="f").entries
    times = [entry.time.ToNanoseconds() for entry in entries]
    assert times == sorted(times, reverse=True)
    assert [entry.version.version or entry.event.kind for entry in entries] == [3, "checkpoint_deleted", 2, "checkpoint_created", 1]
    picked = flows.GetHistory(flow_id="f", kinds=["status_set", "checkpoint_created"]).entries
    assert [entry.version.version or entry.event.kind for entry in picked] == [2, "checkpoint_created"]
    with not_found():
        flows.GetHistory(flow_id="none")


@promise(
    "lifecycle",
    "Every phase of the definition, in its order; without one, those the flow has been in.",
    "When the flow entered it last; not set: never.",
    "When it was marked complete last; not set: never.",
    "How many versions there are, pruned ones not counted.")
def test_summary(order):
    order.CompletePhase(flow_id="f")
    order.TransitionPhase(flow_id="f", phase="paid")
    summary = order.GetSummary(flow_id="f")
    progress = lifecycle_pb2.PhaseProgress
    assert [(phase.phase, progress.Name(phase.progress)[15:]) for phase in summary.phases] == [
        ("cart", "COMPLETE"), ("paid", "ACTIVE"), ("sent", "PENDING")]
    assert [(phase.HasField("entered_at"), phase.HasField("completed_at")) for phase in summary.phases] == [
        (True, True), (True, False), (False, False)]
    assert (summary.version_count, summary.checkpoint_count, summary.recovery_count) == (3, 2, 0) and summary.stored_bytes > 0
