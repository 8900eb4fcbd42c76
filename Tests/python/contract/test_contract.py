"""The contract is what the server serves: every method of every service is known to it."""

import importlib

import grpc
import pytest
from google.protobuf import message_factory

from repository import PROTO
from service_methods import BUILT, MODULES


def methods():
    for module in MODULES:
        descriptor = importlib.import_module(f"flowstate.v1.{module}_pb2").DESCRIPTOR
        for service in descriptor.services_by_name.values():
            yield from service.methods


def call(channel, method):
    """Calls a method of any kind with an empty request and returns how it ended."""
    request = message_factory.GetMessageClass(method.input_type)()
    answer = message_factory.GetMessageClass(method.output_type)
    path = f"/{method.containing_service.full_name}/{method.name}"
    kind = {
        (False, False): channel.unary_unary, (False, True): channel.unary_stream,
        (True, False): channel.stream_unary, (True, True): channel.stream_stream,
    }[method.client_streaming, method.server_streaming]
    function = kind(path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString)
    try:
        reply = function(iter([request]) if method.client_streaming else request, timeout=20)
        if method.server_streaming:
            # A watch never ends by itself.
            next(reply, None)
            reply.cancel()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def test_every_file_is_looked_at():
    with_services = {
        path.stem for path in (PROTO / "flowstate" / "v1").glob("*.proto")
        if any(line.startswith("service ") for line in path.read_text().splitlines())}
    assert with_services == set(MODULES)


@pytest.mark.parametrize("method", list(methods()), ids=lambda method: method.name)
def test_every_method_is_known(server, method):
    code, details = call(server.channel(), method)
    assert "has no method" not in details and "no service" not in details
    if method.name in BUILT:
        assert code in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)
    else:
        assert code == grpc.StatusCode.UNIMPLEMENTED
        assert "does not have" in details and method.name in details


def test_the_server_tells_which_methods_it_has(server):
    told = server.flows().GetServerInfo().methods
    assert sorted(told) == sorted(f"{method.containing_service.full_name}/{method.name}" for method in methods() if method.name in BUILT)
