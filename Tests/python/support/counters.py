"""Writers that race for counters, and the proof that none of their increments was lost or made twice."""

import json
import random
import threading

import grpc

LOST_RACE = grpc.StatusCode.ABORTED


def run_all(bodies):
    """Runs every body on a thread of its own; raises the first error."""
    errors = []

    def guarded(body):
        try:
            body()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(body,), daemon=True) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive(), "a writer does not come to an end"
    if errors:
        raise errors[0]


class Counters:
    """Flows whose state is `{"n": 3, "by": ["w1-0", …]}`: how often they were incremented, and by whom."""

    def __init__(self, flows, count):
        self.ids = [f"counter-{number}" for number in range(count)]
        self.acknowledged = {flow_id: {} for flow_id in self.ids}
        self.conflicts = 0
        self.lock = threading.Lock()
        for flow_id in self.ids:
            flows.save(flow_id, b'{"n": 0, "by": []}', expected_version=0)

    def writer(self, flows, name, increments):
        """load → modify → save with expected_version, again until it succeeds."""
        generator = random.Random(name)

        def run():
            for number in range(increments):
                flow_id, token = generator.choice(self.ids), f"{name}-{number}"
                version = self._increment(flows, flow_id, token)
                with self.lock:
                    assert version not in self.acknowledged[flow_id], "one version for two saves"
                    self.acknowledged[flow_id][version] = token

        return run

    def _increment(self, flows, flow_id, token):
        while True:
            snapshot = flows.load(flow_id)
            state = json.loads(snapshot.state)
            state = {"n": state["n"] + 1, "by": state["by"] + [token]}
            try:
                return flows.save(
                    flow_id, json.dumps(state).encode(), expected_version=snapshot.version.version).version
            except grpc.RpcError as error:
                if error.code() != LOST_RACE:
                    raise
                self.conflicts += 1

    def check(self, flows):
        """Every acknowledged increment is in the final state, once and in the order of the versions."""
        for flow_id, acknowledged in self.acknowledged.items():
            state = json.loads(flows.state(flow_id))
            versions = flows.versions(flow_id)
            assert state["by"] == [acknowledged[version] for version in sorted(acknowledged)]
            assert state["n"] == len(acknowledged)
            assert [version.version for version in versions] == list(range(1, len(acknowledged) + 2))
