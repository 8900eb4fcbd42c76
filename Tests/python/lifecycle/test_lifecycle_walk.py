"""Random walks through the life of flows, with stale versions, rivals and crashes in between, against a model.

The model knows the rules of `unified_discovery` and nothing of how the server keeps them. After each walk the whole history of
the flow is read: no transition that the rules forbid was stored, and every error that was acknowledged is there.
"""

import json
import random
import uuid

import grpc
import pytest

SEEDS = range(4)
STEPS = 60
MIDDLE = [
    "data_import", "field_mapping", "data_cleansing", "asset_creation", "asset_inventory", "dependency_analysis",
    "tech_debt_analysis"]
PHASES = ["initialization", *MIDDLE, "completed"]
STATUSES = ["running", "paused", "waiting_for_user", "failed", "completed"]
REFUSED, CONFLICT = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Model:
    """Where the flow is, and what may happen to it."""

    def __init__(self):
        self.version, self.phase, self.status = 1, "initialization", "running"
        self.complete, self.errors = set(), []

    def may_enter(self, phase):
        here, there = PHASES.index(self.phase), PHASES.index(phase)
        done = self.complete | ({"initialization"} if self.phase == "initialization" else set())
        return self.status != "completed" and there > here and all(other in done for other in PHASES[:there])

    def may_complete(self, phase):
        return self.status != "completed" and PHASES.index(phase) <= PHASES.index(self.phase)

    def may_get(self, status):
        return self.status != "completed"

    def enter(self, phase):
        if self.phase == "initialization":
            self.complete.add("initialization")
        self.phase = phase


class Walk:
    def __init__(self, server, seed):
        self.server, self.random = server, random.Random(seed)
        self.model = Model()
        self.flow_id = f"walk-{seed}"
        self.flows = server.flows()
        state = {
            "flow_id": self.flow_id, "client_account_id": str(uuid.UUID(int=seed)), "current_phase": "initialization",
            "status": "running", "progress_percentage": 0, "phase_completion": {phase: False for phase in MIDDLE}, "errors": []}
        self.flows.CreateFlow(
            flow_id=self.flow_id, flow_type="unified_discovery", state=json.dumps(state).encode(), phase="initialization",
            status="running")

    def call(self, name, allowed, apply, **fields):
        """One call, repeated with its key until it is answered; the model takes what was acknowledged."""
        stale = self.random.random() < 0.15 and name != "ReportError"
        if stale:
            fields["expected_version"] = max(1, self.model.version - self.random.randint(1, 3))
            stale = fields["expected_version"] != self.model.version
        elif self.random.random() < 0.5 and name != "ReportError":
            fields["expected_version"] = self.model.version
        fields["idempotency_key"] = f"{self.flow_id}-{self.random.random()}"
        if self.random.random() < 0.06:
            self.crash()
        while True:
            try:
                reply = getattr(self.flows, name)(flow_id=self.flow_id, **fields)
                break
            except grpc.RpcError as error:
                if error.code() in LOST:
                    self.server.wait_until_healthy()
                    continue
                assert error.code() == (CONFLICT if stale else REFUSED), f"{name} {fields}: {error.code()} {error.details()}"
                assert stale or not allowed, f"{name} {fields} was refused: {error.details()}"
                return
        assert allowed and not stale, f"{name} {fields} was allowed in {vars(self.model)}"
        apply()
        self.model.version += 1
        assert reply.flow.version == self.model.version or reply.replayed

    def crash(self):
        _, port = self.server.host_port
        self.server.kill()
        self.server.start(port)
        self.server.wait_until_healthy()

    def step(self):
        model, kind = self.model, self.random.random()
        if kind < 0.35:
            phase = self.random.choice(PHASES + 3 * [PHASES[min(PHASES.index(model.phase) + 1, len(PHASES) - 1)]])
            self.call("TransitionPhase", model.may_enter(phase), lambda: model.enter(phase), phase=phase)
        elif kind < 0.65:
            phase = self.random.choice(MIDDLE + 9 * [model.phase])
            self.call("CompletePhase", model.may_complete(phase), lambda: model.complete.add(phase), phase=phase)
        elif kind < 0.85:
            message = f"error {self.random.random()}"

            def report():
                model.errors.append(message)
                if model.status != "completed":
                    model.status = "failed"

            self.call("ReportError", True, report, message=message)
        else:
            # Completed ends the walk, so it comes last.
            status = self.random.choice(STATUSES[:3])
            self.call("SetStatus", model.may_get(status), lambda: setattr(model, "status", status), status=status)

    def check(self):
        model = self.model
        snapshot = self.flows.load(self.flow_id)
        state = json.loads(snapshot.state)
        assert (snapshot.flow.version, snapshot.flow.phase, snapshot.flow.status) == (model.version, model.phase, model.status)
        assert (state["current_phase"], state["status"]) == (model.phase, model.status)
        assert {phase for phase, done in state["phase_completion"].items() if done} == model.complete
        assert [entry["error"] for entry in state["errors"]] == model.errors, "an error report was lost"

    def check_history(self):
        """Each transition that was stored leads forward, from where the flow was then."""
        phase, complete = "initialization", set()
        for number, version in enumerate(self.flows.versions(self.flow_id), 1):
            assert version.version == number
            state = json.loads(self.flows.state(self.flow_id, version=number))
            if state["current_phase"] != phase:
                assert PHASES.index(state["current_phase"]) > PHASES.index(phase)
                required = set(PHASES[:PHASES.index(state["current_phase"])])
                assert required <= complete | {"initialization"}, f"version {number}"
                phase = state["current_phase"]
            complete = {name for name, done in state["phase_completion"].items() if done}


@pytest.mark.parametrize("seed", SEEDS)
def test_walk(start_server, seed):
    print(f"seed {seed}")
    walk = Walk(start_server(), seed)
    for _ in range(STEPS):
        walk.step()
        walk.check()
    model = walk.model
    walk.call("SetStatus", True, lambda: setattr(model, "status", "completed"), status="completed")
    for _ in range(8):
        walk.step()
    walk.check()
    walk.check_history()
