"""Watches over 100,000 saves through two servers, broken off and resumed at random, while flows are deleted and cleaned up."""

import random
import threading
import time

import grpc

import long_run
from watching import Watch

TENANT = "watched"
FLOWS = 200
CALLERS = 16


#: Fewer in a short run.
SAVES = min(100_000, int(long_run.SECONDS * 1_000))


def test_every_version_once_over_two_servers(start_server, postgresql, report):
    database = postgresql()
    servers = [start_server(database_url=database.url, arguments=["--cleanup-interval", "1"], limits={"watch-events": 64}) for _ in range(2)]
    chance = random.Random(long_run.SEED)
    left, made, lock = [SAVES], {}, threading.Lock()

    def run(number):
        flows, random_ = servers[number % 2].flows(tenant=TENANT), random.Random(number)
        while True:
            with lock:
                if left[0] <= 0:
                    return
                left[0] -= 1
            flow_id = f"f{random_.randrange(FLOWS)}"
            try:
                if random_.randrange(200) == 0:
                    version = flows.DeleteFlow(flow_id=flow_id).version
                else:
                    version = flows.save(flow_id, b"%d" % number, revive=True).version
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND, error
                continue
            with lock:
                made.setdefault(flow_id, set()).add(version)

    watches = [Watch(servers[number % 2].flows(tenant=TENANT)).wait_until_begun() for number in range(3)]
    threads = [threading.Thread(target=run, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    resumed = 0
    while any(thread.is_alive() for thread in threads):
        watch = chance.choice(watches)
        watch.break_off()
        watch.connect(chance.choice(servers).flows(tenant=TENANT))
        resumed += 1
        time.sleep(chance.random() / 2)
    expected = sum(len(versions) for versions in made.values())
    for watch in watches:
        watch.wait_for(expected, timeout=120)
        seen = watch.versions()
        assert {flow_id: set(versions) for flow_id, versions in seen.items()} == made
        report(f"{expected} versions, {len(watch.changes) - expected} repeats, {resumed} times resumed")
        watch.stop()
