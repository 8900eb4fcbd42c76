"""Pending writes: they belong to a version by its label, may come before it, and are read with it."""

import random
import threading

import grpc
import pytest

from errors import conflict, invalid, not_found, refused


def write(task="t", index=0, channel="c", value=b"v", **more):
    return {"task_id": task, "index": index, "channel": channel, "value": value, **more}


def listed(flows, flow_id="f", **filter):
    """(label, path, task, index, channel, value) of every write, over pages."""
    token, found = "", []
    while True:
        page = flows.ListWrites(flow_id=flow_id, page_token=token, **filter)
        found += [(each.version_label, each.write.path, each.write.task_id, each.write.index, each.write.channel, each.write.value)
                  for each in page.writes]
        token = page.next_page_token
        if not token:
            return found


def loaded(flows, flow_id="f", **selector):
    return [(each.write.task_id, each.write.index, each.write.value)
            for each in flows.LoadState(flow_id=flow_id, include_writes=True, **selector).writes]


def test_writes_of_a_save_come_with_its_version(flows):
    flows.save("f", b"1", version_label="one", writes=[write("b", 1), write("a", 0, value=b"first", type="json", path="p")])
    flows.save("f", b"2", version_label="two")
    assert loaded(flows) == []
    assert loaded(flows, version=1) == [("b", 1, b"v"), ("a", 0, b"first")]
    stored = flows.LoadState(flow_id="f", version_label="one", include_writes=True)
    assert stored.next_writes_page_token == "" and stored.snapshot.state == b"1"
    second = stored.writes[1]
    assert (second.write.type, second.write.path, second.write.channel) == ("json", "p", "c")
    assert (second.version_label, second.actor, second.created_at) == ("one", "tester", stored.snapshot.version.created_at)
    assert flows.LoadState(flow_id="f", version_label="one").writes == []


def test_writes_may_come_before_their_version_and_before_their_flow(flows):
    assert flows.AppendWrites(flow_id="f", version_label="one", writes=[write(), write(index=1)]).added == 2
    assert len(listed(flows)) == 2
    with not_found():
        flows.load("f")
    flows.save("f", b"1", version_label="one")
    assert loaded(flows) == [("t", 0, b"v"), ("t", 1, b"v")]
    flows.AppendWrites(flow_id="f", version_label="two", writes=[write(value=b"early")])
    assert flows.versions("f")[-1].version == 1, "writes make no version"
    flows.save("f", b"2", version_label="two", writes=[write("u")])
    assert loaded(flows) == [("t", 0, b"early"), ("u", 0, b"v")]


def test_the_first_of_a_pair_stays_and_special_ones_are_replaced(flows):
    first = [write(value=b"1", path="p"), write(index=-1, value=b"1", path="p")]
    assert flows.AppendWrites(flow_id="f", version_label="l", writes=first).added == 2
    again = [write(value=b"2", path="q"), write(index=-1, value=b"2", channel="d", type="x", path="q"), write(index=-2)]
    answer = flows.AppendWrites(flow_id="f", version_label="l", writes=again)
    assert (answer.added, answer.replaced) == (1, 1)
    assert listed(flows) == [("l", "", "t", -2, "c", b"v"), ("l", "p", "t", -1, "d", b"2"), ("l", "p", "t", 0, "c", b"1")]
    # As with a call each: also within one.
    answer = flows.AppendWrites(flow_id="f", version_label="m", writes=[
        write(value=b"1"), write(value=b"2"), write(index=-1, value=b"1", path="p"), write(index=-1, value=b"2", path="q")])
    assert (answer.added, answer.replaced) == (2, 0)
    assert listed(flows, version_label="m") == [("m", "", "t", 0, "c", b"1"), ("m", "p", "t", -1, "c", b"2")]


def test_order_is_path_task_index_by_bytes(flows):
    writes = [write(task + path, index, path=path)
              for path in ("", "a", "B", "é", "~x") for task in ("t10", "t9", "T", "ü") for index in (3, -1, 0)]
    random.Random(1).shuffle(writes)
    flows.AppendWrites(flow_id="f", version_label="l", writes=writes)
    expected = sorted((each["path"].encode(), each["task_id"].encode(), each["index"]) for each in writes)
    assert [(path.encode(), task.encode(), index) for _, path, task, index, _, _ in listed(flows, page_size=7)] == expected


def test_filters_of_lists(flows):
    for label in ("a", "b"):
        flows.AppendWrites(flow_id="f", version_label=label, writes=[
            write("t", 0, "x"), write("t", 1, "y"), write("u", 0, "x"), write("u", 1, "y")])
    assert len(listed(flows, page_size=3)) == 8
    assert [each[:4] for each in listed(flows, channel="x", page_size=1)] == [
        ("a", "", "t", 0), ("a", "", "u", 0), ("b", "", "t", 0), ("b", "", "u", 0)]
    assert [each[2:4] for each in listed(flows, version_label="b", task_id="u", page_size=1)] == [("u", 0), ("u", 1)]
    assert listed(flows, version_label="b", task_id="u", channel="z") == [] == listed(flows, "no such flow")
    token = flows.ListWrites(flow_id="f", page_size=1).next_page_token
    with invalid() as refusal:
        flows.ListWrites(flow_id="f", page_token=token, version_label="a")
    assert refusal.fields() == ["page_token"]


def test_removed_writes(flows):
    flows.save("f", b"1", version_label="a")
    for label in ("a", "b"):
        flows.AppendWrites(flow_id="f", version_label=label, writes=[write("t", 0, "x"), write("t", 1, "y"), write("u", 0, "x")])
    assert flows.DeleteWrites(flow_id="f", version_label="a", channel="x", task_id="t").deleted == 1
    assert flows.DeleteWrites(flow_id="f", channel="y").deleted == 2
    assert [each[:4] for each in listed(flows)] == [("a", "", "u", 0), ("b", "", "t", 0), ("b", "", "u", 0)]
    assert flows.DeleteWrites(flow_id="f").deleted == 3
    assert flows.DeleteWrites(flow_id="f").deleted == 0 == flows.DeleteWrites(flow_id="none").deleted
    assert flows.load("f").flow.version == 1
    events = [(entry.actor, entry.event.details) for entry in flows.GetHistory(flow_id="f").entries if entry.event.kind == "writes_deleted"]
    assert events == [("tester", b'{"writes": %d}' % count) for count in (3, 2, 1)]


def test_more_writes_than_a_transaction_removes(flows):
    for number in range(3):
        flows.AppendWrites(flow_id="f", version_label="l", writes=[write(f"t{number}", index) for index in range(1000)])
    assert len(listed(flows, page_size=1000)) == 3000
    assert flows.DeleteWrites(flow_id="f").deleted == 3000


def test_a_save_that_is_refused_stores_no_writes(flows):
    flows.save("f", b"1", version_label="a")
    with conflict():
        flows.save("f", b"2", expected_version=7, version_label="b", writes=[write()])
    assert listed(flows) == []
    saved = flows.save("f", b"2", version_label="b", writes=[write()], idempotency_key="k")
    again = flows.save("f", b"2", version_label="b", writes=[write()], idempotency_key="k")
    assert (saved.version, again.version, again.replayed) == (2, 2, True)
    with invalid("IDEMPOTENCY_KEY_REUSED"):
        flows.save("f", b"2", version_label="b", writes=[write(value=b"other")], idempotency_key="k")
    assert listed(flows) == [("b", "", "t", 0, "c", b"v")]


def test_writes_with_a_patch_a_checkpoint_and_a_precondition(flows):
    for number, change in enumerate([{"state": b'{"a":1}', "expected_version": 0}, {"merge_patch": b'{"b":2}'}, {"state": b"{}"},
                                     {"state": b"[]", "expected_version": 3, "checkpoint": {"name": "c"}}], 1):
        saved = flows.SaveState(flow_id="f", version_label=f"v{number}", writes=[write(value=b"%d" % number)], **change)
        assert saved.version == number
    assert [each[5] for each in listed(flows)] == [b"1", b"2", b"3", b"4"]
    assert loaded(flows, checkpoint="c") == [("t", 0, b"4")]


def test_large_writes(flows):
    """A value that does not fit beside the state comes by ListWrites."""
    large = random.Random(1).randbytes(9 << 20)
    flows.SaveState(flow_id="f", state=b"{}", version_label="l", writes=[write("a", value=b"small"), write("b", value=large)])
    answer = flows.LoadState(flow_id="f", include_writes=True)
    assert [each.write.value for each in answer.writes] == [b"small"] and answer.next_writes_page_token
    rest = flows.ListWrites(flow_id="f", version_label="l", page_token=answer.next_writes_page_token)
    assert [each.write.value for each in rest.writes] == [large] and rest.next_page_token == ""
    flows.SaveState(flow_id="f", state=large, content_type="application/octet-stream", version_label="m")
    flows.AppendWrites(flow_id="f", version_label="m", writes=[write(value=large)])
    answer = flows.LoadState(flow_id="f", include_writes=True)
    assert answer.snapshot.state == large and len(answer.writes) == 0
    rest = flows.ListWrites(flow_id="f", version_label="m", page_token=answer.next_writes_page_token)
    assert [each.write.value for each in rest.writes] == [large]


def test_many_writes_of_a_version(flows):
    flows.save("f", b"1", version_label="l")
    for number in range(3):
        flows.AppendWrites(flow_id="f", version_label="l", writes=[write(f"t{number}", index) for index in range(1000)])
    answer = flows.LoadState(flow_id="f", include_writes=True)
    assert answer.next_writes_page_token
    rest, token = [], answer.next_writes_page_token
    while token:
        page = flows.ListWrites(flow_id="f", version_label="l", page_token=token, page_size=1000)
        rest += page.writes
        token = page.next_page_token
    found = [(each.write.task_id, each.write.index) for each in [*answer.writes, *rest]]
    assert found == [(f"t{number}", index) for number in range(3) for index in range(1000)]


def test_what_cannot_be_a_write(flows):
    for fields, wrong in [
            ({"writes": []}, "writes"), ({"writes": [write()] * 1001}, "writes"), ({"writes": [write("")]}, "writes[0].task_id"),
            ({"writes": [write(), write(channel="")]}, "writes[1].channel"), ({"writes": [write(type="a\n")]}, "writes[0].type"),
            ({"writes": [write(path="p" * 1025)]}, "writes[0].path"), ({"writes": [write("t" * 256)]}, "writes[0].task_id"),
            ({"writes": [write()], "version_label": ""}, "version_label"), ({"writes": [write()], "lease_token": -1}, "lease_token")]:
        with invalid() as refusal:
            flows.AppendWrites(**{"flow_id": "f", "version_label": "l", **fields})
        assert refusal.fields() == [wrong]
    with invalid() as refusal:
        flows.save("f", b"1", writes=[write()])
    assert refusal.fields() == ["version_label"]
    longest = {"task": "t" * 255, "channel": "c" * 255, "path": "p" * 1024, "type": "y" * 255}
    flows.AppendWrites(flow_id="i" * 255, version_label="l" * 255, writes=[write(index=-2 ** 31, **longest), write(index=2 ** 31 - 1, **longest)])
    assert len(listed(flows, "i" * 255, page_size=1)) == 2
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "STATE_TOO_LARGE"):
        flows.AppendWrites(flow_id="f", version_label="l", writes=[write(value=bytes(15 << 20)), write(index=1, value=bytes(15 << 20))])


def test_writes_of_a_deleted_flow(flows):
    flows.save("f", b"1", version_label="l", writes=[write()])
    flows.DeleteFlow(flow_id="f")
    with not_found() as refusal:
        flows.AppendWrites(flow_id="f", version_label="l", writes=[write("u")])
    assert "deleted" in refusal.message
    assert loaded(flows, version=1) == [("t", 0, b"v")] and len(listed(flows)) == 1
    assert flows.DeleteWrites(flow_id="f").deleted == 1


def test_tenants_do_not_see_each_others_writes(server):
    one, other = server.flows(), server.flows()
    one.AppendWrites(flow_id="f", version_label="l", writes=[write()])
    assert listed(other) == [] and other.DeleteWrites(flow_id="f").deleted == 0 and len(listed(one)) == 1


class Oracle:
    """What the rules say, one call after the other."""

    def __init__(self):
        self.versions, self.writes, self.exists = [], {}, False

    def append(self, label, writes):
        added = replaced = 0
        for each in writes:
            place = (label, each["task_id"], each["index"])
            if place not in self.writes:
                self.writes[place] = dict(each)
                added += 1
            elif each["index"] < 0:
                self.writes[place].update(channel=each["channel"], value=each["value"])
                replaced += 1
        return added, replaced

    def listed(self, label=None):
        rows = [(key[0], each["path"], key[1], key[2], each["channel"], each["value"])
                for key, each in self.writes.items() if label in (None, key[0])]
        return sorted(rows, key=lambda row: (row[0].encode(), row[1].encode(), row[2].encode(), row[3]))


@pytest.mark.parametrize("seed", range(4))
def test_random_sequences_against_an_oracle(server, seed):
    chosen, flows, oracle = random.Random(seed), server.flows(), Oracle()
    labels, tasks = ["l1", "l2", "l3"], ["a", "b"]

    def some():
        unique = {(chosen.choice(tasks), chosen.randrange(-2, 3)) for _ in range(chosen.randrange(1, 5))}
        return [write(task, index, chosen.choice("xy"), chosen.randbytes(3), path=chosen.choice(["", "p"])) for task, index in unique]

    for step in range(120):
        label = chosen.choice(labels)
        what = chosen.choice(["append", "append", "save", "load", "delete", "list"])
        if what == "append":
            writes = some()
            answer = flows.AppendWrites(flow_id="f", version_label=label, writes=writes)
            assert (answer.added, answer.replaced) == oracle.append(label, writes), (seed, step)
        elif what == "save":
            writes = some() if chosen.random() < 0.5 else []
            flows.save("f", b"%d" % step, version_label=label, writes=writes)
            oracle.append(label, writes)
            oracle.versions.append((label, b"%d" % step))
        elif what == "delete" and chosen.random() < 0.4:
            channel = chosen.choice(["", "x"])
            gone = [key for key, each in oracle.writes.items() if key[0] == label and channel in ("", each["channel"])]
            assert flows.DeleteWrites(flow_id="f", version_label=label, channel=channel).deleted == len(gone), (seed, step)
            for key in gone:
                del oracle.writes[key]
        elif what == "load" and oracle.versions:
            label, state = chosen.choice(oracle.versions)
            newest = [state for each, state in oracle.versions if each == label][-1]
            answer = flows.LoadState(flow_id="f", version_label=label, include_writes=True)
            found = [(label, each.write.path, each.write.task_id, each.write.index, each.write.channel, each.write.value)
                     for each in answer.writes]
            assert (answer.snapshot.state, found) == (newest, oracle.listed(label)), (seed, step)
        else:
            assert listed(flows, page_size=chosen.randrange(1, 6)) == oracle.listed(), (seed, step)


def test_many_at_once(server):
    """Writes of one version from many callers, while it is saved: each pair is there once."""
    flows, workers, rounds = server.flows(), 8, 30
    answers = [0] * workers

    def work(number):
        for turn in range(rounds):
            answers[number] += flows.AppendWrites(
                flow_id="f", version_label="l", writes=[write(f"t{turn}", index) for index in range(-1, 4)]).added

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for turn in range(rounds):
        flows.save("f", b"%d" % turn, version_label="l", writes=[write("saved", turn)])
    for thread in threads:
        thread.join()
    assert sum(answers) == rounds * 5
    assert len(listed(flows, page_size=1000)) == rounds * 6
