"""The proto files by the rules in proto/buf.yaml: their names, and that no change breaks clients of the last release."""

import pathlib
import shutil
import subprocess
import sysconfig

import pytest

from repository import PROTO

BUF = pathlib.Path(sysconfig.get_path("scripts")) / "buf"
RELEASED = PROTO / "released.binpb"


def buf(command, *arguments, proto=PROTO):
    """What a check finds: a line for each fault."""
    done = subprocess.run([BUF, command, proto, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert not done.stderr, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def changed(tmp_path):
    """`changed("state.proto", old, new)` is a copy of the proto files with that change."""
    def change(name, old, new):
        copy = tmp_path / "proto"
        shutil.copytree(PROTO, copy)
        file = copy / "flowstate" / "v1" / name
        text = file.read_text()
        assert text.count(old) == 1, f"{name} has {old!r} {text.count(old)} times"
        file.write_text(text.replace(old, new))
        return copy

    return change


def test_names_follow_the_style_guide():
    assert buf("lint") == []


def test_nothing_breaks_clients_of_the_last_release():
    assert buf("breaking", "--against", RELEASED) == []


@pytest.mark.parametrize("name, old, new", [
    ("state.proto", "  rpc DeleteFlow(DeleteFlowRequest) returns (DeleteFlowResponse);", ""),
    ("errors.proto", "  int64 actual = 2;", "  int64 current = 2;"),
    ("errors.proto", "  int64 actual = 2;", "  int64 actual = 12;"),
    ("errors.proto", "  int64 actual = 2;", "  int32 actual = 2;"),
    ("errors.proto", "  int64 actual = 2;", ""),
    ("types.proto", "VERSION_EVENT_MIGRATED = 10;", "VERSION_EVENT_IMPORTED = 10;"),
], ids=["a method goes", "a name changes", "a number changes", "a type changes", "a field goes", "a value's name changes"])
def test_what_breaks_clients_is_found(changed, name, old, new):
    assert buf("breaking", "--against", RELEASED, proto=changed(name, old, new))


def test_a_field_goes_with_its_number_and_name_reserved(changed):
    proto = changed("errors.proto", "  int64 actual = 2;", '  reserved 2;\n  reserved "actual";')
    assert buf("breaking", "--against", RELEASED, proto=proto) == []


def test_files_are_formatted():
    assert buf("format", "-d") == []
