"""Flows with one writer each, through kills of everything: what must be there is known exactly."""

import itertools
import json
import time

import grpc

from long_run import SEED, UNKNOWN_OUTCOME, digest, generator

KEPT_CHECKPOINTS = 3
#: By type, how many versions stay.
KEPT_VERSIONS = {"kept": 3, "latest-only": 1}
DEFINITIONS = [
    json.dumps({"flow_type": name, "retention": {"versions": versions, "checkpoints": KEPT_CHECKPOINTS, "quarantined": 2}}).encode()
    for name, versions in KEPT_VERSIONS.items()]
TENANT = "chaos"
#: Nothing is away for longer.
PATIENCE = 60


class Endpoints:
    """Clients of both servers, on ports that stay the same when a server is started again."""

    def __init__(self, servers):
        self.servers = servers

    def clients(self):
        return [server.flows(TENANT) for server in self.servers]


class Writer:
    """Saves, checkpoints and restores of one flow, one after the other; each is repeated until its outcome is known."""

    def __init__(self, number, endpoints, counts):
        self.flow_id, self.number, self.counts = f"flow-{number}", number, counts
        self.flow_type = list(KEPT_VERSIONS)[number % 2]
        self.clients = endpoints.clients()
        self.rng = generator("chaos", number)
        self.counter = itertools.count()
        #: By version, the digest of its state.
        self.digests = {}
        self.latest = 0
        #: Oldest first: name and version.
        self.checkpoints = []
        self.pad = json.dumps([self.rng.random() for _ in range([5, 500, 20_000, 20_000][number % 4])])

    def __call__(self, callers):
        steps = [
            *[self.save] * 6, self.checkpoint, self.save_with_checkpoint, self.restore, self.load, self.load, self.load_checkpoint]
        while callers.is_going() or not self.latest:
            self.rng.choice(steps)()

    def until_known(self, what, call, fitting=()):
        """The answer of a call that is made until its outcome is known; None: it was refused with a code that fits."""
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                answer = call(self.rng.choice(self.clients))
                self.counts[what] += 1
                return answer
            except grpc.RpcError as error:
                if error.code() in fitting:
                    self.counts[f"{what}: {error.code().name}"] += 1
                    return None
                known = f"{self.flow_id}: {what}: {error.code().name}: {error.details()} (seed {SEED})"
                assert error.code() in UNKNOWN_OUTCOME, known
                assert time.monotonic() < ends, f"no outcome for {PATIENCE} s; {known}"
                self.counts["repeated"] += 1
                time.sleep(0.05)

    def state(self):
        return json.dumps({"flow": self.flow_id, "n": next(self.counter), "t": "x" * self.rng.randrange(50)}).encode()[:-1] + (
            b', "pad": ' + self.pad.encode() + b"}")

    def key(self):
        return f"{self.flow_id}-{next(self.counter)}"

    def acknowledge(self, version, state_digest):
        assert version == self.latest + 1, f"{self.flow_id}: version {version} after {self.latest} (seed {SEED})"
        self.latest, self.digests[version] = version, state_digest

    def save(self, **fields):
        state, key = self.state(), self.key()
        reply = self.until_known("save", lambda client: client.save(
            self.flow_id, state, flow_type=self.flow_type, idempotency_key=key, timeout=10, **fields))
        self.acknowledge(reply.version, digest(state))

    def save_with_checkpoint(self):
        name = self.key()
        self.save(checkpoint={"name": name})
        self.checkpoints.append((name, self.latest))

    def checkpoint(self):
        if not self.latest:
            return
        name = self.key()
        self.until_known("checkpoint", lambda client: client.CreateCheckpoint(flow_id=self.flow_id, name=name, timeout=10), {
            grpc.StatusCode.ALREADY_EXISTS})
        self.checkpoints.append((name, self.latest))

    def restore(self):
        if not self.checkpoints:
            return
        name, version = self.rng.choice(self.checkpoints[-KEPT_CHECKPOINTS:])
        key = self.key()
        reply = self.until_known("restore", lambda client: client.RestoreCheckpoint(
            flow_id=self.flow_id, checkpoint=name, idempotency_key=key, timeout=10))
        assert reply.restored_version == version, f"{self.flow_id}: {name} restored {reply.restored_version}, not {version} (seed {SEED})"
        self.acknowledge(reply.version, self.digests[version])

    def load(self):
        if not self.latest:
            return
        snapshot = self.until_known("load", lambda client: client.load(self.flow_id, timeout=10))
        self.compare(snapshot, self.latest, "the latest")

    def load_checkpoint(self):
        if self.checkpoints:
            name, version = self.rng.choice(self.checkpoints[-KEPT_CHECKPOINTS:])
            self.compare(self.until_known("load", lambda client: client.load(self.flow_id, checkpoint=name, timeout=10)), version, name)

    def compare(self, snapshot, version, what):
        assert snapshot.version.version == version, f"{self.flow_id}: {what} is {snapshot.version.version}, not {version} (seed {SEED})"
        is_right = digest(snapshot.state) == self.digests[version]
        assert is_right, f"{self.flow_id}: {what}, version {version}, is not what was saved (seed {SEED})"

    def check(self, client):
        """Afterwards, with everything at rest."""
        self.compare(client.load(self.flow_id), self.latest, "the latest")
        versions = [each.version for each in client.versions(self.flow_id)]
        newest = list(range(max(1, self.latest - KEPT_VERSIONS[self.flow_type] + 1), self.latest + 1))
        assert versions[-len(newest):] == newest, f"{self.flow_id}: versions {versions[-5:]}, of {newest} (seed {SEED})"
        for version in versions:
            self.compare(client.load(self.flow_id, version=version), version, "a version that is listed")
        listed = [each.name for each in client.ListCheckpoints(flow_id=self.flow_id, page_size=1000).checkpoints]
        made = [name for name, _ in reversed(self.checkpoints)]
        kept = made[:KEPT_CHECKPOINTS]
        assert listed[:len(kept)] == kept, f"{self.flow_id}: checkpoints {listed[:6]}, of {made[:6]} (seed {SEED})"
        assert listed == [name for name in made if name in set(listed)], f"{self.flow_id}: the order of {listed} (seed {SEED})"
        of = dict(self.checkpoints)
        for name in listed:
            self.compare(client.load(self.flow_id, checkpoint=name), of[name], name)
        for name in listed:
            restored = client.RestoreCheckpoint(flow_id=self.flow_id, checkpoint=name)
            self.acknowledge(restored.version, self.digests[of[name]])
            self.compare(client.load(self.flow_id), self.latest, f"{name}, restored")
        return len(versions), len(listed)


def reader(number, endpoints, writers, counts):
    """Loads flows that others write: what was acknowledged before must be seen, and nothing healthy is lost."""
    def run(callers):
        rng, clients = generator("reader", number), endpoints.clients()
        while callers.is_going():
            writer = rng.choice(writers)
            acknowledged = writer.latest
            try:
                snapshot = rng.choice(clients).load(writer.flow_id, timeout=10) if acknowledged else None
            except grpc.RpcError as error:
                assert error.code() in UNKNOWN_OUTCOME, f"{writer.flow_id}: load: {error.code().name}: {error.details()} (seed {SEED})"
                continue
            if snapshot:
                version = snapshot.version.version
                assert version >= acknowledged, f"{writer.flow_id}: {version} was loaded after {acknowledged} (seed {SEED})"
                expected = writer.digests.get(version)
                is_right = expected in (None, digest(snapshot.state))
                assert is_right, f"{writer.flow_id}: version {version} is not what was saved (seed {SEED})"
                counts["loads of readers"] += 1

    return run


def cleaner(endpoints, counts):
    """Cleans up all the time, through either server."""
    def run(callers):
        rng, clients = generator("cleaner"), endpoints.clients()
        while callers.is_going():
            try:
                removed = rng.choice(clients).Cleanup(max_rows=rng.choice([0, 1, 7, 50]), timeout=rng.choice([0.2, 10]))
                counts["versions removed"] += removed.versions
                counts["checkpoints removed"] += removed.checkpoints
            except grpc.RpcError as error:
                assert error.code() in UNKNOWN_OUTCOME, f"Cleanup: {error.code().name}: {error.details()} (seed {SEED})"
                counts["clean-ups cut off"] += 1
            callers.pause(0.05)

    return run


def killer(blows, counts, pause):
    """Blow after blow, with pauses in which everything comes back."""
    def run(callers):
        rng = generator("killer")
        callers.pause(1)
        while callers.is_going():
            blow = rng.choice(blows)
            blow(rng)
            counts[blow.__name__] += 1
            callers.pause(rng.uniform(*pause))

    return run
