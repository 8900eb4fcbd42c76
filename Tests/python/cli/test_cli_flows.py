"""The command line of forks, writes, leases and removal by labels."""

import base64

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
