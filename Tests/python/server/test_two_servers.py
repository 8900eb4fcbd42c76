"""Two servers whose batches change the same flows: they wait for each other, and never deadlock."""

import random
import threading
import time

import grpc

from postgresql import Session

FLOWS = 8
CALLERS = 24
SECONDS = 4


def change(flows, random, number):
    """One change of some kind of some flow."""
    flow, kind = f"f{random.randrange(FLOWS)}", random.randrange(8)
    if kind == 0:
        flows.save(flow, b'{"n": 1}', idempotency_key=f"key {number} {random.random()}")
    elif kind == 1:
        flows.save(flow, b'{"n": 2}', checkpoint={"name": f"c {number} {random.random()}"})
    elif kind == 2:
        flows.CreateCheckpoint(flow_id=flow, name=f"n {number} {random.random()}")
    elif kind == 3:
        flows.SetStatus(flow_id=flow, status=random.choice(["running", "waiting"]))
    elif kind == 4:
        flows.CreateFlow(state=b"{}", idempotency_key=f"create {random.randrange(FLOWS)}")
    elif kind == 5:
        flows.RestoreCheckpoint(flow_id=flow, checkpoint="first")
    elif kind == 6:
        flows.save(f"new {random.randrange(1000)}", b"{}")
    else:
        flows.save(flow, b'{"n": 3}')


def test_saves_of_every_kind_do_not_deadlock(start_server, postgresql):
    database = postgresql()
    servers = [start_server(database_url=database.url) for _ in range(2)]
    warm = servers[0].flows(tenant="both")
    for number in range(FLOWS):
        warm.save(f"f{number}", b"{}", checkpoint={"name": "first"})
    seed = random.randrange(1 << 32)
    end = time.monotonic() + SECONDS
    done, failed = [0] * CALLERS, []

    def call(number):
        chance = random.Random(seed + number)
        flows = servers[number % 2].flows(tenant="both")
        while time.monotonic() < end:
            try:
                change(flows, chance, number)
                done[number] += 1
            except grpc.RpcError as error:
                # A name or a key that another caller had first is an answer.
                if error.code() not in (grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.INVALID_ARGUMENT):
                    failed.append(str(error))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Session(database.url) as session:
        # Sessions report to the statistics when they have been idle for a while, or end.
        for server in servers:
            server.stop()
        [deadlocks] = session.execute("SELECT sum(deadlocks) FROM pg_stat_database")
    assert (failed, deadlocks) == ([], "0"), f"seed {seed}: {failed[:3]}, {deadlocks} deadlocks in {sum(done)} changes"
    assert min(done) > 0, f"seed {seed}: a caller was never answered"
