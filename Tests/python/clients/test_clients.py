"""The examples of docs/clients: the commands of each page, run as they are written, print what docs/clients/README.md shows."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import debian_go
import debian_java
from documents import CLIENTS, INSTALLS, PORT, fences
from repository import PROTO

#: By folder, what an example needs that may be missing: programs, and folders of packages.
TOOLCHAINS = {
    "cpp": ["cmake", "g++", "protoc", "grpc_cpp_plugin"],
    "go": ["go", "protoc", "protoc-gen-go", "protoc-gen-go-grpc", str(debian_go.GRPC)],
    "java": ["javac", "mvn", "protoc", "grpc_java_plugin", *map(str, [debian_java.GRPC, *debian_java.PLUGINS])],
    "ruby": ["ruby", "grpc_tools_ruby_protoc"],
}
#: What a run in the folder itself leaves there.
MADE = shutil.ignore_patterns("build", "flowstate", "go.sum", "target", "venv")
#: Maven writes it even where there is no terminal.
COLOUR = re.compile(r"\x1b\[[\d;]*m")
EXPECTED = next(content for language, content, *_ in fences((CLIENTS / "README.md").read_text()) if language == "")


def commands(name):
    """Those of an example's page that install nothing."""
    blocks = [content for language, content, *_ in fences((CLIENTS / name / "README.md").read_text()) if language == "sh"]
    return "".join(block for block in blocks if not INSTALLS.search(block))


@pytest.fixture
def run(tmp_path, server):
    """`run("ruby")` runs an example in a copy of its folder and returns what it prints."""
    def run_example(name, folder=None, environment=None, prepare=lambda copy: None):
        # As far below the root as the examples are in the project: the commands name ../../../proto.
        copy = tmp_path / (folder or f"docs/clients/{name}")
        shutil.copytree(CLIENTS / name, copy, ignore=MADE)
        (tmp_path / "proto").symlink_to(PROTO)
        (copy / "venv").symlink_to(sys.prefix)
        prepare(copy)
        done = subprocess.run(
            ["bash", "-ec", commands(name).replace(PORT, server.endpoint)], cwd=copy, env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
        assert done.returncode == 0, done.stdout
        return COLOUR.sub("", done.stdout)

    return run_example


def needs(name):
    missing = [need for need in TOOLCHAINS[name] if not (shutil.which(need) or pathlib.Path(need).is_dir())]
    if missing:
        pytest.skip(f"missing: {', '.join(missing)} (`bash docker/packages.sh clients` installs it)")


def test_every_example_is_run():
    folders = {path.name for path in CLIENTS.iterdir() if path.is_dir()}
    assert folders == {"python", "python-asyncio", *TOOLCHAINS}


@pytest.mark.parametrize("name", ["python", "python-asyncio"])
def test_python(run, name):
    assert run(name) == EXPECTED


@pytest.mark.toolchain
def test_cpp(run):
    needs("cpp")
    assert run("cpp").endswith(EXPECTED)


@pytest.mark.toolchain
def test_go(run, tmp_path):
    needs("go")
    assert run("go", "src/example.com/orders", debian_go.environment(tmp_path, tmp_path / "cache")) == EXPECTED


@pytest.mark.toolchain
def test_java(run, tmp_path):
    needs("java")
    assert run("java", prepare=lambda copy: debian_java.configure(copy, tmp_path / "maven")) == EXPECTED


@pytest.mark.toolchain
def test_ruby(run):
    needs("ruby")
    assert run("ruby") == EXPECTED
