"""10,000 calls of every built kind at once, good and bad: each is answered, with OK or a status that fits.

Under AddressSanitizer (`make sanitize`) this is the proof for the C boundary: nghttp2, protobuf-c, libpq.
"""

import concurrent.futures
import random

import grpc
import pytest

CALLS = 10_000
WORKERS = 16
FLOWS = 40
FITTING = {
    grpc.StatusCode.ABORTED, grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.DEADLINE_EXCEEDED,
}


def one_call(flows, rng, number):
    flow = f"mixed-{rng.randrange(FLOWS)}"
    state = b'{"number":%d,"text":"%s"}' % (number, b"\\u0000\xc3\xa9\\ud800" * rng.randrange(300))
    kind = rng.randrange(14)
    if kind < 3:
        flows.save(flow, state, labels={"kind": str(kind)})
    elif kind == 3:
        flows.save(flow, state, expected_version=rng.randrange(20), idempotency_key=f"key-{rng.randrange(500)}")
    elif kind == 4:
        flows.save(flow, state, checkpoint={"name": f"c{rng.randrange(9)}"}, metadata=b'{"by":"mixed"}')
    elif kind < 7:
        flows.load(flow)
    elif kind == 7:
        flows.load(flow, version=rng.randrange(-1, 30))
    elif kind == 8:
        flows.ListVersions(flow_id=flow, page_size=rng.randrange(5))
    elif kind == 9:
        flows.ListFlows(page_size=7, filter={"labels": {"kind": "1"}})
    elif kind == 10:
        flows.RestoreCheckpoint(flow_id=flow, checkpoint=f"c{rng.randrange(12)}")
    elif kind == 11:
        flows.save(flow, b'{"broken":')
    elif kind == 12:
        flows.BatchLoadState()
    else:
        flows.LoadState(flow_id=flow, timeout=0.0005)


@pytest.mark.parametrize("loops", [1, 3])
def test_ten_thousand_mixed_calls(start_server, loops):
    """Each worker has a connection, so that those of all event loops work on the same flows."""
    server = start_server(arguments=["--event-loops", str(loops)])
    seed = random.randrange(1 << 32)

    def work(worker):
        flows = server.flows(tenant="mixed")
        rng = random.Random(seed + worker)
        answered = 0
        for number in range(CALLS // WORKERS):
            try:
                one_call(flows, rng, number)
            except grpc.RpcError as error:
                assert error.code() in FITTING, f"{error.code()}: {error.details()} (seed {seed})"
            answered += 1
        return answered

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        assert sum(pool.map(work, range(WORKERS))) == CALLS
    assert server.flows(tenant="mixed").save("after", b"{}").version == 1
    server.stop()
