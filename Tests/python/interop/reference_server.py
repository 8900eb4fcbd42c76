"""`grpc.testing.TestService` on the stock Python server (doc/interop-test-descriptions.md), for the cases of the Swift client."""

import concurrent.futures
import time

import grpc

ECHO_INITIAL, ECHO_TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


def codes():
    return {code.value[0]: code for code in grpc.StatusCode}


def serve(interop):
    """The started server, and its endpoint."""
    messages, stubs = interop

    def answer(size):
        return messages.SimpleResponse(payload=messages.Payload(body=bytes(size)))

    def begin(context):
        metadata = dict(context.invocation_metadata())
        if ECHO_INITIAL in metadata:
            context.send_initial_metadata([(ECHO_INITIAL, metadata[ECHO_INITIAL])])
        if ECHO_TRAILING in metadata:
            context.set_trailing_metadata([(ECHO_TRAILING, metadata[ECHO_TRAILING])])

    def check_status(request, context):
        if request.HasField("response_status") and request.response_status.code:
            context.abort(codes()[request.response_status.code], request.response_status.message)

    class TestService(stubs.TestServiceServicer):
        def EmptyCall(self, request, context):
            return messages.Empty()

        def UnaryCall(self, request, context):
            if request.response_compressed.value:
                context.set_compression(grpc.Compression.Gzip)
            begin(context)
            check_status(request, context)
            return answer(request.response_size)

        def StreamingInputCall(self, requests, context):
            return messages.StreamingInputCallResponse(aggregated_payload_size=sum(len(each.payload.body) for each in requests))

        def StreamingOutputCall(self, request, context):
            compressed = [each.compressed.value for each in request.response_parameters]
            if any(compressed):
                context.set_compression(grpc.Compression.Gzip)
            for each in request.response_parameters:
                if any(compressed) and not each.compressed.value:
                    context.disable_next_message_compression()
                time.sleep(each.interval_us / 1e6)
                yield messages.StreamingOutputCallResponse(payload=messages.Payload(body=bytes(each.size)))

        def FullDuplexCall(self, requests, context):
            begin(context)
            for request in requests:
                check_status(request, context)
                yield from self.StreamingOutputCall(request, context)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8))
    stubs.add_TestServiceServicer_to_server(TestService(), server)
    # It has no methods of its own here: every call of it is UNIMPLEMENTED.
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"
