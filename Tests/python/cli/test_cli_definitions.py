"""The command line's part in definitions, patches and the life of flows."""

import json
import re

import pytest

from command_line import CONFLICT, INVALID, NOT_FOUND, USAGE

ORDER = {
    "flow_type": "order", "on_save": "off", "paths": {"phase": "/phase", "status": "/status", "results": "/{phase}_results", "errors": "/errors",
                                    "completion": "/done"},
    "phases": [{"name": "cart", "complete_on_leave": True}, {"name": "paid", "requires": ["cart"]},
               {"name": "sent", "requires": ["paid"]}],
    "statuses": [{"name": "open"}, {"name": "failed", "error": True}, {"name": "closed", "next": []}],
    "rules": [{"rule": "required", "path": "/id"}, {"rule": "deprecated", "path": "/no", "beside": "/id", "severity": "warning"}],
}


@pytest.fixture
def order(tmp_path):
    path = tmp_path / "order.json"
    path.write_text(json.dumps(ORDER))
    return str(path)


def test_definitions(cli, order, tmp_path):
    assert cli.ok("definition", "check", order) == b""
    assert cli.json("definition", "put", order)["revision"] == 1
    assert cli.ok("definition", "get", "order").decode() == json.dumps(ORDER)
    assert cli.json("definition", "get", "order", "--info")["actor"] == "tester"
    listed = cli.json("definition", "list")["definitions"]
    assert [(entry["flow_type"], entry["built_in"]) for entry in listed] == [
        ("open", True), ("order", False), ("unified_discovery", True)]
    assert cli.fails(CONFLICT, "definition", "put", order, "--expected-revision", "7")["actual_version"] == 1
    assert cli.fails(NOT_FOUND, "definition", "get", "nobody's")["reason"] == "DEFINITION_NOT_FOUND"

    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({**ORDER, "rules": [{"rule": "required", "path": "id"}], "phasen": []}))
    done = cli.run("definition", "check", str(wrong))
    assert done.returncode == INVALID and done.stdout == b""
    assert b"/rules/0/path" in done.stderr and b"/phasen" in done.stderr
    assert cli.fails(INVALID, "definition", "put", str(wrong))["reason"] == "DEFINITION_INVALID"
    assert cli.run("definition", "check", str(tmp_path / "absent.json")).returncode == 1


def test_a_definition_may_be_yaml(cli, tmp_path):
    path = tmp_path / "order.yaml"
    path.write_text("""
flow_type: order
on_save: "off"       # quoted, since off is false in YAML
phases:
  - {name: cart, progress: 0, complete_on_leave: true}
  - {name: "1", progress: 2.50e+1, requires: [cart]}
rules:
  - rule: range
    path: /n
    maximum: 0x10
  - {rule: one_of, path: /a, values: [yes please, "no", 'null']}
""")
    assert cli.ok("definition", "check", str(path)) == b""
    assert cli.json("definition", "put", str(path))["revision"] == 1
    assert json.loads(cli.ok("definition", "get", "order")) == {
        "flow_type": "order", "on_save": "off",
        "phases": [{"name": "cart", "progress": 0, "complete_on_leave": True}, {"name": "1", "progress": 25, "requires": ["cart"]}],
        "rules": [{"rule": "range", "path": "/n", "maximum": 16},
                  {"rule": "one_of", "path": "/a", "values": ["yes please", "no", "null"]}]}
    for text, fault in (("a: [", b"not YAML"), ("", b"is empty"), ("a: .nan", b"line 1"), ("[1]: 2", b"must be a string")):
        path.write_text(text)
        done = cli.run("definition", "check", str(path))
        assert done.returncode == INVALID and fault in done.stderr, text


def test_validate(cli, order):
    cli.ok("definition", "put", order)
    cli.ok("flow", "save", "f", "--state-text", '{"no": 1}', "--type", "order")
    done = cli.run("flow", "validate", "f", "--output", "json")
    assert done.returncode == INVALID and done.stderr == b""
    shown = json.loads(done.stdout)
    assert [(entry["path"], entry["rule"]) for entry in shown["violations"]] == [("/id", "required")] and not shown["valid"]
    people = cli.run("flow", "validate", "f", "--output", "table").stdout.decode().splitlines()
    assert people[0].split() == ["SEVERITY", "PATH", "RULE", "MESSAGE"] and people[1].split()[:3] == ["error", "/id", "required"]
    done = cli.json("flow", "validate", "--type", "order", "--state-text", '{"id": 1, "no": 1}')
    assert done["valid"] and not done["violations"] and [entry["path"] for entry in done["warnings"]] == ["/no"]
    cli.ok("flow", "validate", "--type", "order", "--state-text", "{}", "--depth", "minimal")
    assert cli.run("flow", "validate").returncode == USAGE
    assert cli.run("flow", "validate", "--state-text", "{}").returncode == USAGE


def test_a_flow_is_led_through_its_phases(cli, order, tmp_path):
    cli.ok("definition", "put", order)
    cli.ok("flow", "save", "f", "--state-text", '{"id": 1, "phase": "cart"}', "--type", "order")
    assert "paid" in cli.fails(INVALID, "flow", "transition", "f", "sent")["message"]
    moved = cli.json("flow", "transition", "f", "paid", "--reason", "card")
    assert (moved["flow"]["phase"], moved["from"], moved["flow"]["version"]) == ("paid", "cart", 2)
    results = tmp_path / "results.json"
    results.write_text('{"amount": 1.50}')
    assert cli.json("flow", "complete", "f", "--results", str(results))["completed"] == ["cart", "paid"]
    assert b'"paid_results"' in cli.ok("flow", "load", "f") and b"1.50" in cli.ok("flow", "load", "f")
    assert cli.json("flow", "fail", "f", "lost in the mail", "--type", "Lost", "--retryable")["flow"]["status"] == "failed"
    assert cli.json("flow", "status", "f", "open", "--label", "a=b")["flow"]["status"] == "open"
    assert cli.fails(CONFLICT, "flow", "status", "f", "closed", "--expected-version", "1")["actual_version"] == 5
    assert cli.json("flow", "transition", "f", "sent", "--force")["flow"]["phase"] == "sent"
    entries = cli.json("flow", "history", "f", "--kind", "error_reported", "--kind", "transitioned")["entries"]
    assert [(entry["version"]["event"], entry["version"]["version"]) for entry in entries] == [
        ("VERSION_EVENT_TRANSITIONED", 6), ("VERSION_EVENT_ERROR_REPORTED", 4), ("VERSION_EVENT_TRANSITIONED", 2)]
    assert entries[1]["version"]["metadata"]["error"] == "lost in the mail"
    people = cli.ok("flow", "history", "f", "--output", "table").decode().splitlines()
    assert people[0].split() == ["TIME", "KIND", "VERSION", "ACTOR", "PHASE", "STATUS", "DETAILS"]
    assert {"created", "transitioned", "error_reported"} <= {row.split()[2] for row in people[1:]}
    summary = cli.json("flow", "summary", "f")
    assert [(phase["phase"], phase["progress"]) for phase in summary["phases"]] == [
        ("cart", "PHASE_PROGRESS_COMPLETE"), ("paid", "PHASE_PROGRESS_COMPLETE"), ("sent", "PHASE_PROGRESS_ACTIVE")]
    assert re.search(r"^phases.cart +complete$", cli.ok("flow", "summary", "f", "--output", "table").decode(), re.M)
    assert (summary["error_count"], summary["last_error"]) == (1, "lost in the mail")


def test_patch_and_diff(cli, tmp_path):
    cli.ok("flow", "save", "f", "--state-text", '{"a": 1, "b": [1]}')
    assert cli.json("flow", "patch", "f", "--text", '{"a": null, "c": 1e400}')["version"] == 2
    patch = tmp_path / "patch.json"
    patch.write_text('[{"op": "add", "path": "/b/-", "value": 2}]')
    assert cli.json("flow", "patch", "f", str(patch), "--expected-version", "2")["version"] == 3
    assert json.loads(cli.ok("flow", "load", "f", "--version", "1")) == {"a": 1, "b": [1]}
    operations = json.loads(cli.ok("flow", "diff", "f", "1").replace(b"1e400", b"1"))
    assert sorted(operation["path"] for operation in operations) == ["/a", "/b/1", "/c"]
    assert cli.ok("flow", "diff", "f", "2", "2") == b"[]\n"
    code, text = cli.on_terminal("flow", "diff", "f", "2", "3")[:2]
    assert code == 0 and b"\x1b[32m+ /b/1  2" in text
    assert cli.fails(INVALID, "flow", "patch", "f", "--text", '[{"op": "test", "path": "/b", "value": 0}]')["reason"] == (
        "PATCH_NOT_APPLICABLE")
    assert cli.run("flow", "patch", "f").returncode == USAGE


def test_recover(cli):
    definition = json.loads(cli.ok("definition", "get", "unified_discovery"))
    cli.ok("definition", "put", "-", stdin=json.dumps({**definition, "flow_type": "lax", "on_save": "off"}).encode())
    broken = json.dumps({"flow_id": "f", "current_phase": "nonsense", "kept": 1})
    cli.ok("flow", "save", "f", "--state-text", broken, "--type", "lax")
    planned = cli.json("recover", "f", "--dry-run")["recovery"]
    assert (planned["state"], planned["strategy"], planned["recovered_version"]) == (
        "RECOVERY_STATE_PLANNED", "RECOVERY_STRATEGY_REPAIR", 0)
    assert "/current_phase" in [operation["path"] for operation in planned["diff"]]
    code, text = cli.on_terminal("recover", "f", "--dry-run")[:2]
    assert code == 0 and b'~ /current_phase  "initialization"' in text
    done = cli.json("recover", "f", "--reason", "by hand")["recovery"]
    assert (done["state"], done["recovered_version"]) == ("RECOVERY_STATE_SUCCEEDED", 2)
    assert json.loads(cli.ok("flow", "load", "f"))["kept"] == 1
    entry = cli.json("quarantine", "list", "--flow", "f")["entries"][0]
    assert (entry["id"], entry["reason"]) == (done["quarantine_id"], "by hand")
    assert cli.ok("quarantine", "get", entry["id"]).decode() == broken
    assert cli.json("quarantine", "get", entry["id"], "--info")["version"] == 1
    assert cli.json("recover", "f")["recovery"]["strategy"] == "RECOVERY_STRATEGY_UNSPECIFIED", "nothing is wrong any more"
    assert cli.fails(NOT_FOUND, "quarantine", "get", "nobody's")["reason"] == "QUARANTINED_NOT_FOUND"
    assert cli.run("recover", "f", "--strategy", "magic").returncode == USAGE
