"""Health checking and reflection, by the stock clients of both."""

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from errors import refused

STATUS = health_pb2.HealthCheckResponse
SERVICES = {
    "flowstate.v1.FlowStateService", "flowstate.v1.FlowLifecycleService", "flowstate.v1.FlowRecoveryService",
    "flowstate.v1.FlowLeaseService", "flowstate.v1.FlowDefinitionService", "flowstate.v1.FlowAdminService",
    "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}


@pytest.mark.parametrize("service", ["", *sorted(name for name in SERVICES if name.startswith("flowstate"))])
def test_health_of_what_is_there(server, service):
    assert server.health(service) == STATUS.SERVING
    stub = health_pb2_grpc.HealthStub(server.channel())
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=20)
    assert next(watch).status == STATUS.SERVING
    watch.cancel()


def test_health_of_what_is_not_there(server):
    with refused(grpc.StatusCode.NOT_FOUND) as refusal:
        server.health("no.such.Service")
    assert "no.such.Service" in refusal.message
    stub = health_pb2_grpc.HealthStub(server.channel())
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=20)
    assert next(watch).status == STATUS.SERVICE_UNKNOWN
    watch.cancel()


def test_health_of_everything(server):
    stub = health_pb2_grpc.HealthStub(server.channel())
    statuses = stub.List(health_pb2.HealthListRequest(), timeout=20).statuses
    assert {name: status.status for name, status in statuses.items()} == {
        name: STATUS.SERVING for name in ["", *(name for name in SERVICES if name.startswith("flowstate"))]}


def test_a_watch_follows_the_database(start_server, postgresql):
    database = postgresql()
    server = start_server(database_url=database.url)
    stub = health_pb2_grpc.HealthStub(server.channel())
    watches = [stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=60) for name in ("", "flowstate.v1.FlowStateService")]
    assert [next(watch).status for watch in watches] == [STATUS.SERVING] * 2
    database.stop()
    assert [next(watch).status for watch in watches] == [STATUS.NOT_SERVING] * 2
    database.start()
    assert [next(watch).status for watch in watches] == [STATUS.SERVING] * 2


def test_reflection_lists_every_service(server):
    assert set(ProtoReflectionDescriptorDatabase(server.channel()).get_services()) == SERVICES


def test_reflection_resolves_every_method(server):
    """As tools do: from nothing but the server to the messages of every call."""
    database = ProtoReflectionDescriptorDatabase(server.channel())
    pool = descriptor_pool.DescriptorPool(database)
    methods = 0
    for name in SERVICES:
        service = pool.FindServiceByName(name)
        for method in service.methods:
            assert method.input_type.full_name and method.output_type.full_name
            methods += 1
    assert methods > 45
    request = pool.FindMessageTypeByName("flowstate.v1.SaveStateRequest")
    assert request.fields_by_name["expected_version"].containing_oneof.name == "precondition"


class V1:
    """The stock package has v1alpha only. The messages of v1 are the same, the path is not."""

    def __init__(self, channel):
        self.ask = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_versions_answer_in_order(server, version):
    channel = server.channel()
    ask = V1(channel).ask if version == "v1" else reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
    questions = [
        {"list_services": ""}, {"file_containing_symbol": "flowstate.v1.FlowStateService.SaveState"},
        {"file_by_filename": "flowstate/v1/types.proto"}, {"file_by_filename": "no/such.proto"},
        {"file_containing_symbol": "no.Such"}, {"all_extension_numbers_of_type": "flowstate.v1.Flow"}, {}]
    requests = [reflection_pb2.ServerReflectionRequest(host="h", **question) for question in questions]
    replies = list(ask(iter(requests), timeout=20))
    assert [reply.original_request for reply in replies] == requests
    kinds = [reply.WhichOneof("message_response") for reply in replies]
    assert kinds == ["list_services_response"] + 2 * ["file_descriptor_response"] + 4 * ["error_response"]
    assert [reply.error_response.error_code for reply in replies[3:]] == [5, 5, 5, 3]


def test_many_questions_on_one_stream(server):
    questions = (
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="flowstate.v1.Flow") for _ in range(500))
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel())
    assert sum(1 for _ in stub.ServerReflectionInfo(questions, timeout=60)) == 500
