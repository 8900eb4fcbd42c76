"""Callers of many flows through two servers, and what they were told of each version."""

import collections
import itertools
import json
import threading
import time

import grpc

from long_run import SEED, UNKNOWN_OUTCOME, digest, generator

#: States of a flow that are compared byte for byte afterwards, beside the newest.
READ_BACK = 200
PHASES = ["p1", "p2", "p3", "p4"]
#: Refusals that belong to what is asked: another caller was first, or the flow has ended.
FITTING = {
    grpc.StatusCode.ABORTED, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED}
DEFINITION = json.dumps({
    "flow_type": "kind", "paths": {"phase": "/phase", "status": "/status", "errors": "/errors", "results": "/{phase}_results"},
    "phases": [{"name": name} for name in PHASES], "statuses": [{"name": "running"}, {"name": "failed", "error": True}],
    "labels": {"caller": "/caller"}}).encode()


class Flow:
    """A flow's id, and what is known of its versions."""

    def __init__(self, tenant, flow_id):
        self.tenant, self.id = tenant, flow_id
        self.lock = threading.Lock()
        #: By version: who made it, with which call, and the digest of its state if that is known.
        self.acknowledged = {}
        #: Calls whose outcome is not known; each may have made a version.
        self.unknown = 0
        self.latest_of = collections.Counter()
        self.ended = False

    def acknowledge(self, version, caller, what, state=None):
        with self.lock:
            other = self.acknowledged.get(version)
            assert other is None, f"{self.id}: version {version} for {what} and {other} (seed {SEED})"
            self.acknowledged[version] = (caller, what, state and digest(state))
            assert version > self.latest_of[caller], f"{self.id}: {what} made {version} after {self.latest_of[caller]} (seed {SEED})"
            self.latest_of[caller] = version


class Table:
    """The flows in use; one that was deleted is replaced by a new one."""

    def __init__(self, tenants, count):
        self.numbers = itertools.count()
        self.flows, self.all = {}, []
        self.tenants, self.count = tenants, count
        for tenant in tenants:
            for place in range(count):
                self.replace(tenant, place)

    def replace(self, tenant, place):
        flow = Flow(tenant, f"flow-{place}-{next(self.numbers)}")
        self.flows[tenant, place] = flow
        self.all.append(flow)
        return flow


class Caller:
    """One call after the other, of every kind, now through the one server, now through the other."""

    def __init__(self, number, table, clients, times, refusals):
        self.number, self.table, self.clients = number, table, clients
        self.times, self.refusals = times, refusals
        self.rng = generator("two servers", number)
        self.counter = itertools.count()

    def __call__(self, callers):
        steps = [
            *[self.save] * 6, *[self.save_with_key] * 3, *[self.save_with_checkpoint] * 3, self.save_of_parent, self.save_expecting,
            self.merge, self.json_patch, self.set_status, self.transition, self.complete, self.report, self.checkpoint, self.restore,
            self.batch, self.create, self.create_in_use, self.key_on_both]
        while callers.is_going():
            place = self.rng.choice(list(self.table.flows))
            self.tenant, self.place = place
            self.flow = self.table.flows[place]
            self.client = self.rng.choice(self.clients)[self.tenant]
            step = self.delete if self.rng.random() < 0.01 else self.rng.choice(steps)
            self.take(step)

    def take(self, step):
        began = time.monotonic()
        try:
            step()
        except grpc.RpcError as error:
            if error.code() in UNKNOWN_OUTCOME:
                with self.flow.lock:
                    self.flow.unknown += 1
            if error.code() not in FITTING:
                self.refusals[f"{step.__name__}: {error.code().name}: {error.details()[:120]}"] += 1
        self.times.append(time.monotonic() - began)

    def state(self):
        size = self.rng.choice([10, 10, 1_000, 20_000])
        return json.dumps({
            "caller": f"c{self.number}", "n": next(self.counter), "phase": self.rng.choice(PHASES), "pad": "x" * size}).encode()

    def name(self):
        return f"{self.number}-{next(self.counter)}"

    def _save(self, **fields):
        state, flow = self.state(), self.flow
        reply = self.client.save(flow.id, state, flow_type="kind", **fields)
        flow.acknowledge(reply.version, self.number, "a save", state)
        return reply

    def save(self):
        self._save(labels={"x": self.name()} if self.rng.random() < 0.3 else {})

    def save_with_key(self):
        self._save(idempotency_key=self.name())

    def save_with_checkpoint(self):
        self._save(checkpoint={"name": self.name()}, idempotency_key=self.rng.choice(["", self.name()]))

    def save_of_parent(self):
        latest = self.client.load(self.flow.id).version.version
        self._save(parent_version=latest, version_label=self.name(), metadata=b'{"by":"parent"}')

    def save_expecting(self):
        latest = self.client.load(self.flow.id).version.version
        self._save(expected_version=latest)

    def key_on_both(self):
        """One save sent through both servers at once: one version."""
        state, flow, key = self.state(), self.flow, self.name()
        calls = []
        for client in self.clients:
            client = client[self.tenant]
            request = client.message("SaveState", flow_id=flow.id, flow_type="kind", state=state, idempotency_key=key)
            calls.append(client.stub.SaveState.future(request, metadata=client.metadata, timeout=30))
        replies = [call.result() for call in calls if call.exception() is None]
        if not replies:
            raise calls[0].exception()
        versions = {reply.version for reply in replies}
        assert len(versions) == 1, f"{flow.id}: one key made {versions} (seed {SEED})"
        assert sum(not reply.replayed for reply in replies) <= 1, f"{flow.id}: one key was applied twice (seed {SEED})"
        flow.acknowledge(versions.pop(), self.number, "a save through both servers", state)

    def merge(self):
        flow = self.flow
        reply = self.client.SaveState(flow_id=flow.id, merge_patch=b'{"merged":"%s"}' % self.name().encode())
        flow.acknowledge(reply.version, self.number, "a merge patch")

    def json_patch(self):
        flow = self.flow
        operations = json.dumps([{"op": "add", "path": "/patched", "value": self.name()}]).encode()
        flow.acknowledge(self.client.SaveState(flow_id=flow.id, json_patch=operations).version, self.number, "a JSON Patch")

    def set_status(self):
        flow = self.flow
        reply = self.client.SetStatus(flow_id=flow.id, status="running", set_labels={"s": self.name()}, progress=self.rng.randrange(101))
        flow.acknowledge(reply.flow.version, self.number, "a status")

    def transition(self):
        flow = self.flow
        reply = self.client.TransitionPhase(flow_id=flow.id, phase=self.rng.choice(PHASES), force=True)
        flow.acknowledge(reply.flow.version, self.number, "a transition")

    def complete(self):
        flow = self.flow
        reply = self.client.CompletePhase(flow_id=flow.id, phase=self.rng.choice(PHASES), results=b'{"r":1}')
        flow.acknowledge(reply.flow.version, self.number, "a completion")

    def report(self):
        flow = self.flow
        flow.acknowledge(self.client.ReportError(flow_id=flow.id, message=self.name()).flow.version, self.number, "an error report")

    def checkpoint(self):
        self.client.CreateCheckpoint(flow_id=self.flow.id, name=self.name())

    def restore(self):
        flow = self.flow
        checkpoints = self.client.ListCheckpoints(flow_id=flow.id, page_size=5).checkpoints
        if checkpoints:
            reply = self.client.RestoreCheckpoint(flow_id=flow.id, checkpoint=self.rng.choice(checkpoints).id)
            flow.acknowledge(reply.version, self.number, "a restore")

    def batch(self):
        """Several flows of the tenant in one call, in any order."""
        places = [place for place in self.table.flows if place[0] == self.tenant]
        flows = [self.table.flows[place] for place in self.rng.sample(places, 4)]
        states = [self.state() for _ in flows]
        saves = [{"flow_id": flow.id, "state": state, "flow_type": "kind"} for flow, state in zip(flows, states)]
        results = self.client.BatchSaveState(saves=saves, mode=self.rng.choice([1, 2])).results
        for flow, state, result in zip(flows, states, results):
            if result.WhichOneof("result") == "saved":
                flow.acknowledge(result.saved.version, self.number, "a save of a batch", state)

    def create(self):
        """A flow of its own, that only this caller knows."""
        flow, state = Flow(self.tenant, "created-" + self.name()), self.state()
        self.table.all.append(flow)
        self.flow = flow
        reply = self.client.CreateFlow(flow_id=flow.id, state=state, flow_type="kind", idempotency_key=self.rng.choice(["", flow.id]))
        flow.acknowledge(reply.version, self.number, "a creation", state)

    def create_in_use(self):
        """A flow that others save to: it is there, or appears at the same moment."""
        flow, state = self.flow, self.state()
        reply = self.client.CreateFlow(flow_id=flow.id, state=state, flow_type="kind")
        flow.acknowledge(reply.version, self.number, "a creation", state)

    def delete(self):
        flow = self.flow
        self.table.replace(self.tenant, self.place)
        flow.acknowledge(self.client.DeleteFlow(flow_id=flow.id).version, self.number, "a deletion")


def check(flow, client):
    """Every version that was acknowledged is there once, with its state, and no more than could have been made."""
    versions = client.versions(flow.id) if flow.acknowledged else []
    numbers = [version.version for version in versions]
    assert numbers == list(range(1, len(numbers) + 1)), f"{flow.id}: versions {numbers[:20]}… are not dense (seed {SEED})"
    lost = set(flow.acknowledged) - set(numbers)
    assert not lost, f"{flow.id}: acknowledged versions {sorted(lost)[:10]} are lost (seed {SEED})"
    extra = len(numbers) - len(flow.acknowledged)
    assert extra <= flow.unknown, (
        f"{flow.id}: {extra} versions more than were acknowledged, {flow.unknown} of unknown outcome (seed {SEED})")
    known = [version for version, (_, _, expected) in flow.acknowledged.items() if expected]
    for version in {*known[-10:], *generator("check", flow.id).sample(known, min(len(known), READ_BACK))}:
        _, what, expected = flow.acknowledged[version]
        stored = client.state(flow.id, version=version)
        assert digest(stored) == expected, f"{flow.id}: version {version}, {what}, is not what was saved (seed {SEED})"
    return len(numbers)
