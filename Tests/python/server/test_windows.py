"""What calls leave behind on their connection: windows are given back, requests under way are counted."""

import grpc

from flowstate.v1 import state_pb2, state_pb2_grpc

from wire import SERVICE, Wire, message

MIB = 1 << 20


def test_calls_that_end_before_their_request_give_the_window_back(server):
    """64 MiB for methods that never read it, over a connection whose window is 16 MiB."""
    stub = state_pb2_grpc.FlowStateServiceStub(server.channel())
    large = state_pb2.SaveStateRequest(flow_id="f", state=b"x" * MIB).SerializeToString()
    no_such_method = server.channel().unary_unary(SERVICE + "NoSuchMethod")
    for _ in range(64):
        try:
            no_such_method(large, timeout=20)
            raise AssertionError("a method that no service has was answered")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error.details()
    saved = stub.SaveState(state_pb2.SaveStateRequest(
        flow_id="after", state=b"x" * 4 * MIB, content_type="application/octet-stream"), timeout=20)
    assert saved.version >= 1


def test_messages_that_are_too_large_give_the_window_back(server):
    stub = state_pb2_grpc.FlowStateServiceStub(server.channel())
    for _ in range(40):
        try:
            stub.SaveState(state_pb2.SaveStateRequest(flow_id="f", state=b"x" * 17 * MIB), timeout=20)
            raise AssertionError("17 MiB were taken")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error.details()
    assert stub.SaveState(state_pb2.SaveStateRequest(flow_id="after-large", state=b"1"), timeout=20).version >= 1


def test_whole_requests_that_never_end_are_counted(server):
    """Messages of 4 MiB on 40 streams, none of which ends: beyond 64 MiB the connection's calls are refused."""
    body = message(state_pb2.SaveStateRequest(flow_id="f", state=b"x" * 4 * MIB).SerializeToString())
    with Wire(server) as client:
        streams = []
        for _ in range(40):
            streams.append(client.headers(SERVICE + "SaveState"))
            for start in range(0, len(body), MIB // 2):
                client.data(streams[-1], body[start:start + MIB // 2], end=False)
                # Its answer comes after the window was given back.
                client.ping()

        def refused():
            return [reply for reply in client.replies.values() if reply.grpc_status == 8]

        client.read_until(lambda: len(refused()) >= 20, timeout=60)
