"""The command line client against a running server: what scripts and people rely on."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from command_line import CONFLICT, INVALID, NOT_FOUND, UNAVAILABLE, USAGE

RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")


# Save and load


@pytest.mark.parametrize(
    "state",
    [
        b'{"a": 1,\n\t"b":"\\u0000 \\ud800 \\/", "a": 12345678901234567890123.50}\n',
        '["é", "漢字", "🙂", "\x7f"]'.encode(),
        b"0",
    ],
)
def test_what_is_piped_in_comes_out_byte_for_byte(cli, state):
    saved = cli.json("flow", "save", "f", "--expected-version", "0", stdin=state)
    assert (saved["flow_id"], saved["version"], saved["replayed"], saved["checkpoint_id"]) == ("f", 1, False, "")
    assert RFC3339.match(saved["created_at"]) and len(base64.b64decode(saved["digest"])) == 16
    assert cli.ok("flow", "load", "f") == state
    assert cli.ok("flow", "load", "f", "--raw") == state


def test_bytes_of_any_kind_round_trip(cli, tmp_path):
    state = bytes(range(256)) * 4096
    file = tmp_path / "state"
    file.write_bytes(state)
    cli.ok("flow", "save", "f", str(file), "--content-type", "application/octet-stream")
    cli.ok("flow", "save", "g", "-", "--content-type", "application/octet-stream", stdin=state)
    cli.ok("flow", "save", "h", "--file", str(file), "--content-type", "application/octet-stream")
    for flow in "fgh":
        assert cli.ok("flow", "load", flow) == state


def test_large_state_round_trips(cli):
    state = json.dumps(["x" * 1000] * 8000).encode()
    cli.ok("flow", "save", "f", stdin=state)
    assert cli.ok("flow", "load", "f") == state


def test_save_takes_every_option_and_info_shows_it(cli):
    saved = cli.json(
        "flow", "save", "f", "--state-text", '{"n":1}', "--expected-version", "0", "--type", "order", "--phase", "pay",
        "--status", "running", "--progress", "12.5", "--label", "customer=acme", "--label", "note=a=b",
        "--version-label", "v-one", "--metadata", '{"why": [1.0]}', "--checkpoint", "start",
        "--checkpoint-description", "the beginning")
    assert saved["checkpoint_id"]
    info = cli.json("flow", "load", "f", "--info")
    flow, version = info["flow"], info["version"]
    assert {name: flow[name] for name in ("flow_id", "flow_type", "version", "phase", "status", "progress", "labels")} == {
        "flow_id": "f", "flow_type": "order", "version": 1, "phase": "pay", "status": "running", "progress": 12.5,
        "labels": {"customer": "acme", "note": "a=b"}}
    assert (flow["deleted"], flow["expires_at"]) == (False, None)
    assert {name: version[name] for name in (
        "version", "parent_version", "event", "actor", "content_type", "size_bytes", "version_label", "metadata",
        "checkpoints")} == {
        "version": 1, "parent_version": 0, "event": "VERSION_EVENT_CREATED", "actor": "tester", "content_type": "application/json",
        "size_bytes": 7, "version_label": "v-one", "metadata": {"why": [1.0]}, "checkpoints": ["start"]}
    assert version["created_at"] == saved["created_at"] and version["digest"] == saved["digest"]


def test_every_selector_finds_its_version(cli):
    first = cli.json("flow", "save", "f", "--state-text", "1", "--checkpoint", "c", "--version-label", "l")
    second = cli.json("flow", "save", "f", "--state-text", "2", "--any-version")
    assert second["created_at"] > first["created_at"]
    assert cli.ok("flow", "load", "f") == b"2"
    assert cli.ok("flow", "load", "f", "--version", "1") == b"1"
    assert cli.ok("flow", "load", "f", "--checkpoint", "c") == b"1"
    assert cli.ok("flow", "load", "f", "--checkpoint", first["checkpoint_id"]) == b"1"
    assert cli.ok("flow", "load", "f", "--label", "l") == b"1"
    assert cli.ok("flow", "load", "f", "--time", first["created_at"]) == b"1"
    assert cli.ok("flow", "load", "f", "--time", second["created_at"]) == b"2"
    assert cli.fails(NOT_FOUND, "flow", "load", "f", "--time", "2001-01-01T00:00:00+02:00")["reason"] == "VERSION_NOT_FOUND"


def test_create_makes_an_id_and_an_empty_state(cli):
    created = cli.json("flow", "create", "--type", "chat", "--label", "k=v")
    assert created["version"] == 1 and len(created["flow_id"]) == 36
    assert cli.ok("flow", "load", created["flow_id"]) == b"{}"
    cli.ok("flow", "create", "text", "--content-type", "text/plain")
    assert cli.ok("flow", "load", "text") == b""
    cli.ok("flow", "create", "piped", "--state", "-", stdin=b"[1]")
    assert cli.ok("flow", "load", "piped") == b"[1]"
    assert cli.fails(CONFLICT, "flow", "create", "piped")["reason"] == "FLOW_ALREADY_EXISTS"


def test_idempotency_key_applies_once(cli):
    save = ["flow", "save", "f", "--state-text", "1", "--idempotency-key", "k"]
    first, again = cli.json(*save), cli.json(*save)
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert first["version"] == again["version"] == 1
    error = cli.fails(INVALID, "flow", "save", "f", "--state-text", "2", "--idempotency-key", "k")
    assert error["reason"] == "IDEMPOTENCY_KEY_REUSED"


def test_tenants_and_actors(cli):
    cli.ok("flow", "save", "f", "--state-text", "1")
    cli.fails(NOT_FOUND, "flow", "load", "f", "--tenant", "cli-" + uuid.uuid4().hex)
    cli.ok("flow", "save", "f", "--state-text", "2", "--actor", "somebody")
    actors = [version["actor"] for version in cli.json("flow", "versions", "f")["versions"]]
    assert actors == ["somebody", "tester"]


def test_writers_in_parallel_lose_nothing(cli):
    """The loop that a script writes: load, change, save with expected_version, again on exit code 2."""
    cli.ok("flow", "create", "counter", "--state-text", "0")

    def increment(_):
        while True:
            version = cli.json("flow", "load", "counter", "--info")["version"]["version"]
            value = int(cli.ok("flow", "load", "counter", "--version", str(version)))
            done = cli.run("flow", "save", "counter", "--expected-version", str(version), stdin=b"%d" % (value + 1))
            if done.returncode == 0:
                return
            assert done.returncode == CONFLICT, done.stderr

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(increment, range(8)))
    assert cli.ok("flow", "load", "counter") == b"8"
    assert cli.json("flow", "load", "counter", "--info")["flow"]["version"] == 9


# Checkpoints and deletion


def test_checkpoints(cli):
    cli.ok("flow", "save", "f", "--state-text", "1")
    cli.ok("flow", "save", "f", "--state-text", "2")
    made = cli.json("checkpoint", "create", "f", "one", "--version", "1", "--description", "first")["checkpoint"]
    assert {name: made[name] for name in ("name", "version", "description", "actor", "flow_id")} == {
        "name": "one", "version": 1, "description": "first", "actor": "tester", "flow_id": "f"}
    unnamed = cli.json("checkpoint", "create", "f")["checkpoint"]
    assert (unnamed["name"], unnamed["version"]) == ("", 2)
    assert cli.fails(CONFLICT, "checkpoint", "create", "f", "one")["reason"] == "CHECKPOINT_ALREADY_EXISTS"

    listed = cli.json("checkpoint", "list", "f")
    assert listed == {"checkpoints": [unnamed, made], "next_page_token": ""}

    assert cli.fails(CONFLICT, "checkpoint", "restore", "f", "one", "--expected-version", "7")["actual_version"] == 2
    restored = cli.json("checkpoint", "restore", "f", "one", "--expected-version", "2")
    assert (restored["version"], restored["restored_version"]) == (3, 1)
    assert cli.ok("flow", "load", "f") == b"1"

    assert cli.json("checkpoint", "delete", "f", "one") == {"checkpoint": made}
    assert cli.fails(NOT_FOUND, "checkpoint", "delete", "f", "one")["reason"] == "CHECKPOINT_NOT_FOUND"


def test_delete_leaves_history(cli):
    cli.ok("flow", "save", "f", "--state-text", "1")
    assert cli.fails(CONFLICT, "flow", "delete", "f", "--expected-version", "4")["reason"] == "VERSION_CONFLICT"
    assert cli.json("flow", "delete", "f", "--expected-version", "1")["version"] == 2
    assert cli.fails(NOT_FOUND, "flow", "load", "f")["reason"] == "FLOW_NOT_FOUND"
    assert cli.ok("flow", "load", "f", "--version", "1") == b"1"
    assert cli.json("flow", "list")["flows"] == []
    assert [flow["deleted"] for flow in cli.json("flow", "list", "--include-deleted")["flows"]] == [True]
    events = [version["event"] for version in cli.json("flow", "versions", "f")["versions"]]
    assert events == ["VERSION_EVENT_DELETED", "VERSION_EVENT_CREATED"]


# Lists


def test_lists_page_by_themselves(cli):
    ids = [f"flow-{number:02}" for number in range(53)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda flow: cli.ok("flow", "create", flow), ids))

    def listed(*arguments):
        page = cli.json("flow", "list", "--order", "id", *arguments)
        return [flow["flow_id"] for flow in page["flows"]], page["next_page_token"]

    shown, token = listed()
    assert shown == ids[:50] and token
    assert listed("--page-token", token) == (ids[50:], "")
    assert listed("--all") == (ids, "")
    assert listed("--limit", "53")[0] == ids
    shown, token = listed("--limit", "7")
    assert shown == ids[:7] and token
    assert cli.fails(INVALID, "flow", "list", "--order", "created", "--page-token", token)["reason"] == "INVALID_REQUEST"

    table = cli.run("flow", "list", "--order", "id", "--limit", "2", "--output", "table")
    assert len(table.stdout.splitlines()) == 3
    assert b"--page-token" in table.stderr


def test_list_filters(cli):
    cli.ok("flow", "create", "a-1", "--type", "t", "--phase", "p", "--status", "s", "--label", "k=v", "--label", "l=w")
    middle = cli.json("flow", "create", "a-2", "--type", "t", "--label", "k=v")
    cli.ok("flow", "create", "b-1", "--type", "u", "--label", "k=x")
    cli.ok("flow", "save", "a-1", "--state-text", "2")

    def listed(*arguments):
        return [flow["flow_id"] for flow in cli.json("flow", "list", *arguments)["flows"]]

    assert listed() == ["a-1", "b-1", "a-2"]
    assert listed("--order", "oldest-updated") == ["a-2", "b-1", "a-1"]
    assert listed("--order", "created") == ["b-1", "a-2", "a-1"]
    assert listed("--order", "oldest-created") == ["a-1", "a-2", "b-1"]
    assert listed("--type", "t") == ["a-1", "a-2"]
    assert listed("--phase", "p") == listed("--status", "s") == ["a-1"]
    assert listed("--label", "k=v") == ["a-1", "a-2"]
    assert listed("--label", "k=v", "--label", "l=w") == ["a-1"]
    assert listed("--prefix", "b-") == ["b-1"]
    assert listed("--created-after", middle["created_at"]) == ["b-1", "a-2"]
    assert listed("--created-before", middle["created_at"]) == ["a-1"]
    assert listed("--updated-after", middle["created_at"], "--updated-before", "9999-01-01T00:00:00Z") == ["a-1", "b-1", "a-2"]


def test_versions(cli):
    for number in range(5):
        cli.ok("flow", "save", "f", "--state-text", str(number))
    newest = cli.json("flow", "versions", "f", "--limit", "2")
    assert [version["version"] for version in newest["versions"]] == [5, 4]
    rest = cli.json("flow", "versions", "f", "--all", "--page-token", newest["next_page_token"])
    assert [version["version"] for version in rest["versions"]] == [3, 2, 1]
    oldest = cli.json("flow", "versions", "f", "--oldest-first")
    assert [version["version"] for version in oldest["versions"]] == [1, 2, 3, 4, 5]
    assert [version["parent_version"] for version in oldest["versions"]] == [0, 1, 2, 3, 4]
    cli.fails(NOT_FOUND, "flow", "versions", "unknown")


def test_tables_are_aligned(cli):
    cli.ok("flow", "create", "short", "--type", "order", "--label", "b=2", "--label", "a=1")
    cli.ok("flow", "create", "漢字", "--type", "order")
    lines = cli.ok("flow", "list", "--order", "created", "--output", "table").decode().splitlines()
    assert lines[0].split() == ["FLOW_ID", "FLOW_TYPE", "VERSION", "PHASE", "STATUS", "PROGRESS", "UPDATED_AT", "LABELS"]
    assert lines[1].startswith("漢字     order            1 ")
    assert lines[2].startswith("short    order            1 ") and lines[2].endswith("  a=1,b=2")
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$", lines[1])
    saved = cli.ok("flow", "save", "short", "--state-text", "1", "--output", "table").decode().splitlines()
    assert saved[:2] == ["flow_id     short", "version     2"]
    for command in (["flow", "versions", "short"], ["checkpoint", "list", "short"]):
        header = cli.ok(*command, "--output", "table").decode().splitlines()[0]
        assert header == header.upper() and "VERSION" in header


# Terminals


def test_json_is_indented_on_a_terminal(cli):
    state = '{"z":1,"a":[12345678901234567890.0,{"k":"\\u00e9\\ud800"}],"z":{},"esc":"\x7f\x9b2J\u202e"}'
    cli.ok("flow", "save", "f", stdin=state.encode())
    code, output, errors = cli.on_terminal("flow", "load", "f")
    assert (code, errors) == (0, b"")
    assert output.decode() == (
        '{\n  "z": 1,\n  "a": [\n    12345678901234567890.0,\n    {\n      "k": "\\u00e9\\ud800"\n    }\n  ],\n'
        '  "z": {},\n  "esc": "\\u007f\\u009b2J\\u202e"\n}\n')
    assert json.loads(output) == json.loads(state)
    assert cli.on_terminal("flow", "load", "f", "--raw")[1].decode() == state


def test_terminals_are_safe_from_states_and_names(cli):
    cli.ok("flow", "save", "f", "--content-type", "text/plain", "--metadata", '"\x9b"', stdin=b"one\n\x1b]0;title\x07two")
    assert cli.on_terminal("flow", "load", "f") == (0, b"one\n\\u001b]0;title\\u0007two\n", b"")
    cli.ok("flow", "save", "g", "--content-type", "image/png", stdin=b"\x89PNG\xff")
    code, output, errors = cli.on_terminal("flow", "load", "g")
    assert (code, output) == (1, b"") and b"--raw" in errors
    cli.ok("flow", "save", "evil", "--state-text", "1", "--label", "k=\u202eabc")
    for command in (["flow", "list"], ["flow", "load", "evil", "--info"], ["flow", "load", "f", "--info"]):
        for form in ("json", "table"):
            code, output, _ = cli.on_terminal(*command, "--output", form)
            assert code == 0 and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", output.decode())


def test_output_form_follows_the_terminal(cli):
    cli.ok("flow", "create", "f")
    assert json.loads(cli.ok("flow", "list"))["flows"][0]["flow_id"] == "f"
    assert cli.on_terminal("flow", "list")[1].startswith(b"FLOW_ID")
    assert json.loads(cli.on_terminal("flow", "load", "f", "--info", "--output", "json")[1])["flow"]["flow_id"] == "f"


# Errors


def test_conflict_says_both_versions(cli):
    cli.ok("flow", "create", "f")
    error = cli.fails(CONFLICT, "flow", "save", "f", "--state-text", "1", "--expected-version", "5")
    assert (error["code"], error["reason"], error["expected_version"], error["actual_version"]) == (
        "ABORTED", "VERSION_CONFLICT", 5, 1)
    assert cli.fails(CONFLICT, "flow", "save", "f", "--state-text", "1", "--expected-version", "0")["actual_version"] == 1
    assert cli.fails(CONFLICT, "flow", "save", "new", "--state-text", "1", "--expected-version", "3")["actual_version"] == 0


def test_errors_for_people_end_with_the_reason(cli):
    done = cli.run("flow", "load", "unknown")
    assert (done.returncode, done.stdout) == (NOT_FOUND, b"")
    assert re.fullmatch(r"flowstate: .*unknown.* \[FLOW_NOT_FOUND\]\n", done.stderr.decode())


@pytest.mark.parametrize(
    "arguments, stdin, reason",
    [
        (["flow", "save", "f"], b"{", "STATE_INVALID"),
        (["flow", "save", "f"], b"", "STATE_INVALID"),
        (["flow", "save", "a\nb"], b"1", "INVALID_REQUEST"),
        (["flow", "save", "x" * 256], b"1", "INVALID_REQUEST"),
        (["flow", "save", "f", "--expected-version=-1"], b"1", "INVALID_REQUEST"),
        (["flow", "save", "f", "--content-type", "json"], b"1", "INVALID_REQUEST"),
        (["flow", "save", "f", "--progress", "101"], b"1", "INVALID_REQUEST"),
        (["flow", "save", "f", "--metadata", "{"], b"1", "INVALID_REQUEST"),
        (["flow", "list", "--page-token", "x"], b"", "INVALID_REQUEST"),
    ],
)
def test_invalid_input(cli, arguments, stdin, reason):
    error = cli.fails(INVALID, *arguments, stdin=stdin)
    assert (error["code"], error["reason"]) == ("INVALID_ARGUMENT", reason)


def test_a_state_larger_than_a_message_is_refused(cli):
    assert cli.fails(INVALID, "flow", "save", "f", stdin=b'"' + b"x" * (17 << 20) + b'"')["code"] == "RESOURCE_EXHAUSTED"


def test_files_that_cannot_be_read(cli, tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        error = cli.fails(1, "flow", "save", "f", "--file", str(path))
        assert str(path) in error["message"] and error["code"] is None
    cli.fails(NOT_FOUND, "flow", "load", "f")


def test_output_that_cannot_be_written(cli):
    cli.ok("flow", "create", "f")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([cli.binary, "flow", "list"], stdout=full, stderr=subprocess.PIPE, env=cli.environment)
    assert done.returncode == 1 and b"cannot write the output" in done.stderr
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([cli.binary, "flow", "list"], stdout=writer, stderr=subprocess.PIPE, env=cli.environment)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["flow", "load"], ["flow", "load", "--version", "3"], ["flow", "load", "f", "--version", "x"], ["flow", "nothing"],
        ["flow", "list", "--label", "novalue"], ["flow", "list", "--endpoint", "https://localhost"],
        ["flow", "save", "f", "-", "--any-version", "--expected-version", "1"],
    ],
)
def test_wrong_usage(cli, arguments):
    done = cli.run(*arguments)
    assert (done.returncode, done.stdout) == (USAGE, b"") and b"Usage: flowstate" in done.stderr


# Connecting


def test_nobody_listens(cli):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        endpoint = "127.0.0.1:%d" % free.getsockname()[1]
        error = cli.fails(UNAVAILABLE, "flow", "list", "--endpoint", endpoint)
        assert error["code"] == "UNAVAILABLE" and endpoint in error["message"]
        assert cli.run("health", "--endpoint", endpoint).returncode == 1
    cli.fails(UNAVAILABLE, "flow", "list", "--endpoint", "unix:/nonexistent/socket")


def test_a_server_that_says_nothing_is_not_waited_for(cli):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepted = []
        threading.Thread(target=lambda: accepted.append(silent.accept()), daemon=True).start()
        endpoint = "http://127.0.0.1:%d" % silent.getsockname()[1]
        started = time.monotonic()
        error = cli.fails(UNAVAILABLE, "flow", "list", "--endpoint", endpoint, "--timeout", "0.5")
        assert error["code"] == "DEADLINE_EXCEEDED"
        assert cli.run("health", "--endpoint", endpoint, "--timeout", "0.5").returncode == 1
        assert time.monotonic() - started < 30
        for connection, _ in accepted:
            connection.close()


def test_health(cli):
    assert cli.json("health") == {"status": "SERVING"}
    assert cli.ok("health", "--output", "table") == b"status  SERVING\n"
    assert cli.ok("health", "--endpoint", "http://" + cli.environment["FLOWSTATE_ENDPOINT"] + "/")


def test_empty_variables_count_as_none(cli):
    done = cli.run("flow", "list", FLOWSTATE_TENANT="", FLOWSTATE_ACTOR="")
    assert done.returncode == 0
    done = cli.run("flow", "list", FLOWSTATE_ENDPOINT="https://localhost")
    assert done.returncode == USAGE and b"https://localhost" in done.stderr


# Help


@pytest.mark.parametrize(
    "command",
    [
        [], ["serve"], ["flow"], ["flow", "create"], ["flow", "save"], ["flow", "load"], ["flow", "list"],
        ["flow", "versions"], ["flow", "delete"], ["flow", "patch"], ["flow", "diff"], ["flow", "transition"],
        ["flow", "complete"], ["flow", "fail"], ["flow", "status"], ["flow", "validate"], ["flow", "history"], ["flow", "summary"],
        ["definition"],
        ["recover"], ["quarantine"], ["quarantine", "list"], ["quarantine", "get"], ["definition", "put"], ["definition", "get"], ["definition", "list"], ["definition", "check"], ["checkpoint"], ["checkpoint", "create"], ["checkpoint", "list"],
        ["checkpoint", "restore"], ["checkpoint", "delete"], ["health"],
    ],
)
def test_help(cli, command):
    text = cli.ok(*command, "--help").decode()
    assert text.startswith("OVERVIEW: ") and "USAGE: " + " ".join(["flowstate", *command]) in text
    if command and command not in (["flow"], ["definition"], ["quarantine"], ["checkpoint"]):
        assert re.search(r"^ +flowstate " + " ".join(command), text, re.MULTILINE), "an example"
    # The parser wraps everything but the usage line.
    assert all(len(line) <= 80 or line.startswith("USAGE: ") for line in text.splitlines())


def test_help_of_the_program(cli):
    text = cli.ok("--help").decode()
    for code in (0, 1, 2, 3, 4, 5, 64):
        assert re.search(rf"^  {code} +\w", text, re.MULTILINE), f"exit code {code}"
    for command in ("serve", "flow", "checkpoint", "definition", "recover", "quarantine", "health"):
        assert re.search(rf"^  {command} +\w", text, re.MULTILINE)
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", cli.ok("--version").decode())
