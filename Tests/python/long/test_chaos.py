"""Clean-ups, restores, kills and clocks that differ, together: everything that was acknowledged and must be kept is there.

The clock of one server is set back by a library that is compiled here and preloaded: libfaketime, preloaded, takes the
arguments away from a program whose Swift runtime is linked statically.
"""

import collections
import datetime
import pathlib
import shutil
import signal
import subprocess

import pytest

from chaos import DEFINITIONS, TENANT, Endpoints, Writer, cleaner, killer, reader
from flowstate_server import Server
from long_run import SECONDS, SEED, Callers
from processes import children, kill

WRITERS, READERS = 8, 3
#: User and database in the title of a session's process.
BACKEND = "postgres postgres"
SOURCE = pathlib.Path(__file__).with_name("skewed_clock.c")


def clock(offset, directory):
    """The environment of a server whose clock is so many milliseconds off."""
    if not offset:
        return {}
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no clock can be set back: there is no C compiler")
    library = directory / "skewed_clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True, timeout=60)
    return {"LD_PRELOAD": str(library), "CLOCK_OFFSET_MS": str(offset)}


def blows_on(servers, database):
    """What the killer chooses from."""
    def kill_a_server(rng):
        server = rng.choice(servers)
        _, port = server.host_port
        server.kill()
        server.start(port)

    def kill_a_backend(rng):
        """PostgreSQL then ends all sessions and recovers."""
        backends = [pid for pid, line in children(database.process.pid).items() if BACKEND in line]
        if backends:
            kill(rng.choice(backends))

    def end_a_session(rng):
        backends = [pid for pid, line in children(database.process.pid).items() if BACKEND in line]
        if backends:
            kill(rng.choice(backends), signal.SIGTERM)

    def kill_the_postmaster(rng):
        database.stop(signal.SIGKILL)
        database.start()

    def stop_a_server(rng):
        """Gracefully, amid everything."""
        server = rng.choice(servers)
        _, port = server.host_port
        server.terminate()
        assert server.wait() == 0, server.log_tail()
        server.start(port)

    return [kill_a_server, kill_a_backend, end_a_session, kill_the_postmaster, stop_a_server]


@pytest.mark.parametrize("offset", [0, -5_000], ids=["same clocks", "clocks that differ"])
def test_chaos(flowstate_bin, scratch, postgresql, report, offset):
    database = postgresql()
    environment = clock(offset, scratch())
    servers = [Server(flowstate_bin, scratch(), database_url=database.url, environment=each) for each in ({}, environment)]
    try:
        for server in servers:
            server.start()
        if offset:
            assert is_off(servers[1]), "the clock of the second server is not set back"
        for definition in DEFINITIONS:
            servers[0].flows(TENANT).PutDefinition(document=definition)
        endpoints, counts = Endpoints(servers), collections.Counter()
        writers = [Writer(number, endpoints, counts) for number in range(WRITERS)]
        pause = (1, 3) if SECONDS < 60 else (1, 20)
        readers = [reader(number, endpoints, writers, counts) for number in range(READERS)]
        blows = killer(blows_on(servers, database), counts, pause)
        Callers(SECONDS, [*writers, *readers, cleaner(endpoints, counts), blows]).run()
        for server in servers:
            server.wait_until_healthy()
        report(f"chaos, clock {offset:+d} ms: {dict(sorted(counts.items()))}")
        client = servers[0].flows(TENANT)
        for _ in range(2):  # before and after a clean-up that nothing disturbs
            found = [writer.check(client) for writer in writers]
            with_all = client.Cleanup(timeout=60)
            assert not with_all.more
        report(f"chaos: {sum(versions for versions, _ in found)} versions and {sum(each for _, each in found)} checkpoints read back")
        for server in servers:
            assert "row is missing" not in server.log.read_text(errors="replace"), f"{server.log_tail()} (seed {SEED})"
            server.stop()
    finally:
        for server in servers:
            server.destroy()


def is_off(server):
    """Whether the server's log is written by another clock."""
    written = server.log.read_text(errors="replace").split(" ", 1)[0]
    return abs(datetime.datetime.strptime(written, "%Y-%m-%dT%H:%M:%S%z").timestamp() - server.log.stat().st_mtime) > 2
