"""gRPC's interoperability cases with the Swift client: against the stock Python server, and against the GRPC room's own."""

import os
import pathlib
import subprocess

import pytest

import reference_server
from repository import ROOT

PROGRAM = pathlib.Path(os.environ.get("FLOWSTATE_INTEROP_CLIENT_BIN") or ROOT / ".build" / "debug" / "interop-client")
#: Those of interop-test-descriptions.md that need neither TLS nor credentials, nor measure anything.
CASES = [
    "empty_unary", "large_unary", "client_compressed_unary", "server_compressed_unary", "client_streaming", "client_compressed_streaming",
    "server_streaming", "server_compressed_streaming", "ping_pong", "empty_stream", "custom_metadata", "status_code_and_message",
    "special_status_message", "unimplemented_method", "unimplemented_service", "cancel_after_begin", "cancel_after_first_response",
    "timeout_on_sleeping_server"]


@pytest.fixture(scope="module")
def stock_server(interop):
    server, endpoint = reference_server.serve(interop)
    yield endpoint
    server.stop(None).wait()


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def test_every_case_is_named():
    assert sorted(run().stdout.split()) == sorted(CASES)


def test_a_case_that_fails_is_reported():
    done = run("127.0.0.1:1", "empty_unary")
    assert done.returncode == 1 and done.stdout.startswith("empty_unary: failed: ")


@pytest.mark.parametrize("case", CASES)
def test_against_the_stock_server(stock_server, case):
    done = run(stock_server, case)
    assert (done.returncode, done.stdout) == (0, f"{case}: passed\n"), done.stderr


def test_against_the_own_server(endpoint):
    done = run(endpoint, *CASES)
    assert done.stdout.splitlines() == [f"{case}: passed" for case in CASES], done.stderr
