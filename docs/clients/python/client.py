"""One flow from its creation to its history, with grpcio: python client.py HOST:PORT"""

import sys

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from flowstate.v1 import errors_pb2, lease_pb2, lease_pb2_grpc, state_pb2, state_pb2_grpc, types_pb2

# Every call says who calls, and has a deadline.
CALL = {"metadata": (("flowstate-tenant", "acme"), ("flowstate-actor", "ada")), "timeout": 10}


def detail(error, message_type):
    """The detail of this type that an error carries, or None."""
    status = rpc_status.from_call(error)
    for packed in status.details if status else ():
        message = message_type()
        if packed.Unpack(message):
            return message
    return None


def run(channel):
    flows = state_pb2_grpc.FlowStateServiceStub(channel)
    leases = lease_pb2_grpc.FlowLeaseServiceStub(channel)

    # Without a flow_id the server generates one.
    created = flows.CreateFlow(state_pb2.CreateFlowRequest(flow_type="order", state=b'{"step": 1}'), **CALL)
    flow_id = created.flow_id
    print(f"created version {created.version}")

    # This save succeeds only on top of the version that was read.
    save = state_pb2.SaveStateRequest(flow_id=flow_id, state=b'{"step": 2}', expected_version=created.version)
    saved = flows.SaveState(save, **CALL)
    print(f"saved version {saved.version}")

    # The flow is at version 2 now, so the same save is stale.
    try:
        flows.SaveState(save, **CALL)
        raise AssertionError("a stale save was accepted")
    except grpc.RpcError as error:
        info = detail(error, error_details_pb2.ErrorInfo)
        conflict = detail(error, errors_pb2.VersionConflict)
        if info is None or conflict is None:
            raise
        print(f"refused: {info.reason}, expected {conflict.expected}, actual {conflict.actual}")

    # When an answer is lost, the same request with the same key is safe to send again: it is applied once.
    save = state_pb2.SaveStateRequest(
        flow_id=flow_id, state=b'{"step": 3}', expected_version=saved.version, idempotency_key=f"{flow_id}/step-3")
    for _ in range(2):
        saved = flows.SaveState(save, **CALL)
        print(f"{'replayed' if saved.replayed else 'saved'} version {saved.version}")

    snapshot = flows.LoadState(state_pb2.LoadStateRequest(flow_id=flow_id), **CALL).snapshot
    print(f"loaded version {snapshot.version.version}: {snapshot.state.decode()}")

    # The token fences this worker: once another one has the lease, a late save with this token is refused (LEASE_LOST).
    lease = leases.AcquireLease(lease_pb2.AcquireLeaseRequest(flow_id=flow_id, holder="worker-1"), **CALL).lease
    save = state_pb2.SaveStateRequest(
        flow_id=flow_id, state=b'{"step": 4}', expected_version=snapshot.version.version, lease_token=lease.token)
    saved = flows.SaveState(save, **CALL)
    leases.ReleaseLease(lease_pb2.ReleaseLeaseRequest(flow_id=flow_id, token=lease.token), **CALL)
    print(f"saved version {saved.version} under a lease")

    # A watch has no end. This one begins with the first version and is cancelled after the one just saved.
    watch = flows.WatchFlows(state_pb2.WatchFlowsRequest(flow_ids=[flow_id], after_version=0), **CALL)
    for message in watch:
        if message.WhichOneof("event") == "bookmark":
            continue
        version = message.change.version
        print(f"watched version {version.version}: {types_pb2.VersionEvent.Name(version.event)}")
        if version.version == saved.version:
            watch.cancel()
            break


if __name__ == "__main__":
    with grpc.insecure_channel(sys.argv[1]) as channel:
        run(channel)
