"""Fixtures of the end-to-end tests: real servers on free ports, driven by Python's stock gRPC client.

`FLOWSTATE_BIN` and `FLOWSTATE_BENCH_BIN` (or `--flowstate-bin`, `--flowstate-bench-bin`) name the
programs under test; without them the debug build is taken.
"""

import os
import pathlib
import shutil
import signal
import sys
import tempfile
import uuid

import pytest

# gRPC's own fork handlers are for programs that call it in their children; here children only exec.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from grpc_tools import protoc  # noqa: E402

from repository import PROTO, ROOT  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--flowstate-bin", default=os.environ.get("FLOWSTATE_BIN"))
    parser.addoption("--flowstate-bench-bin", default=os.environ.get("FLOWSTATE_BENCH_BIN"))


def pytest_configure(config):
    """Generates the stubs before any test module imports them, as a user of the API would.

    A folder's conftest.py may be read earlier: it imports helpers that need stubs where it uses them.
    """
    stubs = tempfile.mkdtemp(prefix="flowstate-stubs-")
    config.add_cleanup(lambda: shutil.rmtree(stubs, ignore_errors=True))
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    files = sorted(str(path.relative_to(PROTO)) for path in (PROTO / "flowstate").rglob("*.proto"))
    arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={stubs}", f"--grpc_python_out={stubs}"]
    if protoc.main(arguments + files) != 0:
        raise pytest.UsageError("protoc cannot generate Python stubs from " + str(PROTO))
    sys.path.insert(0, stubs)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows what the servers of a failed test wrote."""
    report = yield
    if report.failed:
        import flowstate_server
        for server in flowstate_server.Server.running:
            report.sections.append((f"server {server.endpoint}", server.log_tail()))
    return report


def program(config, option, name):
    path = pathlib.Path(config.getoption(option) or ROOT / ".build" / "debug" / name).resolve()
    if not os.access(path, os.X_OK):
        raise pytest.UsageError(f"{path} is no program; build it first, or name another one with {option}")
    return path


@pytest.fixture(scope="session")
def flowstate_bin(pytestconfig):
    return program(pytestconfig, "--flowstate-bin", "flowstate")


@pytest.fixture(scope="session")
def bench_bin(pytestconfig):
    return program(pytestconfig, "--flowstate-bench-bin", "flowstate-bench")


@pytest.fixture(scope="session")
def scratch():
    """Makes directories that PostgreSQL's own user can reach, and removes them."""
    root = pathlib.Path(tempfile.mkdtemp(prefix="flowstate-test-", dir="/tmp"))
    root.chmod(0o755)

    def make():
        directory = root / uuid.uuid4().hex[:8]
        directory.mkdir(mode=0o755)
        return directory

    yield make
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def server(flowstate_bin, scratch):
    """The server that most tests share, with every default; ends by SIGTERM, without a trace."""
    from flowstate_server import Server
    server = Server(flowstate_bin, scratch())
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.destroy()


@pytest.fixture(scope="module")
def limited_server(flowstate_bin, scratch):
    """`limited_server({"labels": 2})` starts one for all tests of a module; ends by SIGTERM too."""
    from flowstate_server import Server
    servers = []

    def start(limits):
        servers.append(Server(flowstate_bin, scratch(), limits=limits))
        return servers[-1].start()

    yield start
    try:
        for server in servers:
            server.stop()
    finally:
        for server in servers:
            server.destroy()


@pytest.fixture
def start_server(flowstate_bin, scratch):
    """`start_server(limits={…}, arguments=[…], …)` starts one that the test may kill and start again."""
    from flowstate_server import Server
    servers = []

    def start(port=0, wait=True, **options):
        servers.append(Server(flowstate_bin, scratch(), **options))
        return servers[-1].start(port, wait)

    yield start
    for server in servers:
        server.destroy()


@pytest.fixture
def postgresql(scratch):
    """`postgresql()` starts a PostgreSQL of the test's own, beside the servers."""
    from postgresql import PostgreSQL
    made = []

    def make(start=True, **options):
        made.append(PostgreSQL(scratch(), **options))
        return made[-1].start() if start else made[-1]

    yield make
    for database in reversed(made):
        if database.process is not None:
            database.send_signal(signal.SIGCONT)
        database.stop()


@pytest.fixture
def cli(flowstate_bin, server):
    """`cli.ok("flow", "list")` runs the command line in a tenant that no other test sees."""
    from command_line import Cli
    return Cli(flowstate_bin, server.endpoint)


@pytest.fixture
def flows(server):
    """`flows.SaveState(flow_id=…, …)` in a tenant that no other test sees."""
    return server.flows()
