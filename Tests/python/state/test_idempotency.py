"""Retries with a key: applied once, answered alike."""

import concurrent.futures
import json

import pytest

from errors import conflict, invalid, not_found


def answer_without_replayed(reply):
    plain = type(reply)()
    plain.CopyFrom(reply)
    plain.replayed = False
    return plain


@pytest.fixture
def ready(flows):
    flows.save("f", b"1", checkpoint={"name": "c"})
    return flows


CALLS = {
    "CreateFlow": {"state": b"[1]", "labels": {"a": "1", "b": "2"}},
    "SaveState": {"flow_id": "f", "state": b"[2]", "expected_version": 1, "checkpoint": {"name": "another"}},
    "RestoreCheckpoint": {"flow_id": "f", "checkpoint": "c", "expected_version": 1},
    "DeleteFlow": {"flow_id": "f", "expected_version": 1},
}


@pytest.mark.parametrize("name", CALLS)
def test_a_retry_answers_the_same_and_changes_nothing(ready, name):
    call = getattr(ready, name)
    first = call(idempotency_key="key", **CALLS[name])
    assert not first.replayed
    versions = ready.versions(first.flow_id)
    for _ in range(2):
        again = call(idempotency_key="key", **CALLS[name])
        assert again.replayed and answer_without_replayed(again) == first
    assert ready.versions(first.flow_id) == versions


@pytest.mark.parametrize("change", [
    {"state": b"[3]"}, {"expected_version": 2}, {"flow_id": "g"}, {"phase": "p"}, {"labels": {"a": "1"}},
    {"metadata": b"{}"}, {"version_label": "v"}, {"checkpoint": {"name": "x"}}, {"content_type": "text/plain"}])
def test_a_key_belongs_to_one_request(ready, change):
    request = {"flow_id": "f", "state": b"[2]", "expected_version": 1}
    ready.SaveState(idempotency_key="key", **request)
    with invalid("IDEMPOTENCY_KEY_REUSED"):
        ready.SaveState(idempotency_key="key", **{**request, **change})
    assert len(ready.versions("f")) == 2


def test_a_key_belongs_to_one_method(ready):
    ready.SaveState(flow_id="f", state=b"[2]", idempotency_key="key")
    with invalid("IDEMPOTENCY_KEY_REUSED"):
        ready.DeleteFlow(flow_id="f", idempotency_key="key")
    assert len(ready.versions("f")) == 2


def test_labels_have_no_order(ready):
    one, two = {"a": "1", "b": "2", "c": "3"}, {"c": "3", "b": "2", "a": "1"}
    first = ready.save("f", labels=one, idempotency_key="key")
    assert ready.save("f", labels=two, idempotency_key="key").version == first.version


def test_a_refused_call_leaves_its_key_free(ready):
    with conflict():
        ready.save("f", b"[2]", expected_version=9, idempotency_key="key")
    with not_found():
        ready.DeleteFlow(flow_id="nobody", idempotency_key="key")
    saved = ready.save("f", b"[2]", expected_version=1, idempotency_key="key")
    assert (saved.version, saved.replayed) == (2, False)


def test_a_retry_after_others_saved_still_answers_the_first(ready):
    first = ready.save("f", b"[2]", idempotency_key="key")
    ready.save("f", b"[3]")
    ready.DeleteFlow(flow_id="f")
    again = ready.save("f", b"[2]", idempotency_key="key")
    assert again.replayed and again.version == first.version


def test_retries_at_the_same_time_apply_once(server, ready):
    clients = [server.flows(ready.tenant) for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda client: client.save("f", b"[2]", idempotency_key="key"), clients))
    assert {reply.version for reply in replies} == {2}
    assert sum(not reply.replayed for reply in replies) == 1
    assert len(ready.versions("f")) == 2


def test_a_retry_is_answered_whatever_the_definition_says_by_now(flows):
    """What the server adds to a request (an initial state with its time, labels of the state) is not part of what a key stands for."""
    flows.save("older", b'{"a": 1}', flow_type="order", idempotency_key="older")
    document = {"flow_type": "order", "paths": {"id": "/id", "created": "/created"}, "initial_state": {"id": "", "created": ""}}
    flows.PutDefinition(document=json.dumps(document).encode())
    created = flows.CreateFlow(flow_type="order", idempotency_key="create")
    again = flows.CreateFlow(flow_type="order", idempotency_key="create")
    assert again.replayed and (again.flow_id, again.version) == (created.flow_id, 1)
    flows.save("f", b'{"a": 1}', flow_type="order", labels={"own": "1"}, idempotency_key="save")
    flows.PutDefinition(document=json.dumps({
        "flow_type": "order", "rules": [{"rule": "required", "path": "/b"}], "labels": {"a": "/a"}}).encode())
    assert flows.save("f", b'{"a": 1}', flow_type="order", labels={"own": "1"}, idempotency_key="save").replayed
    # It follows the latest revision, which would refuse it.
    assert flows.save("older", b'{"a": 1}', flow_type="order", idempotency_key="older").version == 1
    with invalid("STATE_INVALID"):
        flows.save("older", b'{"a": 1}', flow_type="order", idempotency_key="other")
