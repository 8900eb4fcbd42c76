"""Many contenders for the lease of one flow, in one process, which others stop and continue.

Arguments: endpoint, contenders, seconds, number of the process. Prints as JSON the tokens that
its contenders were given, with their holders, and how many of them turned out to be stale.
"""

import json
import os
import random
import sys
import threading
import time

import grpc
from flowstate.v1 import lease_pb2, lease_pb2_grpc, state_pb2, state_pb2_grpc
from google.protobuf.duration_pb2 import Duration

METADATA = [("flowstate-tenant", "contended")]
FLOW = "one"


def contend(channel, holder, end, chance, given, lost):
    leases, flows = lease_pb2_grpc.FlowLeaseServiceStub(channel), state_pb2_grpc.FlowStateServiceStub(channel)
    while time.monotonic() < end:
        try:
            token = leases.AcquireLease(lease_pb2.AcquireLeaseRequest(
                flow_id=FLOW, holder=holder, ttl=Duration(seconds=1), wait=Duration(seconds=2)), metadata=METADATA, timeout=20).lease.token
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.DEADLINE_EXCEEDED), error
            continue
        given.append((token, holder))
        try:
            for number in range(chance.randrange(1, 4)):
                state = json.dumps({"token": token, "holder": holder, "number": number}).encode()
                flows.SaveState(state_pb2.SaveStateRequest(flow_id=FLOW, state=state, lease_token=token), metadata=METADATA, timeout=20)
            leases.ReleaseLease(lease_pb2.ReleaseLeaseRequest(flow_id=FLOW, token=token), metadata=METADATA, timeout=20)
        except grpc.RpcError as error:
            # It stood still for longer than its lease.
            assert error.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.DEADLINE_EXCEEDED), error
            lost.append(token)


def main():
    endpoint, count, seconds, number = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    given, lost, failed = [], [], []

    def run(place):
        try:
            contend(channel, f"{os.getpid()}-{place}", end, random.Random(number * 1_000 + place), given, lost)
        except BaseException as error:  # shown by the parent
            failed.append(repr(error))

    channel = grpc.insecure_channel(endpoint)
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=run, args=(place,)) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"given": given, "lost": len(lost), "failed": failed}))


main()
