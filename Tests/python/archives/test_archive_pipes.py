"""Archives through pipes, of the largest flows, and on servers that take less."""

import json
import os
import pathlib
import stat
import random
import subprocess

import pytest

from archive_files import head, history, made_by_hand, make_many_kinds, record
from command_line import INVALID, Cli
from transfers import download


def popen(cli, *arguments, **streams):
    return subprocess.Popen([cli.binary, *arguments], env=cli.environment, stderr=subprocess.PIPE, **streams)


def test_from_one_server_to_another_without_a_file(cli, flows, other, tmp_path):
    ids = make_many_kinds(flows)
    there, their_flows = other
    there.environment["TMPDIR"] = str(tmp_path)
    with popen(cli, "archive", "export", "-", stdout=subprocess.PIPE) as source:
        with popen(there, "archive", "import", "-", "--output", "json", stdin=source.stdout, stdout=subprocess.PIPE) as target:
            source.stdout.close()
            done, errors = target.communicate(timeout=60)
        told = source.stderr.read()
    assert (source.returncode, target.returncode, errors) == (0, 0, b"")
    assert b'"flows":3' in told and b'"created":3' in done, "the result is on standard error where the archive is on standard output"
    for flow_id in ids:
        assert history(their_flows, flow_id) == history(flows, flow_id) and head(their_flows, flow_id) == head(flows, flow_id)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_and_a_file_hold_the_same(cli, flows, archive, tmp_path):
    make_many_kinds(flows)
    cli.ok("archive", "export", archive)
    there = tmp_path / "piped.fsa"
    done = cli.run("archive", "export", "--out", "-")
    there.write_bytes(done.stdout)
    shown = cli.json("archive", "show", archive)["flows"]
    assert cli.json("archive", "show", str(there))["flows"] == shown
    for name in (archive, str(there)):
        assert cli.json("archive", "show", "-", stdin=pathlib.Path(name).read_bytes())["flows"] == shown
        # A file on standard input is read where it is, from where the shell has left it.
        with open(name, "rb") as opened, popen(cli, "archive", "show", "-", stdin=opened, stdout=subprocess.PIPE) as process:
            assert b'"flow_id":"plain"' in process.communicate(timeout=60)[0] and process.returncode == 0


def test_what_is_cut_in_the_pipe_saves_nothing(cli, flows, other):
    make_many_kinds(flows)
    whole = cli.run("archive", "export", "-").stdout
    there, their_flows = other
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        error = there.fails(INVALID, "archive", "import", "-", stdin=whole[:size])
        assert "standard input" in error["message"]
    assert not their_flows.ListFlows().flows


def test_a_reader_that_goes_away(cli, flows):
    flows.save("f", bytes(range(256)) * 4096, content_type="application/octet-stream")
    for number in range(20):
        flows.save("f", bytes([number]) * 17 + random.Random(number).randbytes(1 << 18), content_type="a/b")
    with popen(cli, "archive", "export", "-", stdout=subprocess.PIPE) as process:
        process.stdout.read(1)
        process.stdout.close()
        assert (process.wait(timeout=60), process.stderr.read()) == (-13, b"")


def test_terminals_are_refused(cli, flows):
    flows.save("f")
    code, output, errors = cli.on_terminal("archive", "export", "-")
    assert (code, output) == (INVALID, b"") and b"terminal" in errors


# The largest, and less


@pytest.fixture
def largest(cli, flows):
    """A flow with as much of everything as a server takes."""
    flows.save(
        "x" * 255, b'"%s"' % (b"s" * ((15 << 20) - 2)), flow_type="t" * 255, expected_version=0, phase="p" * 255, status="s" * 255,
        progress=100, labels={f"{number:0256}": "v" * 256 for number in range(64)}, version_label="l" * 255,
        metadata=b'"%s"' % (b"m" * ((64 << 10) - 2)), content_type="application/json; a=" + "c" * (255 - 20),
        checkpoint={"name": "n" * 255, "description": "d" * 4096})
    for number in range(70):
        flows.CreateCheckpoint(flow_id="x" * 255, name=f"{number:0255}", description="d" * 4096)
    return "x" * 255


def test_the_largest_flow_comes_back(cli, flows, other, archive, largest):
    cli.ok("archive", "export", archive)
    there, their_flows = other
    done = there.json("archive", "import", archive)
    assert (done["created"], done["different"], done["problems"]) == (1, 0, [])
    # Full metadata has no room for the version's origin.
    assert done["versions_without_origin"] == 1
    assert history(their_flows, largest) == history(flows, largest) and head(their_flows, largest) == head(flows, largest)


@pytest.mark.parametrize("limits, told", [
    ({"metadata-bytes": 1000}, "metadata"), ({"id-bytes": 254}, "flow_id"), ({"description-bytes": 4095}, "description"),
    ({"label-bytes": 255}, "labels")],
    ids=lambda value: value if isinstance(value, str) else "")
def test_a_server_that_takes_less_says_what(cli, flows, archive, largest, start_server, limits, told):
    flows.save("small")
    cli.ok("archive", "export", archive)
    server = start_server(limits=limits)
    there = Cli(cli.binary, server.endpoint)
    done = there.run("archive", "import", archive, "--output", "json", "--on-conflict", "skip")
    assert done.returncode == INVALID and b'"refused":1' in done.stdout and b'"created":1' in done.stdout, done.stderr
    assert told.encode() in done.stderr


@pytest.mark.parametrize("limits", [{"state-bytes": 1 << 20, "message-bytes": 32 << 20}, {"message-bytes": 1 << 20}])
def test_a_server_that_takes_smaller_messages_gets_the_state_in_chunks(cli, flows, archive, largest, start_server, limits):
    cli.ok("archive", "export", archive)
    server = start_server(limits=limits)
    there = Cli(cli.binary, server.endpoint)
    assert there.json("archive", "import", archive)["created"] == 1
    theirs = server.flows(there.environment["FLOWSTATE_TENANT"])
    for version in flows.versions(largest):
        assert download(theirs, largest, version=version.version)[1] == flows.state(largest, version=version.version)


def test_a_flow_with_more_labels_than_a_server_takes_comes_along_with_as_many(other, tmp_path):
    """Of older releases: labels that a definition takes from the state were not counted."""
    labels = {f"k{number:02}": "v" for number in range(66)}
    records = list(record("f", b"1", b"2"))
    records[0].flow.labels.update(labels)
    there, their_flows = other
    run = there.run("archive", "import", made_by_hand(tmp_path / "many.fsa", *records), "--output", "json")
    done = json.loads(run.stdout)
    assert run.returncode == INVALID and b"labels" in run.stderr
    assert (done["created"], done["without_labels"], done["refused"], done["versions_saved"]) == (1, 1, 0, 2)
    assert "labels" in done["problems"][0]
    assert dict(their_flows.load("f").flow.labels) == dict(sorted(labels.items())[:64])
    assert len(their_flows.versions("f")) == 2


def test_a_pipe_with_a_name_is_written_to_and_stays(cli, flows, tmp_path):
    """Nothing takes the place of a pipe or a device: `--out /dev/null` as root would take it from everyone."""
    flows.save("f")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with popen(cli, "archive", "export", "--out", str(pipe), "--force", stdout=subprocess.PIPE) as process:
        whole = pipe.read_bytes()
        assert (process.wait(timeout=60), process.stderr.read()) == (0, b"")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert b'"flow_id":"f"' in cli.run("archive", "show", "-", stdin=whole).stdout
    assert "--force" in cli.fails(2, "archive", "export", "--out", str(pipe))["message"]
