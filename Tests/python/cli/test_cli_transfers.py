"""`flow upload` and `flow download`: the Swift client over connections that break."""

import json
import os
import random

import pytest

from command_line import Cli
from transfers import BreakingLink, broken_upload, download, upload

BYTES = "application/octet-stream"
LARGE = random.Random(1).randbytes(17 << 20)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("states") / "large"
    path.write_bytes(LARGE)
    return path


def client(flowstate_bin, link, flows):
    cli = Cli(flowstate_bin, f"127.0.0.1:{link.port}")
    cli.environment["FLOWSTATE_TENANT"] = flows.tenant
    return cli


def test_up_and_down(cli, file, tmp_path):
    saved = cli.json("flow", "upload", "a", file, "--content-type", BYTES, "--expected-version", "0", "--version-label", "first", "--checkpoint", "c")
    assert saved["version"] == 1 and not saved["replayed"]
    for place, options in ((tmp_path / "one", []), (tmp_path / "two", ["--label", "first"])):
        version = cli.json("flow", "download", "a", place, *options)
        assert place.read_bytes() == LARGE and version["size_bytes"] == len(LARGE)
    cli.fails(2, "flow", "download", "a", tmp_path / "one")
    cli.json("flow", "download", "a", tmp_path / "one", "--force")
    cli.fails(2, "flow", "upload", "a", file, "--content-type", BYTES, "--expected-version", "7")
    cli.fails(4, "flow", "upload", "a", file)
    assert "DownloadState" in cli.fails(4, "flow", "load", "a")["message"]
    cli.fails(3, "flow", "download", "none", tmp_path / "three")
    assert not (tmp_path / "three").exists() and sorted(os.listdir(tmp_path)) == ["one", "two"]


def test_pipes(cli, file):
    saved = cli.run("flow", "upload", "a", "-", "--content-type", BYTES, stdin=LARGE)
    assert json.loads(saved.stdout)["version"] == 1
    came = cli.run("flow", "download", "a", "-")
    assert came.stdout == LARGE and json.loads(came.stderr)["version"] == 1
    small = cli.run("flow", "upload", "b", "-", stdin=b'{"n": 1}')
    assert json.loads(small.stdout)["version"] == 1 and cli.run("flow", "load", "b").stdout == b'{"n": 1}'


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_connection_that_breaks_ten_times(server, flowstate_bin, file, tmp_path, direction):
    flows = server.flows()
    if direction == "down":
        upload(flows, "a", LARGE)
    with BreakingLink(server.host_port).serving() as link:
        cli = client(flowstate_bin, link, flows)
        link.cut_again(1_600_000, times=10)
        if direction == "up":
            assert cli.json("flow", "upload", "a", file, "--content-type", BYTES)["version"] == 1
        else:
            cli.json("flow", "download", "a", tmp_path / "state")
            assert (tmp_path / "state").read_bytes() == LARGE
        assert link.cuts == 10
    assert download(flows, "a")[1] == LARGE and len(flows.versions("a")) == 1


def test_an_id_that_is_used_again(cli, file, tmp_path):
    cli.json("flow", "upload", "a", file, "--content-type", BYTES, "--upload-id", "nightly")
    for number, size in enumerate([16 << 20, 20 << 20]):
        other = tmp_path / f"{number}"
        other.write_bytes(random.Random(number).randbytes(size))
        assert cli.json("flow", "upload", "a", other, "--content-type", BYTES, "--upload-id", "nightly")["version"] == number + 2
        cli.json("flow", "download", "a", tmp_path / "came", "--force")
        assert (tmp_path / "came").read_bytes() == other.read_bytes()


def test_another_run_goes_on_with_an_upload(server, flowstate_bin, file):
    flows = server.flows()
    stored = broken_upload(flows, "a", LARGE, 12 << 20, "mine", at_least=12 << 20)
    with BreakingLink(server.host_port).serving() as link:
        cli = client(flowstate_bin, link, flows)
        assert cli.json("flow", "upload", "a", file, "--content-type", BYTES, "--upload-id", "mine")["version"] == 1
        assert link.passed < len(LARGE) - stored + (1 << 20)
    assert download(flows, "a")[1] == LARGE
