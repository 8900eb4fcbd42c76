"""What others do with the database beside the server: locks, poolers, long readers, environments."""

import concurrent.futures
import os
import shutil
import signal
import socket
import subprocess
import time

import grpc
import pytest

from postgresql import Session
from processes import eventually


def test_held_flows_hold_nobody_else_up(postgresql, start_server):
    database = postgresql()
    flows = start_server(database_url=database.url).flows()
    for number in range(60):
        flows.save(f"f{number}", b"1")
    with Session(database.url) as holder, concurrent.futures.ThreadPoolExecutor(80) as callers:
        holder.execute("BEGIN")
        holder.execute("SELECT 1 FROM flowstate.flow WHERE flow_id IN ('f0','f1','f2','f3','f4','f5','f6','f7','f8','f9') FOR UPDATE")
        began = time.monotonic()
        held = [callers.submit(flows.save, f"f{number}", b"2", timeout=60) for number in range(10) for _ in range(2)]
        for _ in range(3):
            others = [callers.submit(flows.save, f"f{number}", b"2", timeout=60) for number in range(10, 60)]
            for other in others:
                other.result()
        assert time.monotonic() - began < 15
        for save in held:
            with pytest.raises(grpc.RpcError) as refused:
                save.result(timeout=30)
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE and "another transaction" in refused.value.details()
        waiting = callers.submit(flows.save, "f0", b"3", timeout=60)
        holder.wait_for_blocked()
        holder.execute("ROLLBACK")
        assert waiting.result().version == 2


def test_how_long_a_held_flow_is_waited_for_is_a_limit(postgresql, start_server):
    database = postgresql()
    flows = start_server(database_url=database.url, limits={"lock-timeout-ms": 200, "lock-wait-ms": 600}).flows()
    flows.save("f", b"1")
    with Session(database.url) as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT 1 FROM flowstate.flow FOR UPDATE")
        with concurrent.futures.ThreadPoolExecutor(1) as caller:
            below = caller.submit(flows.save, "f", b"2")
            holder.wait_for_blocked()
            holder.execute("ROLLBACK")
            assert below.result().version == 2
        holder.execute("BEGIN")
        holder.execute("SELECT 1 FROM flowstate.flow FOR UPDATE")
        with pytest.raises(grpc.RpcError) as refused:
            flows.save("f", b"3")
        assert "another transaction" in refused.value.details()


def test_patches_of_a_held_flow_are_refused_together(postgresql, start_server):
    """They run one after the other: each would wait for as long, and the last ones until their deadlines."""
    database = postgresql()
    flows = start_server(database_url=database.url, limits={"lock-timeout-ms": 200, "lock-wait-ms": 600}).flows()
    flows.save("f", b"{}")
    with Session(database.url) as holder, concurrent.futures.ThreadPoolExecutor(16) as callers:
        holder.execute("BEGIN")
        holder.execute("SELECT 1 FROM flowstate.flow FOR UPDATE")
        patches = [callers.submit(flows.SaveState, flow_id="f", merge_patch=b'{"n": %d}' % number, timeout=6) for number in range(16)]
        for patch in patches:
            with pytest.raises(grpc.RpcError) as refused:
                patch.result(timeout=30)
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE and "another transaction" in refused.value.details()
        holder.execute("ROLLBACK")
        assert flows.SaveState(flow_id="f", merge_patch=b'{"n": 16}').version == 2


def test_a_migration_waits_for_a_long_reader_without_holding_up_calls(postgresql, start_server):
    database = postgresql()
    running = start_server(database_url=database.url)
    flows = running.flows()
    flows.save("f", b"1")
    database.execute("DELETE FROM flowstate.schema_migration WHERE number >= 10")
    with Session(database.url) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM flowstate.flow")
        starting = start_server(wait=False, database_url=database.url)
        eventually(lambda: b"waits for a lock" in starting.log.read_bytes(), what="a word about the lock")
        longest = 0
        for number in range(100):
            began = time.monotonic()
            flows.save("f", b"2")
            flows.load("f")
            longest = max(longest, time.monotonic() - began)
        assert longest < 6
        reader.execute("ROLLBACK")
    # Its column is there already: what becomes of that migration is not the point.
    starting.destroy()


@pytest.fixture
def pooler(scratch):
    """`pooler(database)` starts a PgBouncer in session mode, as it ships, in front of it and returns its connection string."""
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    processes = []

    def start(database, **settings):
        directory = scratch()
        directory.chmod(0o777)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        settings = {
            "listen_addr": "127.0.0.1", "listen_port": port, "auth_type": "any", "unix_socket_dir": "", "pool_mode": "session",
            "logfile": directory / "log", "pidfile": directory / "pid", **settings}
        (directory / "ini").write_text(
            f"[databases]\npostgres = host={database.directory} port=5432 dbname=postgres user=postgres\n[pgbouncer]\n"
            + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        processes.append(subprocess.Popen(
            [*database.user, program, directory / "ini"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return f"postgresql://postgres@127.0.0.1:{port}/postgres"

    yield start
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def test_pgbouncer_in_session_mode_works_as_it_ships(postgresql, start_server, pooler):
    database = postgresql()
    flows = start_server(database_url=pooler(database)).flows()
    flows.save("f", b"1")
    assert flows.state("f") == b"1"
    settings = "SELECT count(*) FROM pg_prepared_statements"
    assert database.execute(settings)
    # Plans rest on the sessions' settings: they are there, behind the pooler.
    assert flows.ListFlows().flows[0].flow_id == "f"


def test_what_makes_saves_fail_is_told_when_it_begins_and_ends(postgresql, start_server):
    database = postgresql()
    database.execute("CREATE ROLE app LOGIN", "CREATE SCHEMA flowstate AUTHORIZATION app")
    server = start_server(database_url=database.url.replace("user=postgres", "user=app"))
    flows = server.flows()
    flows.save("f", b"1")
    database.execute("REVOKE INSERT ON flowstate.flow_version FROM app")
    for _ in range(20):
        with pytest.raises(grpc.RpcError) as refused:
            flows.save("f", b"2")
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    log = server.log.read_text()
    assert log.count("saves fail") == 1 and "42501" in log and "saves no longer fail" not in log
    database.execute("GRANT INSERT ON flowstate.flow_version TO app")

    def is_over():
        flows.save("f", b"3")
        return "saves no longer fail" in server.log.read_text()
    eventually(is_over, what="the word that it is over")


def test_calls_that_come_before_the_schema_are_told_so(postgresql, start_server):
    database = postgresql()
    with Session(database.url) as other:
        # Another server migrates.
        other.execute("SELECT pg_advisory_lock(hashtextextended('flowstate schema_migration flowstate', 0))")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        server = start_server(port, wait=False, database_url=database.url)
        eventually(lambda: b"which is migrating schema" in server.log.read_bytes(), what="a word about the other server")
        flows = server.flows()
        for call in (lambda: flows.load("f"), lambda: flows.save("f", b"1"), flows.ListFlows):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
            assert "preparing its database" in refused.value.details() and "flowstate." not in refused.value.details()
        other.execute("SELECT pg_advisory_unlock_all()")
    server.wait_until_serving()
    flows.save("f", b"1")


@pytest.mark.parametrize("variables", [
    {"PGSERVICE": "prod"}, {"PGHOSTADDR": "192.0.2.1"}, {"PGOPTIONS": "-c search_path=x", "PGTZ": "nowhere"},
    {"PGTARGETSESSIONATTRS": "standby", "PGREQUIREPEER": "somebody", "PGCHANNELBINDING": "require", "PGSSLMODE": "verify-full"}],
    ids=lambda variables: next(iter(variables)))
def test_the_embedded_postgresql_is_not_that_of_the_shell(start_server, variables):
    flows = start_server(environment=variables).flows()
    flows.save("f", b"1")
    assert flows.state("f") == b"1"


@pytest.mark.parametrize("arguments, words", [
    (["--database-url", "postgresql://h:99999/d"], ["port", "99999"]),
    (["--unix-socket", "/tmp/" + "s" * 103], ["--unix-socket", "/tmp/" + "s" * 103, "103", "108"]),
], ids=["port", "unix-socket"])
def test_what_cannot_work_is_refused_at_once(flowstate_bin, scratch, arguments, words):
    ended = subprocess.run(
        [flowstate_bin, "serve", "--port", "0", "--data-directory", scratch() / "data", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert all(word in ended.stderr for word in words), ended.stderr
    assert "PostgreSQL" not in ended.stderr
