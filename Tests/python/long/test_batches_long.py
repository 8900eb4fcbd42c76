"""Atomic batches of a hundred flows that overlap, through two servers: money is neither made nor lost, and a batch leaves its mark in all of
its flows or in none."""

import collections
import json
import threading
import time

import grpc
import pytest
from flowstate.v1 import state_pb2

from long_run import SECONDS, SEED, UNKNOWN_OUTCOME, Callers, generator, percentile
from postgresql import Session

CLIENTS, ACCOUNTS, SIZE, BALANCE = 16, 400, 100, 1_000
#: Each call's, in seconds; how much later it may return.
DEADLINE, SLACK = 15, 1
NAMES = [f"account-{number:03}" for number in range(ACCOUNTS)]
#: PostgreSQL looks for a deadlock after this time: statements give up a lock before its default of a second.
SETTINGS = {"deadlock_timeout": "10ms"}


class Outcomes:
    """What all clients were told."""

    def __init__(self):
        self.lock = threading.Lock()
        self.times = {"transfer": [], "mark": [], "refused": [], "read": []}
        #: By the id of a batch, its flows.
        self.made, self.unknown, self.refused = {}, {}, {}
        self.codes, self.late = collections.Counter(), []


class Client:
    """One batch after the other, now through the one server, now through the other."""

    def __init__(self, number, clients, outcomes):
        self.number, self.clients, self.outcomes = number, clients, outcomes
        self.rng, self.count = generator("batches", number), 0

    def __call__(self, callers):
        while callers.is_going():
            self.flows = self.rng.choice(self.clients)
            self.count += 1
            self.id = f"batch-{self.number}-{self.count}"
            self.names = self.rng.sample(NAMES, SIZE)
            self.rng.choice([self.transfer, self.transfer, self.mark, self.refused, self.read])()

    def call(self, what, call):
        """What it answered; None when it was refused for a reason that fits."""
        began = time.monotonic()
        try:
            return call()
        except grpc.RpcError as error:
            with self.outcomes.lock:
                self.outcomes.codes[f"{what}: {error.code().name}"] += 1
            if error.code() in UNKNOWN_OUTCOME:
                self.outcomes.unknown[self.id] = self.names
            else:
                self.outcomes.refused[self.id] = self.names
                assert error.code() == grpc.StatusCode.ABORTED, f"{what}: {error.code().name}: {error.details()} (seed {SEED})"
            return None
        finally:
            took = time.monotonic() - began
            self.outcomes.times[what].append(took)
            if took > DEADLINE + SLACK:
                self.outcomes.late.append((what, round(took, 1)))

    def save(self, what, saves):
        """All in one commit; `version_label` is the mark."""
        saves = [{"version_label": self.id, **save} for save in saves]
        reply = self.call(what, lambda: self.flows.BatchSaveState(mode=state_pb2.BATCH_MODE_ATOMIC, saves=saves, timeout=DEADLINE))
        if reply is not None:
            assert [result.WhichOneof("result") for result in reply.results] == ["saved"] * SIZE
            self.outcomes.made[self.id] = self.names
        return reply

    def transfer(self):
        """From one account to 99 others, if none of them has changed since they were read."""
        loads = [{"flow_id": name} for name in self.names]
        loaded = self.call("read", lambda: self.flows.BatchLoadState(loads=loads, timeout=DEADLINE))
        if loaded is None:
            return
        snapshots = [result.loaded.snapshot for result in loaded.results]
        amount, saves = self.rng.randrange(1, 9), []
        for place, (name, snapshot) in enumerate(zip(self.names, snapshots)):
            balance = json.loads(snapshot.state)["balance"] + (amount if place else -amount * (SIZE - 1))
            saves.append({
                "flow_id": name, "state": b'{"balance": %d}' % balance, "labels": {"balance": str(balance)},
                "expected_version": snapshot.version.version})
        self.save("transfer", saves)

    def mark(self):
        """Patches, which no other batch can make fail."""
        patch = json.dumps([{"op": "add", "path": "/marked_by", "value": self.id}]).encode()
        assert self.save("mark", [{"flow_id": name, "json_patch": patch} for name in self.names]) or self.id in self.outcomes.unknown

    def refused(self):
        """One that cannot be made, at a random place, stops all."""
        saves = [{"flow_id": name, "merge_patch": b'{"marked_by": "a batch that was refused"}'} for name in self.names]
        saves[self.rng.randrange(SIZE)]["expected_version"] = 1 << 40
        assert self.save("refused", saves) is None, f"a batch with a wrong version was made (seed {SEED})"

    def read(self):
        """One page is read at one moment."""
        page = self.call("read", lambda: self.flows.ListFlows(page_size=ACCOUNTS, timeout=DEADLINE))
        if page is not None:
            check_sum(page.flows)


def check_sum(flows):
    balances = [int(flow.labels["balance"]) for flow in flows]
    assert len(balances) == ACCOUNTS and sum(balances) == ACCOUNTS * BALANCE, f"{len(balances)}: {sum(balances)} (seed {SEED})"


@pytest.fixture
def servers(start_server, postgresql):
    database = postgresql(settings=SETTINGS)
    return database, [start_server(database_url=database.url) for _ in range(2)]


def test_overlapping_batches_through_two_servers(servers, report):
    database, servers = servers
    first, outcomes = servers[0].flows(tenant="bank"), Outcomes()
    first.BatchSaveState(mode=state_pb2.BATCH_MODE_ATOMIC, saves=[
        {"flow_id": name, "state": b'{"balance": %d}' % BALANCE, "labels": {"balance": str(BALANCE)}} for name in NAMES])
    clients = [[server.flows(tenant="bank") for server in servers] for _ in range(CLIENTS)]
    Callers(SECONDS, [Client(number, each, outcomes) for number, each in enumerate(clients)]).run()
    with Session(database.url) as session:
        session.execute("SELECT pg_stat_clear_snapshot()")
        [deadlocks] = session.execute("SELECT sum(deadlocks) FROM pg_stat_database")
    times = outcomes.times
    report(
        f"batches of {SIZE}: {len(outcomes.made)} made in {SECONDS:.0f} s ({len(outcomes.made) / SECONDS:.1f}/s), "
        f"{outcomes.codes or 'nothing'} refused, {deadlocks} deadlocks")
    for what, taken in times.items():
        report(f"  {what}: {len(taken)}, p50 {percentile(taken, 0.5)} ms, p99 {percentile(taken, 0.99)} ms, longest {percentile(taken, 1)} ms")
    assert not outcomes.late, f"calls returned after their deadline: {outcomes.late} (seed {SEED})"
    assert int(deadlocks) == 0 and outcomes.made
    check_marks(servers[1].flows(tenant="bank"), outcomes)


def check_marks(reader, outcomes):
    """Each batch is in all of its flows or in none, and what every flow says of itself agrees."""
    check_sum(reader.ListFlows(page_size=ACCOUNTS).flows)
    marked = collections.defaultdict(set)
    for name in NAMES:
        for version in reader.versions(name)[1:]:
            assert name not in marked[version.version_label], f"{version.version_label} is twice in {name} (seed {SEED})"
            marked[version.version_label].add(name)
    states = [json.loads(reader.state(name)) for name in NAMES]
    assert sum(state["balance"] for state in states) == ACCOUNTS * BALANCE
    for batch, names in outcomes.made.items():
        assert marked.pop(batch, None) == set(names), f"{batch} is not in all of its flows (seed {SEED})"
    assert not set(outcomes.refused) & set(marked), f"a batch that was refused left something (seed {SEED})"
    for batch, names in marked.items():
        assert names == set(outcomes.unknown[batch]), f"{batch}, of unknown outcome, is in {len(names)} flows (seed {SEED})"
    assert not any(state.get("marked_by", "").startswith("a batch that was refused") for state in states)
