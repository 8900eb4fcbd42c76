"""The largest state there can be, over connections that break: it arrives whole, and the server's memory stays flat. For a release build."""

import random
import time

import grpc
import pytest
from flowstate.v1 import state_pb2

from observer import Observer
from transfers import BreakingLink, digest, requests

SIZE = 256 << 20
#: Of the server, at its peak.
MEGABYTES = 150
CUTS = 10


@pytest.fixture(scope="module")
def state():
    rng = random.Random(7)
    return b"".join(rng.randbytes(1 << 20) for _ in range(SIZE >> 20))


def channel(port):
    return grpc.insecure_channel(f"127.0.0.1:{port}", options=[
        ("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200),
        ("grpc.max_receive_message_length", -1)])


def upload(flows, state):
    """As a client does that knows the contract alone: the saved version."""
    while True:
        try:
            offset = flows.GetUpload(flow_id="large", upload_id="u").received_bytes
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                continue
            assert error.code() == grpc.StatusCode.NOT_FOUND
            offset = 0
        stream = requests("large", state, chunk=1 << 20, size=SIZE, digest=digest(state), upload_id="u", offset=offset, idempotency_key="k")
        try:
            return flows.stub.UploadState(stream, metadata=flows.metadata, timeout=300).saved
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error


def download(flows, _):
    came = bytearray()
    while True:
        request = state_pb2.DownloadStateRequest(load={"flow_id": "large"}, offset=len(came), chunk_bytes=1 << 20)
        try:
            for answer in flows.stub.DownloadState(request, metadata=flows.metadata, timeout=300):
                came += answer.chunk
            return came
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error


def test_a_state_of_256_mib_over_a_connection_that_breaks(start_server, state, capsys):
    server = start_server()
    observer = Observer(server.process.pid)
    observer.forget_peak()
    told = []
    for name, work, cuts in [("up, whole", upload, 0), ("down, whole", download, 0), ("up", upload, CUTS), ("down", download, CUTS)]:
        with BreakingLink(server.host_port).serving() as link, channel(link.port) as broken:
            flows = server.flows(tenant="t", channel=broken)
            if name == "up":
                server.flows(tenant="t").DeleteFlow(flow_id="large")
                flows = server.flows(tenant="u", channel=broken)
            elif name == "down":
                flows = server.flows(tenant="u", channel=broken)
            if cuts:
                link.cut_again(SIZE // (cuts + 1), times=cuts)
            begin = time.monotonic()
            answer = work(flows, state)
            seconds = time.monotonic() - begin
            assert link.cuts == cuts
        assert (answer.digest if work is upload else digest(bytes(answer))) == digest(state)
        told.append(f"{name}: {SIZE / seconds / 1e6:.0f} MB/s, {link.cuts} cuts, peak {observer.memory()[1]} MB")
    with capsys.disabled():
        print("\n" + "\n".join(told))
    assert observer.memory()[1] < MEGABYTES
