"""What the command line prints as JSON is the method's response, as every library of protobuf reads it."""

import base64
import json

import pytest
from google.protobuf import json_format

DEFINITION = {"flow_type": "order", "phases": [{"name": "cart"}, {"name": "paid"}], "rules": [
    {"rule": "required", "path": "/id"}, {"rule": "type", "path": "/id", "type": "number", "severity": "warning"}]}
#: Fields of bytes that hold JSON are shown as that JSON.
DOCUMENTS = ("metadata", "details", "diff")


def in_base64(value):
    """The same with documents as proto3-JSON has bytes."""
    if isinstance(value, list):
        return [in_base64(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {name: None if entry is None else base64.b64encode(json.dumps(entry, separators=(",", ":")).encode()).decode()
            if name in DOCUMENTS else in_base64(entry) for name, entry in value.items()}


@pytest.fixture
def calls(cli, server):
    """Calls as the tenant and the actor of the command line."""
    return server.flows(cli.environment["FLOWSTATE_TENANT"])


def shown(message, cli, *arguments):
    """The answer that a command shows, as a message."""
    return json_format.ParseDict(in_base64(cli.json(*arguments)), type(message)())


@pytest.mark.parametrize(("method", "fields", "arguments"), [
    ("ListFlows", {}, ["flow", "list"]),
    ("ListVersions", {"flow_id": "f"}, ["flow", "versions", "f"]),
    ("GetHistory", {"flow_id": "f"}, ["flow", "history", "f"]),
    ("GetSummary", {"flow_id": "f"}, ["flow", "summary", "f"]),
    ("ListCheckpoints", {"flow_id": "f"}, ["checkpoint", "list", "f"]),
    ("ListQuarantine", {}, ["quarantine", "list"]),
    ("ListNotifications", {}, ["notification", "list"]),
    ("ValidateState", {"flow_id": "f"}, ["flow", "validate", "f"]),
    ("GetStatistics", {}, ["stats"]),
])
def test_the_json_is_the_response(cli, calls, tmp_path, method, fields, arguments):
    path = tmp_path / "order.json"
    path.write_text(json.dumps(DEFINITION))
    cli.ok("definition", "put", str(path))
    cli.ok("flow", "save", "f", "--type", "order", "--state-text", '{"id":"é"}', "--progress", "12.5", "--label", "é=\u202e",
           "--metadata", '{"why":1}', "--checkpoint", "here")
    cli.ok("flow", "fail", "f", "broken", "--type", "Broken")
    cli.ok("flow", "save", "g", "--state-text", "1")
    cli.ok("flow", "save", "g", "--state-text", "2")
    cli.ok("recover", "g", "--strategy", "version")
    expected = getattr(calls, method)(**fields)
    assert shown(expected, cli, *arguments) == expected
