"""Values on the command line: what follows an option is its value, whatever it begins with; what cannot be seen is named."""

import json
import subprocess

import pytest

from command_line import INVALID, UNAVAILABLE, USAGE, Cli

DASHED = ["-5", "-", "--all", "-x y", "- item", "-é", "--help"]


def commands(command, path=()):
    """Every command with its arguments, as the program describes itself."""
    here = path + (command["commandName"],)
    subcommands = command.get("subcommands") or []
    if not subcommands:
        yield here[1:], command.get("arguments") or []
    for subcommand in subcommands:
        if subcommand["commandName"] != "help":
            yield from commands(subcommand, here)


@pytest.fixture(scope="module")
def described(flowstate_bin):
    done = subprocess.run([str(flowstate_bin), "--experimental-dump-help"], capture_output=True, timeout=60, check=True)
    return dict(commands(json.loads(done.stdout)["command"]))


def name(option):
    return "--" + next(name["name"] for name in option["names"] if name["kind"] == "long")


def is_free(option):
    """Whether any text is a value as far as the command line is concerned."""
    return name(option) in {
        "--type", "--phase", "--status", "--metadata", "--idempotency-key", "--state-text", "--content-type", "--prefix", "--tenant",
        "--actor", "--page-token", "--description", "--checkpoint", "--checkpoint-description", "--version-label", "--label", "--reason",
        "--text", "--kind", "--flow", "--flows-of", "--remove-label"} - ({"--label"} if option["valueName"] == "key=value" else set())


def test_every_option_takes_what_follows(flowstate_bin, described, tmp_path):
    """Of all commands: a value that begins with a dash is never missing, and what may be any text is never wrong usage."""
    seen, missing = set(), []
    for path, arguments in described.items():
        if path[0] == "serve":
            continue
        places = [argument["valueName"] for argument in arguments if argument["kind"] == "positional" and not argument["isOptional"]]
        needed = {"export": ["--out", str(tmp_path / "x")], "validate": ["--type", "t"]}.get(path[-1], [])
        for option in (argument for argument in arguments if argument["kind"] == "option"):
            value = "--all" if is_free(option) else "-x"
            given = [] if name(option) in needed else needed
            more = ["--checkpoint", "c"] if name(option) == "--checkpoint-description" else []
            done = subprocess.run(
                [str(flowstate_bin), *path, *["1" for _ in places], *given, *more, name(option), value],
                input=b"{}", capture_output=True, timeout=60, env={"FLOWSTATE_ENDPOINT": "localhost:1"})
            seen.add(name(option))
            if b"Missing value" in done.stderr or b"Unknown option" in done.stderr:
                missing.append((path, name(option), done.stderr))
            elif is_free(option) and done.returncode == USAGE and b"Usage:" in done.stderr and b"Give" not in done.stderr:
                missing.append((path, name(option), done.stderr))
    assert not missing
    assert {"--state-text", "--text", "--description", "--label", "--expected-version", "--output", "--remove-label"} <= seen


@pytest.mark.parametrize("value", DASHED + [""])
def test_free_texts_are_taken_as_they_come(cli, value):
    def load(*more):
        return cli.json("flow", "load", "f", "--info", *more)

    cli.ok("flow", "save", "f", "--state-text", value, "--content-type", "text/plain", "--status", value, "--phase", value,
           "--version-label", value, "--label", f"-k={value}")
    shown = load()
    assert cli.ok("flow", "load", "f") == value.encode()
    assert (shown["flow"]["status"], shown["flow"]["phase"], shown["flow"]["labels"]) == (value, value, {"-k": value})
    assert shown["version"]["version_label"] == value
    if value:
        assert load("--label", value)["version"]["version"] == 1
        assert cli.json("flow", "list", "--status", value, "--phase", value, "--label", f"-k={value}")["flows"]
    checkpoint = cli.json("checkpoint", "create", "f", "c", "--description", value)["checkpoint"]
    assert checkpoint["description"] == value
    cli.ok("flow", "status", "f", "--remove-label", "-k")
    assert load()["flow"]["labels"] == {}


@pytest.mark.parametrize("number", ["-5", "-0.5e3", "-0"])
def test_numbers_that_are_states_or_patches(cli, number):
    cli.ok("flow", "save", "f", "--state-text", number, "--metadata", number)
    assert cli.ok("flow", "load", "f") == number.encode()
    cli.ok("flow", "save", "f", "--state-text", "1")
    cli.ok("flow", "patch", "f", "--text", number)
    assert cli.ok("flow", "load", "f") == number.encode()


@pytest.mark.parametrize("option, value", [
    ("--expected-version", "-1"), ("--parent-version", "-1"), ("--progress", "-1"), ("--progress", "nan"), ("--progress", "-inf")])
def test_negative_numbers_reach_the_server(cli, option, value):
    error = cli.fails(INVALID, "flow", "save", "f", "--state-text", "1", option, value)
    assert error["reason"] == "INVALID_REQUEST" and option[2:].replace("-", "_") in error["message"]


def test_an_option_without_a_value_is_wrong_usage(cli):
    done = cli.run("flow", "save", "f", "--state-text")
    assert done.returncode == USAGE and b"Missing value" in done.stderr


def test_two_dashes_are_a_value_behind_an_equals_sign(cli):
    cli.ok("flow", "save", "f", "--state-text", "{}", "--status=--")
    assert cli.json("flow", "load", "f", "--info")["flow"]["status"] == "--"


def test_what_stands_alone_goes_behind_two_dashes(cli):
    cli.ok("flow", "save", "--state-text", "{}", "--", "-5")
    assert cli.ok("flow", "load", "--", "-5") == b"{}"
    cli.ok("flow", "fail", "--", "-5", "- it broke")
    assert cli.run("flow", "load", "-5").returncode == USAGE


@pytest.mark.parametrize("command", [
    ["flow", "save", "f"], ["flow", "create", "f", "--file", "-"], ["flow", "patch", "f", "-"], ["definition", "put", "-"],
    ["definition", "check", "-"], ["flow", "validate", "--type", "unified_discovery", "--file", "-"]], ids=lambda command: "-".join(command))
def test_a_byte_order_mark_is_named(cli, command):
    if command[1] == "patch":
        cli.ok("flow", "save", "f", "--state-text", "{}")
    done = cli.run(*command, stdin=b"\xef\xbb\xbf{}")
    assert done.returncode == INVALID
    assert b"byte order mark (U+FEFF); remove it" in done.stderr + done.stdout


# Broken pipes


def piped_to_head(flowstate_bin, cli, *arguments):
    """The exit code, as shells show it, of a command whose reader goes away after one byte, and what it said."""
    process = subprocess.Popen(
        [str(flowstate_bin), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=cli.environment)
    process.stdout.read(1)
    process.stdout.close()
    errors = process.stderr.read()
    code = process.wait(timeout=60)
    process.stderr.close()
    return (128 - code if code < 0 else code), errors


def test_a_reader_that_goes_away_ends_the_program_as_a_signal_does(flowstate_bin, server, cli, tmp_path):
    flows = server.flows(cli.environment["FLOWSTATE_TENANT"])
    for number in range(120):
        flows.save(f"f{number:04}", b"{}", labels={str(place): "x" * 250 for place in range(60)})
    flows.save("large", b'"%s"' % (b"x" * (2 << 20)))
    archive = str(tmp_path / "a.fsa")
    cli.ok("archive", "export", archive)
    for arguments in (
            ["flow", "list", "--all"], ["flow", "list", "--all", "--output", "table"], ["flow", "load", "large"],
            ["archive", "show", archive]):
        code, errors = piped_to_head(flowstate_bin, cli, *arguments)
        # What fits into the pipe was written before the reader went.
        assert code == 141 or (code == 0 and arguments[0] == "archive"), (arguments, code, errors)
        assert errors == b"", arguments


def test_an_unreachable_server_is_no_wrong_usage(flowstate_bin):
    lonely = Cli(flowstate_bin, "localhost:1")
    lonely.fails(UNAVAILABLE, "flow", "list", "--status", "-5")
