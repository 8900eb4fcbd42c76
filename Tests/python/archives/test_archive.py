"""`flowstate archive`: what is exported from one tenant is the same in another one."""

import io
import json
import pathlib
import random
import re
import stat
import subprocess
import threading
import uuid

from flowstate.v1 import archive_pb2, state_pb2, types_pb2
from google.protobuf.proto import parse_length_prefixed

from archive_files import ORIGIN, head, history, made_by_hand, make_many_kinds, record, varint
from command_line import CONFLICT, INVALID, NOT_FOUND, UNAVAILABLE, USAGE, Cli
from postgresql import session
from processes import eventually
from transfers import download, upload

STRICT = {
    "flow_type": "strict", "on_save": "off", "phases": [{"name": "cart"}, {"name": "paid"}],
    "rules": [{"rule": "required", "path": "/id"}]}


# There and back


def test_everything_comes_back(cli, flows, other, archive):
    ids = make_many_kinds(flows)
    flows.save("gone")
    flows.DeleteFlow(flow_id="gone")
    exported = cli.json("archive", "export", "--out", archive)
    assert {name: exported[name] for name in ("flows", "versions", "checkpoints", "deleted_flows", "unreadable_versions")} == {
        "flows": 3, "versions": 8, "checkpoints": 3, "deleted_flows": 0, "unreadable_versions": 0}
    assert exported["events"] >= 3 and exported["file_bytes"] == pathlib.Path(archive).stat().st_size
    assert stat.S_IMODE(pathlib.Path(archive).stat().st_mode) == 0o600, "states are nobody else's business"
    there, their_flows = other
    done = there.json("archive", "import", archive)
    assert {name: done[name] for name in ("flows", "created", "versions_saved", "checkpoints_created", "different", "problems")} == {
        "flows": 3, "created": 3, "versions_saved": 8, "checkpoints_created": 3, "different": 0, "problems": []}
    assert done["events_not_imported"] == exported["events"]
    for flow_id in ids:
        assert history(their_flows, flow_id) == history(flows, flow_id)
        assert head(their_flows, flow_id) == head(flows, flow_id)
    listed = their_flows.ListFlows(filter=state_pb2.FlowFilter(include_deleted=True)).flows
    assert {flow.flow_id for flow in listed} == set(ids), "a deleted flow is left out"
    assert there.fails(NOT_FOUND, "flow", "load", "gone")["reason"] == "FLOW_NOT_FOUND"


def test_the_origin_of_a_version_is_in_its_metadata(cli, flows, other, archive):
    make_many_kinds(flows)
    cli.ok("archive", "export", "--flow", "order-é", "--out", archive)
    there, their_flows = other
    there.ok("archive", "import", archive)
    for old, new in zip(flows.versions("order-é"), their_flows.versions("order-é"), strict=True):
        origin = json.loads(new.metadata)[ORIGIN]
        assert (origin["version"], origin["actor"], origin["parent_version"]) == (old.version, "ada", old.parent_version)
        assert origin["created_at"] == old.created_at.ToDatetime().isoformat(timespec="microseconds") + "Z"
        assert origin["event"] == types_pb2.VersionEvent.Name(old.event).removeprefix("VERSION_EVENT_").lower()
    first, second = their_flows.versions("order-é")[:2]
    assert first.metadata.startswith(b'{"why": [1.0, 1e400],"'), "what was there keeps its spelling"
    assert json.loads(second.metadata)[ORIGIN]["metadata"] == "no object"
    # What was imported once is exported and imported again without another origin.
    again = archive + "2"
    there.ok("archive", "export", "--out", again)
    cli.ok("archive", "import", again, "--tenant", tenant := "cli-" + uuid.uuid4().hex)
    copied = cli.json("flow", "versions", "order-é", "--tenant", tenant, "--oldest-first")["versions"]
    assert [entry["metadata"] for entry in copied] == [json.loads(info.metadata) for info in their_flows.versions("order-é")]


def test_writes_labels_and_lives_come_back(cli, flows, other, archive):
    """Pending writes, parents and tags; and what a flow was before it was deleted and revived."""
    def write(task, index=0, **more):
        return types_pb2.PendingWrite(task_id=task, index=index, channel="c", value=bytes(range(256)), **more)

    flows.save("f", b'{"first": "life"}', version_label="a", version_tags={"run": "1"}, labels={"old": "1"})
    flows.DeleteFlow(flow_id="f")
    flows.save("f", b'{"second": "life"}', revive=True, version_label="b", parent_version_label="a", labels={"new": "1"},
               writes=[write("t", -1, path="p"), write("t", type="x")])
    flows.AppendWrites(flow_id="f", version_label="to come", writes=[write("u", index) for index in range(1000)])
    flows.save("f", b"{}", version_label="c", parent_version_label="b", version_tags={"run": "2", "step": "1"})
    exported = cli.json("archive", "export", "--out", archive)
    assert (exported["versions"], exported["writes"]) == (4, 1002)
    assert cli.json("archive", "show", archive)["flows"][0]["writes"] == 1002
    there, their_flows = other
    for turn in range(2):
        done = there.json("archive", "import", archive)
        assert (done["problems"], done["versions_saved"], done["writes_stored"]) == ([], 4 * (1 - turn), 1002)
    assert history(their_flows, "f") == history(flows, "f") and head(their_flows, "f") == head(flows, "f")
    pages = [[(each.version_label, each.write) for each in side.ListWrites(flow_id="f", page_size=1000, page_token=token).writes]
             for side in (flows, their_flows) for token in [""]]
    assert pages[0] == pages[1] and len(pages[0]) == 1000
    assert [version.event for version in their_flows.versions("f")][1:3] == [
        types_pb2.VERSION_EVENT_DELETED, types_pb2.VERSION_EVENT_CREATED]


def test_a_flow_that_begins_with_a_tombstone_is_imported(cli, flows, other, archive):
    flows.save("f", b"1", version_label="a", version_tags={"run": "1"})
    flows.DeleteVersions(flow_id="f", tag="run", tag_values=["1"])
    flows.save("f", b"3", revive=True)
    flows.save("f", b"4")
    cli.ok("archive", "export", "--out", archive)
    there, their_flows = other
    for saved in (2, 0):
        done = there.json("archive", "import", archive)
        assert (done["problems"], done["versions_saved"], done["renumbered"]) == ([], saved, 1)
    assert [their_flows.state("f", version=number) for number in (1, 2)] == [b"3", b"4"]


def test_filters_pick_the_flows(cli, flows, archive):
    for number in range(12):
        flows.save(f"f-{number:02}", flow_type="order" if number % 2 else "chat", status="open" if number % 3 else "closed", labels={"n": str(number)})
    for arguments, expected in [
            (["--type", "order"], 6), (["--type", "order", "--status", "closed"], 2), (["--label", "n=7"], 1), (["--prefix", "f-1"], 2),
            (["--created-after", "2100-01-01T00:00:00Z"], 0), (["--flow", "f-03", "--flow", "f-01"], 2), ([], 12)]:
        assert cli.json("archive", "export", "--out", archive, "--force", *arguments)["flows"] == expected
    listed = cli.json("archive", "show", archive)["flows"]
    assert [flow["flow_id"] for flow in listed] == [f"f-{number:02}" for number in range(12)]
    for wrong in (["--flow", "a", "--type", "b"], ["--flow", "a", "--flow", "a"]):
        assert cli.run("archive", "export", "--out", archive, *wrong).returncode == USAGE
    assert cli.run("archive", "export").returncode == USAGE


def test_the_file_is_there_as_a_whole_or_not_at_all(cli, flows, archive, tmp_path):
    flows.save("f")
    assert "f-" in cli.fails(NOT_FOUND, "archive", "export", "--flow", "f", "--flow", "f-", "--out", archive)["message"]
    assert cli.fails(UNAVAILABLE, "archive", "export", "--out", archive, "--endpoint", "localhost:1")
    assert list(tmp_path.iterdir()) == []
    cli.ok("archive", "export", "--out", archive)
    before = pathlib.Path(archive).read_bytes()
    flows.save("g")
    assert "--force" in cli.fails(CONFLICT, "archive", "export", "--out", archive)["message"]
    cli.fails(NOT_FOUND, "archive", "export", "--flow", "nobody", "--out", archive, "--force")
    assert pathlib.Path(archive).read_bytes() == before
    cli.ok("archive", "export", "--out", archive, "--force")
    assert len(cli.json("archive", "show", archive)["flows"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["flows.fsa"]
    assert cli.fails(1, "archive", "export", "--out", str(tmp_path / "none" / "a"))["message"].startswith("cannot write")


def test_large_states(cli, flows, other, archive):
    count = 3
    seed = random.randrange(1 << 32)
    print("seed", seed)
    state = random.Random(seed).randbytes(15 << 20)
    for number in range(count):
        flows.save("large", state[:-1] + bytes([number]), content_type="application/octet-stream", timeout=60)
    exported = cli.json("archive", "export", "--out", archive)
    assert exported["state_bytes"] == count * len(state)
    assert exported["file_bytes"] < 1.1 * len(state), "a version is found in the one before it"
    there, their_flows = other
    there.ok("archive", "import", archive)
    for number in range(count):
        assert their_flows.state("large", version=number + 1) == state[:-1] + bytes([number])


def test_a_flow_that_changes_is_exported_as_it_was(cli, flows, other, archive):
    for number in range(200):
        flows.save("f", b"%d" % number)
    stopping = threading.Event()

    def change():
        while not stopping.is_set():
            flows.save("f", b'"more"')

    thread = threading.Thread(target=change)
    thread.start()
    try:
        cli.ok("archive", "export", "--out", archive)
    finally:
        stopping.set()
        thread.join()
    shown = cli.json("archive", "show", archive)["flows"][0]
    assert 200 <= shown["version"] == shown["versions"] < flows.load("f").flow.version
    there, their_flows = other
    there.ok("archive", "import", archive)
    assert history(their_flows, "f") == history(flows, "f")[:shown["version"]]


def test_an_export_that_was_killed_leaves_no_archive(cli, flows, archive, tmp_path):
    state = random.randbytes(1 << 20)
    for _ in range(30):
        flows.save("f", state, content_type="application/octet-stream")
    process = subprocess.Popen([cli.binary, "archive", "export", "--out", archive], env=cli.environment)
    try:
        eventually(lambda: list(tmp_path.iterdir()), what="a file beside")
    finally:
        process.kill()
        process.wait()
    assert not pathlib.Path(archive).exists()
    cli.ok("archive", "export", "--out", archive)


def test_a_state_that_is_lost_is_told_and_left_out(flowstate_bin, start_server, archive):
    server = start_server(limits={"version-cache-bytes": 1})
    there = Cli(flowstate_bin, server.endpoint)
    flows = server.flows(there.environment["FLOWSTATE_TENANT"])
    for number in range(3):
        flows.save("f", random.randbytes(5_000), content_type="application/octet-stream")
    with session(server) as opened:
        opened.execute("UPDATE flowstate.flow_version SET state = 'rubbish' WHERE version = 2")
    done = there.run("archive", "export", "--out", archive, "--output", "json")
    assert done.returncode == 1 and b"version 2 of flow f is left out" in done.stderr
    assert (json.loads(done.stdout)["versions"], json.loads(done.stdout)["unreadable_versions"]) == (2, 1)
    assert there.json("archive", "show", archive)["flows"][0]["versions"] == 2


def test_other_tools_read_it(cli, flows, archive):
    make_many_kinds(flows)
    cli.ok("archive", "export", "--out", archive)
    content = io.BytesIO(subprocess.run(["zstd", "-dc", archive], check=True, capture_output=True).stdout)
    records = []
    while (record := parse_length_prefixed(archive_pb2.ArchiveRecord, content)) is not None:
        records.append(record)
    kinds = [record.WhichOneof("record") for record in records]
    assert (kinds[0], kinds[-1], kinds.count("flow"), kinds.count("version")) == ("header", "trailer", 3, 8)
    assert records[0].header.format == "flowstate-archive" and records[0].header.created_at.seconds > 1_700_000_000
    states = [record.version.state for record in records if record.WhichOneof("record") == "version"]
    assert bytes(range(256)) * 40 in states


def test_show(cli, flows, archive):
    make_many_kinds(flows)
    cli.ok("archive", "export", "--out", archive)
    shown = cli.json("archive", "show", archive)
    assert [(flow["flow_id"], flow["versions"], flow["checkpoints"], flow["state_bytes"]) for flow in shown["flows"]] == [
        ("bytes", 2, 0, 10_240), ("order-é", 5, 3, sum(info.size_bytes for info in flows.versions("order-é"))), ("plain", 1, 0, 2)]
    assert (shown["archive"]["flows"], shown["archive"]["versions"], shown["archive"]["format_version"]) == (3, 8, 1)
    assert shown["archive"]["tenant"] == cli.environment["FLOWSTATE_TENANT"]
    table = cli.ok("archive", "show", archive, "--output", "table").decode()
    assert re.search(r"^order-é +order +5 +3 ", table, re.M) and re.search(r"^versions +8$", table, re.M)


# Again, and onto what is there


def test_a_second_import_changes_nothing(cli, flows, other, archive):
    ids = make_many_kinds(flows)
    cli.ok("archive", "export", "--out", archive)
    there, their_flows = other
    there.ok("archive", "import", archive)
    before = {flow_id: history(their_flows, flow_id) for flow_id in ids}
    again = there.json("archive", "import", archive)
    assert {name: again[name] for name in ("unchanged", "created", "continued", "versions_saved", "checkpoints_created")} == {
        "unchanged": 3, "created": 0, "continued": 0, "versions_saved": 0, "checkpoints_created": 0}
    assert {flow_id: history(their_flows, flow_id) for flow_id in ids} == before
    # Onto the tenant that it came from, which has gone on.
    flows.save("plain", b"[]")
    assert cli.json("archive", "import", archive)["unchanged"] == 3
    assert flows.state("plain") == b"[]"
    # A newer archive goes on where the older one ended.
    cli.ok("archive", "export", "--out", archive, "--force")
    assert there.json("archive", "import", archive)["continued"] == 1
    assert history(their_flows, "plain") == history(flows, "plain")


def test_a_checkpoint_that_is_missing_is_made(cli, flows, other, archive):
    make_many_kinds(flows)
    cli.ok("archive", "export", "--out", archive)
    there, their_flows = other
    there.ok("archive", "import", archive)
    unnamed = next(c for c in their_flows.ListCheckpoints(flow_id="order-é").checkpoints if not c.name)
    for name in ("start", unnamed.id):
        their_flows.DeleteCheckpoint(flow_id="order-é", checkpoint=name)
    assert there.json("archive", "import", archive)["checkpoints_created"] == 2
    assert [entry[8] for entry in history(their_flows, "order-é")] == [entry[8] for entry in history(flows, "order-é")]


def test_an_import_that_was_killed_is_run_again(cli, flows, other, archive):
    for flow_id in ("a", "b"):
        for number in range(400):
            flows.save(flow_id, b'{"n": %d}' % number, **({"checkpoint": types_pb2.CheckpointSpec(name=f"c{number}")} if number % 50 == 0 else {}))
    cli.ok("archive", "export", "--out", archive)
    there, their_flows = other

    def versions():
        found = their_flows.ListFlows().flows
        return sum(flow.version for flow in found)

    process = subprocess.Popen(
        [there.binary, "archive", "import", archive], env=there.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        eventually(lambda: versions() > 100, what="some versions")
    finally:
        process.kill()
        process.communicate()
    assert 100 < versions() < 800, "it was killed in the middle"
    done = there.json("archive", "import", archive)
    assert (done["flows"], done["conflicts"], done["refused"]) == (2, 0, 0)
    for flow_id in ("a", "b"):
        assert history(their_flows, flow_id) == history(flows, flow_id)
    assert there.json("archive", "import", archive)["unchanged"] == 2


def test_a_dry_run_saves_nothing(cli, flows, other, archive):
    make_many_kinds(flows)
    cli.ok("archive", "export", "--out", archive)
    there, their_flows = other
    told = there.json("archive", "import", archive, "--dry-run")
    assert (told["dry_run"], told["created"], told["versions_saved"], told["checkpoints_created"]) == (True, 3, 8, 3)
    assert not their_flows.ListFlows().flows
    their_flows.save("plain", b'"other"')
    done = there.run("archive", "import", archive, "--dry-run", "--output", "json")
    assert done.returncode == CONFLICT and json.loads(done.stdout)["conflicts"] == 1
    assert [flow.flow_id for flow in their_flows.ListFlows().flows] == ["plain"]


def test_conflicts(cli, flows, other, archive):
    for flow_id in "abcdef":
        flows.save(flow_id, b"1", flow_type="t")
        flows.save(flow_id, b"2")
    cli.ok("archive", "export", "--out", archive)
    there, their_flows = other
    their_flows.save("b", b"other", content_type="text/plain", flow_type="t")
    their_flows.save("c", b"1", flow_type="another type")
    their_flows.save("d", b"1", flow_type="t")
    their_flows.DeleteFlow(flow_id="d")
    done = there.run("archive", "import", archive, "--output", "json")
    assert done.returncode == CONFLICT
    told = json.loads(done.stdout)
    assert (told["created"], told["conflicts"]) == (1, 1) and "flow 'b'" in told["problems"][0]
    assert b"flow 'b': version 1 has another state here" in done.stderr
    assert {flow.flow_id for flow in their_flows.ListFlows().flows} == {"a", "b", "c"}, "it stopped there"
    done = there.run("archive", "import", archive, "--on-conflict", "skip", "--output", "json")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert (told["unchanged"], told["created"], told["conflicts"]) == (1, 2, 3) and len(told["problems"]) == 3
    assert "type 'another type'" in told["problems"][1] and "deleted" in told["problems"][2]
    assert (their_flows.state("b"), their_flows.load("c").flow.version, their_flows.state("f")) == (b"other", 1, b"2")


def test_what_a_definition_refuses_does_not_stop_others(cli, flows, other, archive, tmp_path):
    flows.PutDefinition(document=json.dumps(STRICT).encode())
    for flow_id, second in (("a", b'{"id": 2}'), ("b", b'{"no": 2}'), ("c", b'{"id": 3}')):
        flows.save(flow_id, b'{"id": 1}', flow_type="strict")
        flows.save(flow_id, second)
        flows.save(flow_id, b'{"id": 9}')
    cli.ok("archive", "export", "--out", archive)
    there, their_flows = other
    their_flows.PutDefinition(document=json.dumps({**STRICT, "on_save": "enforce"}).encode())
    done = there.run("archive", "import", archive, "--output", "json")
    assert done.returncode == INVALID
    told = json.loads(done.stdout)
    assert (told["created"], told["refused"], told["versions_saved"]) == (2, 1, 7)
    assert told["problems"][0].startswith("flow 'b': version 2: ") and "/id" in told["problems"][0]
    assert their_flows.load("b").flow.version == 1 and their_flows.load("c").flow.version == 3
    # What is refused stays refused: the flow follows the revision that it was made under.
    their_flows.PutDefinition(document=json.dumps(STRICT).encode())
    assert there.run("archive", "import", archive).returncode == INVALID


def test_versions_that_retention_removed_leave_no_gap(cli, flows, other, archive):
    flows.PutDefinition(document=json.dumps({"flow_type": "short", "retention": {"versions": 3}}).encode())
    for number in range(10):
        flows.save("f", b"%d" % number, flow_type="short", parent_version=number - 1 if number > 5 else 0)
        if number == 1:
            flows.CreateCheckpoint(flow_id="f", name="kept", version=2)
    flows.Cleanup()
    kept = [info.version for info in flows.versions("f")]
    assert kept[0] == 2 and kept[-1] == 10 and len(kept) < 10, kept
    cli.ok("archive", "export", "--out", archive)
    there, their_flows = other
    done = there.json("archive", "import", archive)
    assert (done["renumbered"], done["created"], done["versions_saved"]) == (1, 1, len(kept))
    versions = their_flows.versions("f")
    assert [info.version for info in versions] == list(range(1, len(kept) + 1))
    assert [json.loads(info.metadata)[ORIGIN]["version"] for info in versions] == kept
    assert [their_flows.state("f", version=info.version) for info in versions] == [b"%d" % (number - 1) for number in kept]
    assert their_flows.state("f", checkpoint="kept") == b"1"
    assert there.json("archive", "import", archive)["unchanged"] == 1


def test_a_phase_that_cannot_be_taken_back_is_told(cli, flows, other, archive):
    flows.save("f", b"1", checkpoint=types_pb2.CheckpointSpec(name="c"))
    flows.save("f", b"2", phase="work", status="busy")
    flows.RestoreCheckpoint(flow_id="f", checkpoint="c")
    cli.ok("archive", "export", "--out", archive)
    there, their_flows = other
    done = there.run("archive", "import", archive, "--output", "json")
    assert done.returncode == 0 and json.loads(done.stdout)["different"] == 1
    assert b"flow 'f': its phase, status could not be set to what the archive says" in done.stderr
    assert their_flows.state("f") == b"1" and head(flows, "f")[3:5] == ("", "") and head(their_flows, "f")[3:5] == ("work", "busy")


# Hostile files


def test_what_a_server_does_not_take_is_refused(other, tmp_path):
    there, their_flows = other
    file = made_by_hand(
        tmp_path / "a", *record("a\tb", b"1"), *record("long" * 100, b"1"), *record("status", b"1", status="x\n"), *record("fine", b"1", b"2"),
        *record("json", b"{", content_type="application/json"), *record("progress", b"1", progress=-1),
        *record("parent", b"1", b"2", parent_version=2), *record("last", b"", metadata=b"not JSON"),
        *record("time", b"1", created_at={"seconds": -2**63, "nanos": -2**31}), *record("metadata", b"1", metadata=b"[" + b"0," * 100_000 + b"0]"))
    done = there.run("archive", "import", file, "--output", "json")
    assert done.returncode == INVALID
    told = json.loads(done.stdout)
    assert [line.split("'")[1] for line in told["problems"]] == [
        "a\tb", "long" * 100, "status", "json", "progress", "parent", "metadata"]
    assert (told["refused"], told["created"]) == (7, 3) and b"a\\tb" in done.stderr
    assert {flow.flow_id for flow in their_flows.ListFlows().flows} == {"fine", "parent", "last", "time"}, "parent's first is right"
    assert json.loads(their_flows.load("time").version.metadata)[ORIGIN]["created_at"] == "0001-01-01T00:00:00.000000Z"


def test_damaged_files_are_refused_before_anything_is_saved(cli, flows, other, archive, tmp_path):
    for number in range(20):
        flows.save(f"f{number}", random.randbytes(200), content_type="application/octet-stream")
    cli.ok("archive", "export", "--out", archive)
    whole = pathlib.Path(archive).read_bytes()
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    damaged = tmp_path / "damaged"
    there, their_flows = other
    for number in range(40):
        content = bytearray(whole)
        if number % 2:
            del content[chance.randrange(len(content)):]
        else:
            content[chance.randrange(len(content))] ^= chance.randrange(1, 256)
        damaged.write_bytes(content)
        error = there.fails(INVALID, "archive", *(("show",) if number % 4 < 2 else ("import",)), str(damaged))
        assert "archive" in error["message"] and str(damaged) in error["message"]
    assert not their_flows.ListFlows().flows
    damaged.write_bytes(whole + b"more")
    assert "damaged" in there.fails(INVALID, "archive", "import", str(damaged))["message"]
    damaged.write_text("{}")
    assert "not a Flowstate archive" in there.fails(INVALID, "archive", "show", str(damaged))["message"]
    assert there.fails(1, "archive", "show", str(tmp_path))["message"].startswith("cannot read")
    assert there.fails(1, "archive", "import", str(tmp_path / "none"))["message"].startswith("cannot read")


def test_a_bomb_takes_little_memory(cli, tmp_path):
    """Three gigabytes of zeros in a hundred kilobytes, behind the header of an archive."""
    bomb = tmp_path / "bomb"
    header = archive_pb2.ArchiveRecord(header={"format": "flowstate-archive", "format_version": 1}).SerializeToString()
    with bomb.open("wb") as file:
        packer = subprocess.Popen(["zstd", "-c", "-1", "--long=25"], stdin=subprocess.PIPE, stdout=file)
        # One record of 64 MiB, and then what it does not say.
        packer.stdin.write(varint(len(header)) + header + b"\x80\x80\x80\x20")
        for _ in range(3 * 1024):
            packer.stdin.write(bytes(1 << 20))
        packer.stdin.close()
        assert packer.wait() == 0
    assert bomb.stat().st_size < 1 << 20
    done = subprocess.run(
        ["bash", "-c", 'ulimit -v 2000000; exec "$@"', "-", cli.binary, "archive", "show", str(bomb)], capture_output=True, timeout=60)
    assert done.returncode == INVALID and b"damaged" in done.stderr, done.stderr


def test_states_larger_than_a_message(cli, flows, other, archive):
    states = [random.Random(n).randbytes(size) for n, size in enumerate([15 << 20, (15 << 20) + 1, (16 << 20) + 1])]
    for number, state in enumerate(states):
        upload(flows, "large", state, version_label=f"v{number}")
    flows.save("large", b"{}", content_type="application/json")
    assert cli.json("archive", "export", "--out", archive)["versions"] == 4
    there, their_flows = other
    assert there.json("archive", "import", archive)["versions_saved"] == 4
    for number, state in enumerate(states):
        snapshot, came = download(their_flows, "large", version=number + 1)
        assert came == state and snapshot.version.version_label == f"v{number}"
    assert there.json("archive", "import", archive)["versions_saved"] == 0
