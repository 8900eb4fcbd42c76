"""The command line of forks, writes, leases and removal by labels."""

import base64
import json
import subprocess

from command_line import CONFLICT, INVALID, NOT_FOUND, USAGE


def save(cli, flow, *options, state="{}"):
    return cli.json("flow", "save", flow, "--state-text", state, *options)


def test_fork(cli):
    save(cli, "f", "--checkpoint", "c", "--version-label", "l", state="1")
    save(cli, "f", state="2")
    made = cli.json("flow", "fork", "f", "g", "--checkpoint", "c", "--label", "a=b", "--metadata", '{"why": 1}')
    assert (made["flow_id"], made["version"], made["source_version"]) == ("g", 1, 1)
    assert cli.ok("flow", "load", "g") == b"1"
    assert cli.json("flow", "load", "g", "--info")["flow"]["labels"] == {"a": "b"}
    whole = cli.json("flow", "fork", "f", "--history")
    assert whole["version"] == 2 and cli.ok("flow", "load", whole["flow_id"], "--version", "1") == b"1"
    assert cli.json("flow", "fork", "f", "--version-label", "l", "--idempotency-key", "k")["replayed"] is False
    cli.fails(CONFLICT, "flow", "fork", "f", "g")
    cli.fails(NOT_FOUND, "flow", "fork", "f", "--version", "9")
    assert cli.run("flow", "fork", "f", "--version", "1", "--checkpoint", "c").returncode == USAGE
    assert cli.run("flow", "fork", "f", "--label", "a=1", "--label", "a=2").returncode == USAGE


def test_writes(cli, server):
    server.flows(cli.environment["FLOWSTATE_TENANT"]).AppendWrites(flow_id="f", version_label="l", writes=[
        {"task_id": "t", "index": index, "channel": "xy"[index % 2], "value": bytes([index])} for index in range(4)])
    listed = cli.json("flow", "writes", "f", "--all")["writes"]
    assert [(each["task_id"], each["index"], each["channel"], base64.b64decode(each["value"]), each["value_bytes"]) for each in listed] == [
        ("t", index, "xy"[index % 2], bytes([index]), 1) for index in range(4)]
    assert len(cli.json("flow", "writes", "f", "--version-label", "l", "--channel", "x", "--task", "t")["writes"]) == 2
    assert cli.json("flow", "writes", "f", "--channel", "y", "--delete") == {"deleted": 2}
    table = cli.ok("flow", "writes", "f", "--output", "table").decode().splitlines()
    assert table[0].split() == ["VERSION_LABEL", "TASK_ID", "INDEX", "CHANNEL", "TYPE", "VALUE_BYTES", "ACTOR", "CREATED_AT"] and len(table) == 3


def test_leases(cli):
    save(cli, "f")
    lease = cli.json("lease", "acquire", "f", "one", "--ttl", "60s")
    assert (lease["holder"], lease["token"]) == ("one", 1)
    assert cli.fails(INVALID, "lease", "acquire", "f", "two", "--wait", "1s")["reason"] == "LEASE_LOST"
    assert cli.json("lease", "renew", "f", "1")["token"] == 1
    assert save(cli, "f", "--lease-token", "1")["version"] == 2
    assert cli.json("lease", "show", "f")["holder"] == "one"
    assert cli.json("lease", "release", "f", "1") == {"flow_id": "f", "released": True}
    assert cli.json("lease", "show", "f") == {"flow_id": "f", "holder": ""}
    assert cli.fails(INVALID, "flow", "save", "f", "--state-text", "{}", "--lease-token", "1")["reason"] == "LEASE_LOST"
    cli.fails(NOT_FOUND, "lease", "acquire", "none", "one")
    assert cli.run("lease", "acquire", "f").returncode == USAGE
    assert cli.run("lease", "renew", "f", "1", "--ttl", "x").returncode == USAGE


def test_versions_by_labels_and_a_new_life(cli):
    save(cli, "f", "--version-label", "a", "--version-tag", "run=1", "--version-tag", "step=2")
    save(cli, "f", "--version-label", "b", "--parent-version-label", "a")
    versions = cli.json("flow", "versions", "f")["versions"]
    assert (versions[0]["parent_version_label"], versions[0]["parent_version"]) == ("a", 1)
    assert versions[1]["version_tags"] == {"run": "1", "step": "2"}
    cli.ok("flow", "delete", "f")
    cli.fails(NOT_FOUND, "flow", "save", "f", "--state-text", "{}")
    assert save(cli, "f", "--revive")["version"] == 4


def test_flows_by_labels(cli):
    for flow in "fgh":
        save(cli, flow, "--label", "a=b", "--label", f"id={flow}")
    assert cli.fails(INVALID, "flow", "delete", "--label", "a=b", "--at-most", "2")["reason"] == "TOO_MANY_FLOWS"
    assert cli.json("flow", "delete", "--label", "a=b", "--label", "id=g") == {"flow_ids": ["g"]}
    assert cli.json("flow", "delete", "--label", "a=b", "--at-most", "2") == {"flow_ids": ["f", "h"]}
    assert cli.json("flow", "delete", "--label", "a=b") == {"flow_ids": []}
    for wrong in (("f", "--label", "a=b"), (), ("--label", "a=b", "--expected-version", "1"), ("f", "--at-most", "2"), ("--label", "a")):
        assert cli.run("flow", "delete", *wrong).returncode == USAGE


def test_watch(cli):
    save(cli, "f", "--phase", "p", state='{"n": 1}')
    save(cli, "g", state="2")
    save(cli, "f", state='{"n": 3}')
    lines = [json.loads(line) for line in cli.ok(
        "flow", "watch", "f", "--after-version", "0", "--count", "2", "--state", "--output", "json").splitlines()]
    assert [(line["flow_id"], line["version"], base64.b64decode(line["state"])) for line in lines] == [
        ("f", 1, b'{"n": 1}'), ("f", 2, b'{"n": 3}')]
    last = json.loads(cli.ok("flow", "watch", "f", "--after-version", "1", "--count", "1", "--output", "json"))
    save(cli, "g", state="3")
    save(cli, "f", state="4")
    after = json.loads(cli.ok("flow", "watch", "f", "--cursor", last["cursor"], "--count", "1", "--output", "json"))
    assert (after["flow_id"], after["version"]) == ("f", 3)
    table = cli.ok("flow", "watch", "f", "--after-version", "1", "--count", "1", "--state", "--output", "table").decode().splitlines()
    assert table[0].split()[:3] == ["CREATED_AT", "FLOW_ID", "VERSION"] and table[1].split()[2] == "f" and '"n": 3' in "".join(table[2:])
    for wrong in (["--after-version", "1"], ["f", "g", "--after-version", "1"], ["--cursor", "%"], ["--count", "0"],
                  ["f", "--after-version", "1", "--cursor", "AA=="], ["--label", "a=1", "--label", "a=2"]):
        assert cli.run("flow", "watch", *wrong).returncode == USAGE
    cli.fails(INVALID, "flow", "watch", "--cursor", "AAAA")


def test_watch_goes_on_after_a_restart(start_server, flowstate_bin):
    server = start_server()
    port = server.host_port[1]
    server.flows("t").save("f")
    watch = subprocess.Popen(
        [flowstate_bin, "flow", "watch", "f", "--after-version", "0", "--count", "3", "--output", "json", "--endpoint", server.endpoint,
         "--tenant", "t"], stdout=subprocess.PIPE, text=True)
    try:
        assert json.loads(watch.stdout.readline())["version"] == 1
        server.stop()
        server.start(port=port)
        for number in (2, 3):
            server.flows("t").save("f")
            assert json.loads(watch.stdout.readline())["version"] == number
        assert watch.wait(timeout=30) == 0
    finally:
        watch.kill()
        watch.wait()
        watch.stdout.close()


def test_time_to_live(cli):
    save(cli, "f", "--ttl", "2h")
    flow = cli.json("flow", "load", "f", "--info")["flow"]
    assert flow["expires_at"] > flow["updated_at"]
    save(cli, "f", "--ttl", "0s")
    assert cli.json("flow", "load", "f", "--info")["flow"]["expires_at"] is None
    cli.json("flow", "create", "g", "--ttl", "7d")
    assert cli.json("flow", "load", "g", "--info")["flow"]["expires_at"]
    assert cli.run("flow", "save", "f", "--state-text", "1", "--ttl", "soon").returncode == USAGE
