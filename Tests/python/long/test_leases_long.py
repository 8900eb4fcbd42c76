"""A thousand contenders for one lease, of which some stand still for longer than it lasts."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import long_run

PROCESSES, EACH = 10, 100


def test_a_thousand_contenders(start_server, postgresql, report):
    database = postgresql()
    servers = [start_server(database_url=database.url) for _ in range(2)]
    flows = servers[0].flows(tenant="contended")
    flows.save("one", b"{}")
    seconds = min(long_run.SECONDS, 60)
    script = pathlib.Path(__file__).with_name("contender.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    contenders = [
        subprocess.Popen([sys.executable, str(script), servers[number % 2].endpoint, str(EACH), str(seconds), str(number)],
                         stdout=subprocess.PIPE, text=True, env=environment) for number in range(PROCESSES)]
    chance, end, stops = random.Random(long_run.SEED), time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            stopped = chance.choice(contenders)
            stopped.send_signal(signal.SIGSTOP)
            # Longer than a lease lasts.
            time.sleep(1.2 + chance.random())
            stopped.send_signal(signal.SIGCONT)
            stops += 1
        results = [json.loads(each.communicate(timeout=120)[0]) for each in contenders]
    finally:
        for each in contenders:
            each.send_signal(signal.SIGCONT)
            each.kill()
            each.wait()
    assert not [failure for result in results for failure in result["failed"]]
    given = dict(tuple(each) for result in results for each in result["given"])
    # No two had the same token.
    assert all(given[token] == holder for result in results for token, holder in result["given"])
    saved = 0
    last = 0
    for version in flows.versions("one")[1:]:
        token = json.loads(flows.state("one", version=version.version))["token"]
        assert token >= last, f"version {version.version} was saved with token {token}, after {last}"
        last, saved = token, saved + 1
    lost = sum(result["lost"] for result in results)
    assert saved > 0
    report(f"{len(given)} leases of {PROCESSES * EACH} contenders, {stops} pauses, {saved} saves, {lost} refused for a lost lease")
