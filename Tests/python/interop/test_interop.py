"""gRPC's interoperability cases (doc/interop-test-descriptions.md), with the stock Python client against the GRPC room."""

import queue
import time

import grpc
import pytest

LARGE, REPLY = 271_828, 314_159
REQUESTS, REPLIES = [27_182, 8, 1_828, 45_904], [31_415, 9, 2_653, 58_979]
UNKNOWN, INVALID_ARGUMENT = grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT


class Service:
    def __init__(self, interop, channel):
        self.messages, stubs = interop
        self.stub = stubs.TestServiceStub(channel)
        self.unimplemented = stubs.UnimplementedServiceStub(channel)

    def payload(self, size):
        return self.messages.Payload(body=bytes(size))

    def simple(self, size=LARGE, reply=REPLY, **fields):
        return self.messages.SimpleRequest(response_size=reply, payload=self.payload(size), **fields)

    def output(self, *sizes, payload=None, **parameter):
        return self.messages.StreamingOutputCallRequest(
            response_parameters=[self.messages.ResponseParameters(size=size, **parameter) for size in sizes],
            payload=None if payload is None else self.payload(payload))

    def true(self, value=True):
        return self.messages.BoolValue(value=value)


class Pipe:
    """Requests that are sent one by one."""

    def __init__(self):
        self.queue = queue.SimpleQueue()

    def __iter__(self):
        return iter(self.queue.get, None)

    def add(self, request):
        self.queue.put(request)

    def close(self):
        self.queue.put(None)


@pytest.fixture
def service(interop, channel):
    return Service(interop, channel)


def sizes(replies):
    return [len(reply.payload.body) for reply in replies]


def failure(code, call):
    with pytest.raises(grpc.RpcError) as error:
        call()
    assert error.value.code() == code, error.value.details()
    return error.value


def test_empty_unary(service):
    assert service.stub.EmptyCall(service.messages.Empty()) == service.messages.Empty()


def test_large_unary(service):
    reply = service.stub.UnaryCall(service.simple())
    assert reply.payload.body == bytes(REPLY)


def test_cacheable_unary(service):
    """Its answers may be cached by proxies; to the server it is a call like others."""
    metadata = [("x-user-ip", "1.2.3.4")]
    assert [sizes([service.stub.CacheableUnaryCall(service.simple(8, 12), metadata=metadata)]) for _ in range(2)] == [[12], [12]]


def test_client_streaming(service):
    requests = (service.messages.StreamingInputCallRequest(payload=service.payload(size)) for size in REQUESTS)
    assert service.stub.StreamingInputCall(requests).aggregated_payload_size == sum(REQUESTS)


def test_server_streaming(service):
    assert sizes(service.stub.StreamingOutputCall(service.output(*REPLIES))) == REPLIES


def test_ping_pong(service):
    pipe = Pipe()
    replies = service.stub.FullDuplexCall(iter(pipe))
    for request, reply in zip(REQUESTS, REPLIES):
        pipe.add(service.output(reply, payload=request))
        assert len(next(replies).payload.body) == reply
    pipe.close()
    assert next(replies, None) is None and replies.code() == grpc.StatusCode.OK


def test_half_duplex(service):
    """Not among the cases any more: all answers after all requests."""
    requests = [service.output(reply, payload=request) for request, reply in zip(REQUESTS, REPLIES)]
    assert sizes(service.stub.HalfDuplexCall(iter(requests))) == REPLIES


def test_empty_stream(service):
    assert list(service.stub.FullDuplexCall(iter(()))) == []


def test_custom_metadata(service):
    metadata = [("x-grpc-test-echo-initial", "test_initial_metadata_value"), ("x-grpc-test-echo-trailing-bin", b"\x0a\x0b\x0a\x0b\x0a\x0b")]

    def check(call):
        assert dict(call.initial_metadata())["x-grpc-test-echo-initial"] == "test_initial_metadata_value"
        assert dict(call.trailing_metadata())["x-grpc-test-echo-trailing-bin"] == b"\x0a\x0b\x0a\x0b\x0a\x0b"

    reply, call = service.stub.UnaryCall.with_call(service.simple(), metadata=metadata)
    assert reply.payload.body == bytes(REPLY)
    check(call)
    stream = service.stub.FullDuplexCall(iter([service.output(REPLY, payload=LARGE)]), metadata=metadata)
    assert sizes(stream) == [REPLY]
    check(stream)
    # A status alone carries both as well.
    status = service.messages.EchoStatus(code=UNKNOWN.value[0], message="no")
    check(failure(UNKNOWN, lambda: service.stub.UnaryCall(service.simple(response_status=status), metadata=metadata)))


@pytest.mark.parametrize("text", ["test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"])
def test_status_code_and_message(service, text):
    """The second text is the case special_status_message."""
    status = service.messages.EchoStatus(code=UNKNOWN.value[0], message=text)
    assert failure(UNKNOWN, lambda: service.stub.UnaryCall(service.messages.SimpleRequest(response_status=status))).details() == text
    request = service.messages.StreamingOutputCallRequest(response_status=status)
    assert failure(UNKNOWN, lambda: list(service.stub.FullDuplexCall(iter([request])))).details() == text


def test_unimplemented_method(service):
    failure(grpc.StatusCode.UNIMPLEMENTED, lambda: service.stub.UnimplementedCall(service.messages.Empty()))


def test_unimplemented_service(service):
    failure(grpc.StatusCode.UNIMPLEMENTED, lambda: service.unimplemented.UnimplementedCall(service.messages.Empty()))


def test_cancel_after_begin(service):
    pipe = Pipe()
    call = service.stub.StreamingInputCall.future(iter(pipe))
    call.cancel()
    pipe.close()
    assert call.cancelled() and call.code() == grpc.StatusCode.CANCELLED


def test_cancel_after_first_response(service):
    pipe = Pipe()
    call = service.stub.FullDuplexCall(iter(pipe))
    pipe.add(service.output(REPLIES[0], payload=REQUESTS[0]))
    assert sizes([next(call)]) == [REPLIES[0]]
    call.cancel()
    assert failure(grpc.StatusCode.CANCELLED, lambda: next(call))
    pipe.close()


def test_timeout_on_sleeping_server(service):
    pipe = Pipe()
    call = service.stub.FullDuplexCall(iter(pipe), timeout=0.001)
    pipe.add(service.output(REPLIES[0], payload=REQUESTS[0], interval_us=1_000_000))
    failure(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: list(call))
    pipe.close()


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_client_compressed_unary(service, compression):
    expecting = service.simple(expect_compressed=service.true())
    # The probe: the server must look at the flag, not only take what comes.
    failure(INVALID_ARGUMENT, lambda: service.stub.UnaryCall(expecting))
    assert sizes([service.stub.UnaryCall(expecting, compression=compression)]) == [REPLY]
    assert sizes([service.stub.UnaryCall(service.simple(expect_compressed=service.true(False)))]) == [REPLY]


def test_server_compressed_unary(service):
    """What is on the wire is checked in Tests/python/server/test_compression.py: this client does not show it."""
    for wanted in (True, False):
        assert sizes([service.stub.UnaryCall(service.simple(response_compressed=service.true(wanted)))]) == [REPLY]


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_client_compressed_streaming(service, compression):
    def request(size, expected):
        return service.messages.StreamingInputCallRequest(payload=service.payload(size), expect_compressed=service.true(expected))

    failure(INVALID_ARGUMENT, lambda: service.stub.StreamingInputCall(iter([request(27_182, True)])))
    # This client compresses all messages of a call or none, so the case's two messages are two calls.
    assert service.stub.StreamingInputCall(iter([request(27_182, True)] * 2), compression=compression).aggregated_payload_size == 54_364
    assert service.stub.StreamingInputCall(iter([request(45_904, False)])).aggregated_payload_size == 45_904


def test_server_compressed_streaming(service):
    parameters = [
        service.messages.ResponseParameters(size=31_415, compressed=service.true()),
        service.messages.ResponseParameters(size=92_653, compressed=service.true(False))]
    request = service.messages.StreamingOutputCallRequest(response_parameters=parameters)
    assert sizes(service.stub.StreamingOutputCall(request)) == [31_415, 92_653]


def test_many_cases_at_once(service):
    """On one connection."""
    begun = time.monotonic()
    calls = [service.stub.UnaryCall.future(service.simple(), compression=grpc.Compression.Gzip) for _ in range(100)]
    assert sizes(call.result() for call in calls) == [REPLY] * 100
    assert time.monotonic() - begun < 30
