"""The interop server, and the stubs of its service."""

import importlib
import os
import pathlib
import queue
import subprocess
import sys
import threading

import grpc
import pytest
from grpc_tools import protoc

from repository import ROOT

READY = "serving on "


@pytest.fixture(scope="session")
def interop(tmp_path_factory):
    """The modules of the messages and the stubs: `messages, stubs`."""
    stubs = tmp_path_factory.mktemp("interop-stubs")
    folder = pathlib.Path(__file__).parent
    arguments = ["protoc", f"-I{folder}", f"--python_out={stubs}", f"--grpc_python_out={stubs}", str(folder / "test.proto")]
    assert protoc.main(arguments) == 0
    sys.path.insert(0, str(stubs))
    return importlib.import_module("test_pb2"), importlib.import_module("test_pb2_grpc")


@pytest.fixture(scope="session")
def endpoint():
    program = pathlib.Path(os.environ.get("FLOWSTATE_INTEROP_BIN") or ROOT / ".build" / "debug" / "interop-server")
    process = subprocess.Popen([program], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    lines = queue.SimpleQueue()
    threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()
    line = lines.get(timeout=30)
    assert line.startswith(READY), line
    yield line.removeprefix(READY).strip()
    assert process.poll() is None, "the server ended by itself"
    process.kill()
    process.wait()


@pytest.fixture
def channel(endpoint):
    with grpc.insecure_channel(endpoint) as channel:
        yield channel
