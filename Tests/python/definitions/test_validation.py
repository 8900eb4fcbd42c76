"""ValidateState against the oracle: for thousands of states the server finds the same violations and warnings.

`FLOWSTATE_VALIDATION_STATES` says how many states, `FLOWSTATE_VALIDATION_SEED` which ones.
"""

import collections
import os

import grpc
from flowstate.v1 import lifecycle_pb2, lifecycle_pb2_grpc

from discovery_oracle import judge
from discovery_states import states

COUNT = int(os.environ.get("FLOWSTATE_VALIDATION_STATES", "10000"))
SEED = int(os.environ.get("FLOWSTATE_VALIDATION_SEED", "1"))
IN_FLIGHT = 64
#: After as many differences the rest is not asked for.
DIFFERENCES = 10
SHOWN_BYTES = 3_000
SHOWN_VIOLATIONS = 20


def request(text):
    return lifecycle_pb2.ValidateStateRequest(state=text, flow_type="unified_discovery")


def answers(server, flows, texts):
    """Yields the texts in order, each with what the server's future brings; several are in flight."""
    stub = lifecycle_pb2_grpc.FlowLifecycleServiceStub(server.channel())
    waiting = collections.deque()
    for text in texts:
        waiting.append((text, stub.ValidateState.future(request(text), metadata=flows.metadata, timeout=60)))
        if len(waiting) == IN_FLIGHT:
            yield waiting.popleft()
    yield from waiting


def difference(text, future):
    """What the server says otherwise than the oracle; empty: nothing."""
    try:
        response = future.result()
    except grpc.RpcError as error:
        return [f"refused with {error.code().name}: {error.details()}"]
    verdict = judge(text)
    found = []
    for kind, expected, violations in (
            ("error", verdict.errors, response.violations), ("warning", verdict.warnings, response.warnings)):
        actual = {(violation.path, violation.rule) for violation in violations}
        found += listed(f"missing {kind}", expected - actual) + listed(f"extra {kind}", actual - expected)
        found += [f"{kind} without a message: {violation.path!r} {violation.rule}"
                  for violation in violations if not violation.message]
    if response.valid != (not response.violations):
        found.append(f"valid is {response.valid} with {len(response.violations)} violations")
    if response.definition_revision < 1:
        found.append(f"definition_revision is {response.definition_revision}")
    return found


def listed(what, violations):
    lines = [f"{what}: {path!r} {rule}" for path, rule in sorted(violations)]
    return [line if len(line) < 500 else line[:500] + "…" for line in lines[:SHOWN_VIOLATIONS]] + [
        f"… and {len(lines) - SHOWN_VIOLATIONS} more"] * (len(lines) > SHOWN_VIOLATIONS)


def described(number, text, found):
    shown = repr(text[:SHOWN_BYTES]) + (f" … {len(text)} bytes" if len(text) > SHOWN_BYTES else "")
    return "\n".join([f"seed {SEED}, state {number}:", *["  " + line for line in found], "  " + shown])


def test_the_server_judges_as_the_oracle_does(server, flows):
    differences = []
    for number, (text, future) in enumerate(answers(server, flows, states(SEED, COUNT))):
        if found := difference(text, future):
            differences.append(described(number, text, found))
            if len(differences) == DIFFERENCES:
                break
    assert not differences, f"{len(differences)} of the first {number + 1} states:\n" + "\n".join(differences)
