"""States that are stored against each other read as they were saved, whoever asks, and damage is told."""

import random

import grpc
import pytest
from flowstate.v1 import types_pb2
from google.rpc import error_details_pb2

from errors import refused
from postgresql import session
from processes import eventually

# One byte of the latest version of a flow with twelve.
DAMAGE = """UPDATE flowstate.flow_version SET state = set_byte(state, octet_length(state) / 2,
    255 - get_byte(state, octet_length(state) / 2)) WHERE version = 12"""
WORDS = "agent answer balance cancel customer deliver invoice ledger message order".split()


def conversation(turns, seed=5):
    generator = random.Random(seed)
    messages = []
    for turn in range(turns):
        text = " ".join(generator.choice(WORDS) for _ in range(60))
        messages.append(f'{{"turn":{turn},"text":"{text}"}}')
        yield f'{{"turns":{turn + 1},"messages":[{",".join(messages)}]}}'.encode()


def number(server, sql):
    with session(server) as opened:
        return int(opened.execute(sql)[0])


@pytest.mark.parametrize("limits", [None, {"version-cache-bytes": 1, "base-fetch-bytes": 1}], ids=["default", "no cache"])
def test_a_conversation_outlives_its_server(start_server, limits):
    server = start_server(limits=limits)
    flows = server.flows("t")
    states = list(conversation(90))
    for turn, state in enumerate(states):
        flows.save("f", state, version_label=f"turn {turn}")
        if turn == 45:
            flows.CreateCheckpoint(flow_id="f", name="half")
            # What was known of the flow is gone.
            server.kill()
            server.start()
            server.close_channels()
            flows = server.flows("t")
    order = list(range(len(states)))
    random.Random(1).shuffle(order)
    for turn in order:
        assert flows.state("f", version=turn + 1) == states[turn]
        assert flows.state("f", version_label=f"turn {turn}") == states[turn]
    assert flows.state("f", checkpoint="half") == states[45]
    assert flows.state("f") == states[-1]
    assert flows.RestoreCheckpoint(flow_id="f", checkpoint="half").version == 91
    assert flows.state("f") == states[45]
    stored = number(server, "SELECT sum(octet_length(state)) FROM flowstate.flow_version")
    assert stored < sum(map(len, states)) / 15, "storage grows with what changes"


def damaged(server, states):
    """The flows of a tenant whose flow "f" has these states and whose newest one is damaged."""
    for state in states:
        server.flows("t").save("f", state)
    with session(server) as opened:
        opened.execute(DAMAGE)
    server.kill()
    server.start()
    server.close_channels()
    return server.flows("t")


def test_damage_is_told_by_flow_and_version(start_server):
    states = list(conversation(12))
    flows = damaged(start_server(), states)
    with refused(grpc.StatusCode.DATA_LOSS, "STATE_CORRUPT") as refusal:
        flows.load("f")
    assert '"f" version 12' in refusal.message
    assert dict(refusal.detail(error_details_pb2.ErrorInfo).metadata) == {"flow_id": "f", "version": "12"}
    assert flows.state("f", version=11) == states[10], "the others are not touched by it"
    assert flows.save("f", b'{"new":1}').version == 13, "nor is the next one"
    assert flows.state("f") == b'{"new":1}'


def test_an_error_of_a_damaged_version_is_kept(start_server):
    """An agent reports what broke; that the flow's latest version is damaged is no reason to forget it."""
    flows = damaged(start_server(), conversation(12))
    reported = flows.ReportError(flow_id="f", message="it broke")
    assert (reported.flow.version, reported.flow.status) == (13, "failed")
    assert flows.versions("f")[-1].event == types_pb2.VERSION_EVENT_ERROR_REPORTED
    with refused(grpc.StatusCode.DATA_LOSS, "STATE_CORRUPT"):
        flows.load("f")
    assert flows.save("f", b'{"new":1}').version == 14 and flows.state("f") == b'{"new":1}'


def test_queued_bytes(start_server):
    """`queued-bytes`: while the table is locked, states wait up to the limit, and the rest is told to come later."""
    server = start_server(limits={"queued-bytes": 200_000, "batch-operations": 1})
    flows = server.flows("t")
    flows.save("f")
    state = b'"%s"' % (b"x" * 50_000)
    with session(server) as opened:
        opened.execute("BEGIN; LOCK TABLE flowstate.flow IN ACCESS EXCLUSIVE MODE")
        message = flows.message("SaveState", flow_id="f", state=state)
        calls = [flows.stub.SaveState.future(message, metadata=flows.metadata, timeout=20) for _ in range(12)]
        eventually(lambda: sum(call.done() for call in calls) >= 6, what="six refusals")
        opened.execute("ROLLBACK")
    codes = [call.code() for call in calls]
    refusals = [call for call, code in zip(calls, codes) if code == grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert codes.count(grpc.StatusCode.OK) == 12 - len(refusals) >= 3
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED") as refusal:
        raise refusals[0].exception()
    assert "the limit is 200000 bytes" in refusal.message


def test_a_large_flow_is_stored_as_patches_without_a_cache_for_it(start_server):
    """States larger than the cache keeps: what they are stored against is read before each save."""
    server = start_server(limits={"version-cache-bytes": 1 << 20})
    flows = server.flows("t")
    generator = random.Random(2)
    words = [generator.choice(WORDS) for _ in range(150_000)]
    states = []
    for _ in range(6):
        words[generator.randrange(len(words))] = "changed"
        states.append(b'"%s"' % " ".join(words).encode())
        flows.save("f", states[-1])
    assert number(server, "SELECT count(*) FROM flowstate.flow_version WHERE codec = 2") == 5
    for version, state in enumerate(states, 1):
        assert flows.state("f", version=version) == state
