"""Watching flows: what is sent, in which order, from where, and to whom."""

import time

import grpc
import pytest
from flowstate.v1 import state_pb2, types_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from errors import invalid, not_found, refused
from processes import eventually
from watching import Watch


@pytest.fixture
def watch(flows):
    made = []

    def start(by=None, **fields):
        made.append(Watch(by or flows, **fields).wait_until_begun())
        return made[-1]

    yield start
    for each in made:
        each.stop()


def test_every_version_of_every_flow(flows, watch):
    flows.save("before", b"{}")
    seen = watch()
    for number in range(5):
        for flow_id in "abc":
            flows.save(flow_id, b"%d" % number)
    seen.wait_for(15)
    assert seen.versions() == {flow_id: [1, 2, 3, 4, 5] for flow_id in "abc"}


def test_what_a_change_has(flows, watch):
    seen = watch()
    saved = flows.save("a", b'{"x": 1}', flow_type="t", phase="p", status="s", progress=7, labels={"l": "v"}, metadata=b'{"m":1}',
                       version_label="label", version_tags={"t": "u"}, checkpoint={"name": "c"})
    seen.wait_for(1)
    change, loaded = seen.snapshots[0], flows.load("a")
    assert change.flow == loaded.flow and change.version == loaded.version
    assert change.version.digest == saved.digest and change.version.checkpoints == ["c"] and change.state == b""


def test_states_are_sent_on_request(flows, watch):
    seen = watch(include_state=True)
    states = [b'{"n": %d, "text": "%s"}' % (number, b"x" * number * 1000) for number in range(20)]
    for state in states:
        flows.save("a", state)
    flows.DeleteFlow(flow_id="a")
    seen.wait_for(21)
    assert [snapshot.state for snapshot in seen.snapshots] == [*states, b""]
    assert seen.snapshots[-1].version.event == types_pb2.VERSION_EVENT_DELETED and seen.snapshots[-1].flow.deleted


def test_of_named_flows_also_those_that_do_not_exist_yet(flows, watch):
    seen = watch(flow_ids=["a", "new"])
    for flow_id in ["a", "b", "new", "a"]:
        flows.save(flow_id)
    seen.wait_for(3)
    flows.save("c")
    flows.save("new")
    seen.wait_for(4)
    assert seen.changes == [("a", 1), ("new", 1), ("a", 2), ("new", 2)]


def test_other_tenants_changes_are_not_sent(server, flows, watch):
    seen, named = watch(), watch(flow_ids=["same"])
    others = server.flows()
    for _ in range(3):
        others.save("same")
        flows.save("same")
    seen.wait_for(3), named.wait_for(3)
    others.save("same")
    flows.save("same")
    assert seen.wait_for(4).changes == named.wait_for(4).changes == [("same", number) for number in range(1, 5)]


@pytest.mark.parametrize("filter, matching", [
    ({"flow_type": "t"}, {"type"}), ({"phase": "p"}, {"phase"}), ({"status": "s"}, {"status"}), ({"labels": {"l": "v"}}, {"label"}),
    ({"labels": {"l": "v", "m": ""}}, set()), ({"flow_id_prefix": "ph"}, {"phase", "phi"}), ({"flow_type": "T"}, set())])
def test_filters(flows, watch, filter, matching):
    seen, end = watch(filter=filter), watch()
    flows.save("type", flow_type="t"), flows.save("phase", phase="p"), flows.save("status", status="s")
    flows.save("label", labels={"l": "v", "k": "w"}), flows.save("phi"), flows.save("last")
    end.wait_for(6)
    # The feed hands a window to all watches at once.
    seen.wait_for(len(matching))
    assert {flow_id for flow_id, _ in seen.changes} == matching


def test_steps_and_every_other_kind_of_version(flows, watch):
    seen = watch(flow_ids=["a"])
    flows.save("a", b"{}", checkpoint={"name": "c"})
    flows.SetStatus(flow_id="a", status="running")
    flows.TransitionPhase(flow_id="a", phase="p")
    flows.RestoreCheckpoint(flow_id="a", checkpoint="c")
    flows.ReportError(flow_id="a", error_type="e", message="m")
    flows.SaveState(flow_id="a", merge_patch=b'{"x":1}')
    flows.DeleteFlow(flow_id="a")
    flows.save("a", b"{}", revive=True)
    seen.wait_for(8)
    events = [types_pb2.VersionEvent.Name(snapshot.version.event).removeprefix("VERSION_EVENT_") for snapshot in seen.snapshots]
    assert events == ["CREATED", "STATUS_SET", "TRANSITIONED", "RESTORED", "ERROR_REPORTED", "SAVED", "DELETED", "CREATED"]
    assert seen.versions() == {"a": list(range(1, 9))}


def test_batches_and_forks(flows, watch):
    seen = watch()
    flows.BatchSaveState(mode=state_pb2.BATCH_MODE_ATOMIC, saves=[{"flow_id": f"b{n}", "state": b"{}"} for n in range(100)])
    flows.save("b1")
    flows.ForkFlow(flow_id="b1", new_flow_id="fork", with_history=True)
    seen.wait_for(103)
    assert seen.versions() == {**{f"b{n}": [1] for n in range(100)}, "b1": [1, 2], "fork": [1, 2]}


def test_from_each_cursor_all_that_followed(flows):
    call = flows.WatchFlows(timeout=60)
    messages = [next(call)]
    for number in range(12):
        flows.save(f"f{number % 3}")
        messages.append(next(call))
    call.cancel()
    order = [(message.change.flow.flow_id, message.change.version.version) for message in messages[1:]]
    for place, message in enumerate(messages):
        resumed = Watch(flows, cursor=message.cursor).wait_until_begun().wait_for(len(order) - place)
        assert set(order[place:]) <= set(resumed.changes)
        assert resumed.changes[-(len(order) - place):] == order[place:] if place < len(order) else resumed.changes == []
        resumed.stop()


@pytest.mark.parametrize("after", [0, 1, 7, 19, 20])
def test_from_a_version(flows, watch, after):
    for number in range(20):
        flows.save("a", b"%d" % number)
        flows.save("other")
    seen = watch(flow_ids=["a"], after_version=after, include_state=True)
    seen.wait_for(20 - after)
    flows.save("a", b"20")
    flows.save("other")
    seen.wait_for(21 - after)
    assert seen.changes == [("a", version) for version in range(after + 1, 22)]
    assert [snapshot.state for snapshot in seen.snapshots] == [b"%d" % number for number in range(after, 21)]
    resumed = watch(flow_ids=["a"], cursor=seen.cursor)
    flows.save("a", b"21")
    assert resumed.wait_for(1).changes[-1] == ("a", 22)


def test_from_a_version_that_is_yet_to_come(flows, watch):
    flows.save("a")
    seen = watch(flow_ids=["a"], after_version=3)
    for _ in range(4):
        flows.save("a")
    assert seen.wait_for(2).changes == [("a", 4), ("a", 5)]


def test_a_bookmark_follows_what_was_there(flows):
    for _ in range(3):
        flows.save("a")
    call = flows.WatchFlows(flow_ids=["a"], after_version=1, timeout=30)
    messages = [next(call) for _ in range(4)]
    call.cancel()
    assert [message.WhichOneof("event") for message in messages] == ["bookmark", "change", "change", "bookmark"]
    assert messages[0].bookmark.ToNanoseconds() == 0
    assert messages[3].bookmark.ToNanoseconds() >= flows.load("a").version.created_at.ToNanoseconds()


def test_a_cursor_of_one_flows_versions_is_for_that_flow(flows):
    flows.save("a")
    cursor = next(flows.WatchFlows(flow_ids=["a"], after_version=0, timeout=30)).cursor
    for flow_ids in (["b"], ["a", "b"], []):
        with invalid() as refusal:
            next(flows.WatchFlows(flow_ids=flow_ids, cursor=cursor))
        assert refusal.fields() == ["cursor"]


def test_bookmarks_come_while_nothing_changes(flows, watch):
    seen = watch(bookmark_interval=Duration(seconds=1))
    flows.save("a")
    seen.wait_for(1)
    eventually(lambda: len(seen.bookmarks) >= 3, what="bookmarks")
    times = [bookmark.ToNanoseconds() for bookmark in seen.bookmarks]
    assert times == sorted(times)
    saved = flows.save("b")
    resumed = watch(cursor=seen.cursor)
    assert resumed.wait_for(1).changes == [("b", 1)] and times[-1] <= saved.created_at.ToNanoseconds()


def test_removed_versions_are_not_sent_later(flows, watch):
    start = next(flows.WatchFlows(timeout=30)).cursor
    for number in range(6):
        flows.save("a", b"%d" % number, version_tags={"run": str(number % 2)})
    flows.DeleteVersions(flow_id="a", tag="run", tag_values=["1"])
    flows.save("end")
    # The latest was among them: a seventh has the state of the fifth.
    numbered = watch(flow_ids=["a"], after_version=0)
    assert numbered.wait_for(4).versions() == {"a": [1, 3, 5, 7]}
    assert watch(cursor=start).wait_for(5).versions() == {"a": [1, 3, 5, 7], "end": [1]}


@pytest.mark.parametrize("fields, field", [
    ({"cursor": b""}, "cursor"), ({"cursor": b"x" * 40}, "cursor"), ({"cursor": b"\1\1" + bytes(32)}, "cursor"),
    ({"after_version": 1}, "after_version"), ({"after_version": -1, "flow_ids": ["a"]}, "after_version"),
    ({"after_version": 1, "flow_ids": ["a", "b"]}, "after_version"), ({"flow_ids": [""]}, "flow_ids[0]"),
    ({"flow_ids": ["a", "x" * 256]}, "flow_ids[1]"), ({"flow_ids": ["a"] * 1001}, "flow_ids"),
    ({"filter": {"created_after": Timestamp(seconds=1)}}, "filter"), ({"filter": {"updated_before": Timestamp(seconds=1)}}, "filter"),
    ({"filter": {"flow_type": "x" * 256}}, "flow_type"), ({"bookmark_interval": Duration(nanos=999_000_000)}, "bookmark_interval"),
    ({"bookmark_interval": Duration(seconds=-1)}, "bookmark_interval")], ids=lambda value: str(value)[:50])
def test_what_cannot_be_watched(flows, fields, field):
    with invalid() as refusal:
        next(flows.WatchFlows(**fields))
    assert refusal.fields() == [field]


def test_limits_at_and_above(limited_server):
    server = limited_server({"watches": 2, "watched-flows": 2, "minimum-bookmark-ms": 2000})
    flows = server.flows()
    first, second = [Watch(flows, flow_ids=["a", "b"], bookmark_interval=Duration(seconds=2)).wait_until_begun() for _ in range(2)]
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"):
        next(flows.WatchFlows())
    first.stop()
    # Its place is free when the server has noticed.
    def third():
        try:
            return next(flows.WatchFlows())
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    eventually(third, what="a place")
    with invalid():
        next(flows.WatchFlows(flow_ids=["a", "b", "c"]))
    with invalid():
        next(flows.WatchFlows(bookmark_interval=Duration(seconds=1)))
    second.stop()


def test_a_load_waits_for_the_next_version(flows):
    flows.save("a", b"1")
    assert flows.LoadState(flow_id="a", if_version_not=2, wait=Duration(seconds=20)).snapshot.state == b"1"
    call = flows.stub.LoadState.future(
        state_pb2.LoadStateRequest(flow_id="a", if_version_not=1, wait=Duration(seconds=25)), metadata=flows.metadata, timeout=30)
    flows.save("b")
    assert not call.done()
    flows.save("a", b"2")
    answer = call.result()
    assert answer.snapshot.state == b"2" and not answer.unchanged
    began = time.monotonic()
    answer = flows.LoadState(flow_id="a", if_version_not=2, wait=Duration(nanos=300_000_000))
    assert answer.unchanged and time.monotonic() - began >= 0.3
    with refused(grpc.StatusCode.DEADLINE_EXCEEDED):
        flows.LoadState(flow_id="a", if_version_not=2, wait=Duration(seconds=20), timeout=0.5)
    with not_found("FLOW_NOT_FOUND"):
        flows.LoadState(flow_id="none", if_version_not=2, wait=Duration(seconds=20))
    with invalid():
        flows.LoadState(flow_id="a", wait=Duration(seconds=1))
    with invalid():
        flows.LoadState(flow_id="a", version=1, if_version_not=2, wait=Duration(seconds=1))
    with invalid():
        flows.LoadState(flow_id="a", if_version_not=2, wait=Duration(seconds=-1))


def test_a_deletion_ends_the_wait(flows):
    flows.save("a", b"1")
    call = flows.stub.LoadState.future(
        state_pb2.LoadStateRequest(flow_id="a", if_version_not=1, wait=Duration(seconds=25)), metadata=flows.metadata, timeout=30)
    flows.DeleteFlow(flow_id="a")
    assert call.exception().code() == grpc.StatusCode.NOT_FOUND
