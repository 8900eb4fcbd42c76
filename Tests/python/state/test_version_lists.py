"""Lists of versions that carry: states and writes, in the order of labels, of ancestors, of several flows."""

import json
import random

import grpc
import pytest
from flowstate.v1 import state_pb2

from errors import invalid, not_found, refused

LABELS = state_pb2.VERSION_ORDER_LABEL_DESC


def pages(flows, **fields):
    """(flow id, version, label, state, writes) of every entry, over pages."""
    token, found = "", []
    while True:
        page = flows.ListVersions(page_token=token, **fields)
        contents = page.contents or [state_pb2.VersionContent(flow_id=fields.get("flow_id", ""))] * len(page.versions)
        assert len(contents) == len(page.versions)
        found += [(content.flow_id, version.version, version.version_label, content.state, [each.write.value for each in content.writes])
                  for version, content in zip(page.versions, contents)]
        token = page.next_page_token
        if not token:
            return found


def versions(flows, **fields):
    return [entry[1] for entry in pages(flows, **fields)]


def write(value, channel="c", index=0):
    return {"task_id": "t", "index": index, "channel": channel, "value": value}


def fill(flows, flow_id="f"):
    """Versions 1 to 8; their labels: c a - b a d B é."""
    for number, label in enumerate(["c", "a", "", "b", "a", "d", "B", "é"], 1):
        flows.SaveState(flow_id=flow_id, state=b'{"n": %d}' % number, version_label=label, metadata=b'{"n": %d, "even": %s, "deep": {"a": [1, 2.0]}}' % (
            number, b"false" if number % 2 else b"true"), writes=[write(b"%d" % number)] if label else [])


def test_states_and_writes_come_along(flows):
    fill(flows)
    for size in (1, 3, 100):
        found = pages(flows, flow_id="f", include_states=True, page_size=size)
        assert [(entry[1], json.loads(entry[3])["n"], entry[4]) for entry in found] == [(n, n, []) for n in range(8, 0, -1)]
        found = pages(flows, flow_id="f", include_writes=True, order=state_pb2.VERSION_ORDER_OLDEST_FIRST, page_size=size)
        # Both versions labelled "a" have its writes: of one pair the first stays.
        assert [(entry[1], entry[3], entry[4]) for entry in found] == [
            (n, b"", [b"%d" % writes] if writes else []) for n, writes in enumerate([1, 2, 0, 4, 2, 6, 7, 8], 1)]
    assert flows.ListVersions(flow_id="f").contents == []


def test_only_the_writes_of_some_channels(flows):
    flows.save("f", b"1", version_label="l", writes=[write(b"1", "x"), write(b"2", "y", 1), write(b"3", "é", 2)])
    assert pages(flows, flow_id="f", include_writes=True, write_channels=["y", "é"])[0][4] == [b"2", b"3"]
    assert pages(flows, flow_id="f", include_writes=True, include_states=True, write_channels=["none"])[0][3:] == (b"1", [])


@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_order_of_labels(flows, size):
    fill(flows)
    assert versions(flows, flow_id="f", order=LABELS, page_size=size) == [8, 6, 1, 4, 5, 2, 7]
    assert versions(flows, flow_id="f", order=LABELS, newest_of_label=True, page_size=size) == [8, 6, 1, 4, 5, 7]
    assert versions(flows, flow_id="f", order=LABELS, label_before="b", page_size=size) == [5, 2, 7]
    assert versions(flows, flow_id="f", label_before="b", page_size=size) == [7, 5, 2]
    assert versions(flows, flow_id="f", newest_of_label=True, page_size=size) == [8, 7, 6, 5, 4, 3, 1]
    assert flows.LoadState(flow_id="f", greatest_version_label=True).snapshot.version.version == 8


def test_what_metadata_must_be(flows):
    fill(flows)
    flows.save("f", b"9", metadata=b"[1]")
    flows.save("f", b"10")
    for filter, found in [
            ({"even": True}, [8, 6, 4, 2]), ({"n": 3.0}, [3]), ({"deep": {"a": [1, 2]}}, list(range(8, 0, -1))), ({"deep": {}}, []),
            ({"even": False, "n": 5}, [5]), ({"no": None}, []), ({}, list(range(8, 0, -1)))]:
        for size in (1, 3, 100):
            assert versions(flows, flow_id="f", metadata_filter=json.dumps(filter).encode(), page_size=size) == found, filter
    for bad in (b"[]", b"{", b"1"):
        with invalid() as refusal:
            flows.ListVersions(flow_id="f", metadata_filter=bad)
        assert refusal.fields() == ["metadata_filter"]


def test_a_filter_that_finds_little_ends_its_pages(flows):
    """A page looks at a bounded number of versions, and says where it stopped."""
    flows.save("f", b"0", metadata=b'{"hit": 1}')
    calls = [flows.stub.SaveState.future(flows.message("SaveState", flow_id="f", state=b"%d" % number, metadata=b"{}"), metadata=flows.metadata)
             for number in range(4500)]
    for call in calls:
        call.result()
    token, empty = "", 0
    while True:
        page = flows.ListVersions(flow_id="f", metadata_filter=b'{"hit": 1}', page_token=token)
        if page.versions:
            break
        token, empty = page.next_page_token, empty + 1
    assert page.versions[0].version == 1 and empty == 2 and not page.next_page_token


def test_ancestors(flows):
    flows.save("f", b"1", version_label="root", writes=[write(b"r")])
    flows.save("f", b"2", version_label="a", parent_version_label="root", writes=[write(b"a")])
    flows.save("f", b"3", version_label="b", parent_version_label="root")
    flows.save("f", b"4", version_label="c", parent_version_label="a")
    flows.save("f", b"5", version_label="d")
    flows.save("f", b"6", version_label="e", parent_version=2)
    flows.save("f", b"7", version_label="lost", parent_version_label="nowhere")
    for size in (1, 2, 100):
        for label, found in {"c": [2, 1], "b": [1], "root": [], "d": [4, 2, 1], "e": [2, 1], "lost": []}.items():
            assert versions(flows, flow_id="f", ancestors_of_label=label, page_size=size) == found, label
    found = pages(flows, flow_id="f", ancestors_of_label="c", include_states=True, include_writes=True)
    assert [entry[3:] for entry in found] == [(b"2", [b"a"]), (b"1", [b"r"])]
    with not_found("VERSION_NOT_FOUND"):
        flows.ListVersions(flow_id="f", ancestors_of_label="no")
    with not_found():
        flows.ListVersions(flow_id="no", ancestors_of_label="c")
    with invalid():
        flows.ListVersions(flow_id="f", ancestors_of_label="c", newest_of_label=True)


def test_ancestors_in_a_circle_end(flows):
    """A parent is older than its child."""
    flows.save("f", b"1", version_label="a", parent_version_label="b")
    flows.save("f", b"2", version_label="b", parent_version_label="a")
    flows.save("f", b"3", version_label="z", parent_version_label="z")
    flows.save("f", b"4", version_label="z", parent_version_label="z")
    flows.save("f", b"5", version_label="a", parent_version_label="b")
    for label, found in {"b": [1], "z": [3], "a": [2, 1]}.items():
        assert versions(flows, flow_id="f", ancestors_of_label=label, page_size=1) == found, label


def test_a_page_of_ancestors_ends_by_its_bytes(flows):
    metadata = b'"%s"' % (b"m" * 60_000)
    for number in range(120):
        flows.save("f", b"%d" % number, version_label=f"l{number}", parent_version_label=f"l{number - 1}", metadata=metadata)
    page = flows.ListVersions(flow_id="f", ancestors_of_label="l119", page_size=1000)
    assert page.ByteSize() < 3_300_000 and page.next_page_token
    assert versions(flows, flow_id="f", ancestors_of_label="l119", page_size=1000) == list(range(119, 0, -1))


def test_versions_of_flows_with_labels(flows):
    for number, flow_id in enumerate(["f", "g", "h"]):
        flows.save(flow_id, b"0", labels={"thread": "1" if flow_id != "h" else "2", "kind": "x"})
        for step in range(5):
            flows.save(flow_id, b"%d" % step, version_label=f"{step}{'' if step % 2 else number}", writes=[write(flow_id.encode())])
    expected = [("g", "41"), ("f", "40"), ("f", "3"), ("g", "3"), ("g", "21"), ("f", "20"), ("f", "1"), ("g", "1"), ("g", "01"), ("f", "00")]
    for size in (1, 3, 100):
        found = pages(flows, flow_labels={"thread": "1"}, order=LABELS, page_size=size)
        assert [(entry[0], entry[2]) for entry in found] == expected
    found = pages(flows, flow_labels={"kind": "x"}, order=LABELS, label_before="1", include_states=True, include_writes=True, newest_of_label=True)
    assert [(entry[0], entry[3], entry[4]) for entry in found] == [("h", b"0", [b"h"]), ("g", b"0", [b"g"]), ("f", b"0", [b"f"])]
    flows.DeleteFlow(flow_id="g")
    assert {entry[0] for entry in pages(flows, flow_labels={"thread": "1"}, order=LABELS)} == {"f"}
    assert pages(flows, flow_labels={"thread": "9"}, order=LABELS) == []
    for fields in ({"flow_labels": {"a": "b"}}, {"flow_labels": {"a": "b"}, "order": LABELS, "flow_id": "f"}, {"order": LABELS}):
        with invalid():
            flows.ListVersions(**fields)


def test_too_many_flows(limited_server):
    flows = limited_server({"flows-per-call": 3}).flows()
    for number in range(4):
        flows.save(f"f{number}", b"1", labels={"a": "b"}, version_label="l")
        if number < 3:
            assert len(flows.ListVersions(flow_labels={"a": "b"}, order=LABELS).versions) == number + 1
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "TOO_MANY_FLOWS"):
        flows.ListVersions(flow_labels={"a": "b"}, order=LABELS)


def test_a_page_ends_by_its_bytes(flows):
    state = random.Random(1).randbytes(1_200_000)
    for number in range(6):
        flows.save("f", state + b"%d" % number, content_type="application/octet-stream", version_label="l")
    flows.AppendWrites(flow_id="f", version_label="l", writes=[write(state)])
    page = flows.ListVersions(flow_id="f", include_states=True)
    assert [version.version for version in page.versions] == [6, 5] and page.next_page_token
    found = pages(flows, flow_id="f", include_states=True)
    assert [(entry[1], entry[3]) for entry in found] == [(n, state + b"%d" % (n - 1)) for n in range(6, 0, -1)]
    found = pages(flows, flow_id="f", include_states=True, include_writes=True)
    assert [(entry[1], len(entry[3]), entry[4]) for entry in found] == [(n, len(state) + 1, [state]) for n in range(6, 0, -1)]


def test_a_new_life_has_its_own_labels(flows):
    flows.save("f", b"1", version_label="a")
    flows.save("f", b"2", version_label="z", parent_version_label="a")
    flows.DeleteFlow(flow_id="f")
    with not_found():
        flows.LoadState(flow_id="f", greatest_version_label=True)
    assert flows.state("f", version_label="a") == b"1"
    flows.save("f", b"4", version_label="b", parent_version_label="a", revive=True)
    assert flows.LoadState(flow_id="f", greatest_version_label=True).snapshot.state == b"4"
    with not_found("VERSION_NOT_FOUND"):
        flows.state("f", version_label="a")
    assert flows.state("f", version=1) == b"1" and flows.load("f").version.parent_version == 0
    assert versions(flows, flow_id="f", present_life=True) == [4] and versions(flows, flow_id="f") == [4, 3, 2, 1]
    assert versions(flows, flow_id="f", order=LABELS, present_life=True) == [4]
    assert versions(flows, flow_id="f", ancestors_of_label="b") == []
    flows.save("f", b"5", version_label="c")
    assert versions(flows, flow_id="f", ancestors_of_label="c") == [4]
    with not_found("VERSION_NOT_FOUND"):
        flows.save("g", b"1")
        flows.LoadState(flow_id="g", greatest_version_label=True)
    with invalid():
        flows.LoadState(flow_id="g", greatest_version_label=False)
