"""Attacks by messages: what any gRPC library sends, large, costly, or very often."""

import itertools
import json
import os
import time

import grpc
from flowstate.v1 import state_pb2

from raw import SERVICE, TENANT, block, call, flood
from registry import attack
from wire import message

ADMIN = "/flowstate.v1.FlowAdminService/"
LARGE = 15_700_000


def send(peer, path, request, in_flight=8, timeout=10, count=None, channels=1, reads=True):
    """Keeps calls in flight, of bytes or of what `request(number)` makes; cancels at the end."""
    options = [
        ("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_metadata_size", 1 << 20)]
    opened = [grpc.insecure_channel(peer.endpoint, options=options) for _ in range(channels)]
    methods = [channel.unary_unary(path) for channel in opened]
    waiting, number = [], 0
    while peer.is_going():
        while len(waiting) < in_flight and (count is None or number < count):
            body = request(number) if callable(request) else request
            metadata = [("flowstate-tenant", TENANT)]
            waiting.append(methods[number % channels].future(body, timeout=timeout, metadata=metadata))
            number += 1
        if not waiting:
            break
        if waiting[0].done() or reads and _ends(waiting[0], min(0.2, max(0.01, peer.ends - time.monotonic()))):
            peer.count(waiting.pop(0).code().name)
            peer.sent += 1
        elif len(waiting) < in_flight:
            peer.pause(0.01)
    for future in waiting:
        future.cancel()
    for channel in opened:
        channel.close()


def _ends(future, timeout):
    try:
        future.exception(timeout)
    except grpc.FutureTimeoutError:
        return False
    except grpc.FutureCancelledError:
        pass
    return True


def save(flow, state=b"{}", **fields):
    return state_pb2.SaveStateRequest(flow_id=flow, state=state, **fields).SerializeToString()


def patch(flow, **fields):
    return state_pb2.SaveStateRequest(flow_id=flow, **fields).SerializeToString()


def field(number, payload):
    length, text = len(payload), bytearray()
    while length > 127:
        text.append(length & 127 | 128)
        length >>= 7
    return bytes([*_varint(number << 3 | 2), *text, length]) + payload


def _varint(value):
    found = []
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return [*found, value]


# Large states


def array_of(element):
    return b"[" + b",".join([element] * (LARGE // (len(element) + 1))) + b"]"


@attack("messages", short=3)
def saves_of_15MiB_of_JSON(peer):
    states = [array_of(element) for element in (b"1", b"{}", b'""')]
    send(peer, SERVICE + "SaveState", lambda number: save(f"large-{peer.share}", states[number % 3]))


@attack("messages", short=2)
def saves_of_15MiB_nested(peer):
    send(peer, SERVICE + "SaveState", save(f"deep-{peer.share}", b"[" * LARGE))


@attack("messages", short=2)
def saves_of_15MiB_invalid_at_the_end(peer):
    send(peer, SERVICE + "SaveState", save(f"large-{peer.share}", array_of(b"1")[:-1] + b"x"))


@attack("messages", short=3)
def saves_of_15MiB_of_random_bytes(peer):
    state = os.urandom(LARGE)
    send(peer, SERVICE + "SaveState", lambda number: save(f"r-{peer.share}-{number % 4}", state, content_type="application/octet-stream"))


@attack("messages", short=3, prepare=lambda flows: flows.save("8MiB", os.urandom(8 << 20), content_type="application/octet-stream"))
def loads_of_8MiB_read(peer):
    send(peer, SERVICE + "LoadState", state_pb2.LoadStateRequest(flow_id="8MiB").SerializeToString())


# Protobuf


@attack("messages", short=2)
def protobuf_5_million_empty_submessages(peer):
    send(peer, SERVICE + "SaveState", field(1, b"f") + field(3, b"{}") + b"\x8a\x01\x00" * 5_200_000, in_flight=4)


@attack("messages", short=2)
def protobuf_2_million_map_entries(peer):
    send(peer, SERVICE + "SaveState", field(1, b"f") + field(3, b"{}") + field(12, b"\x0a\x01a\x12\x00") * 2_000_000, in_flight=4)


@attack("messages")
def protobuf_nested_2000_levels(peer):
    inner = b""
    for _ in range(2_000):
        inner = field(1, inner)
    send(peer, SERVICE + "BatchSaveState", inner)


@attack("messages", short=2)
def protobuf_batch_of_1000_saves(peer):
    saves = [state_pb2.SaveStateRequest(flow_id=f"b{number}", state=b"[" + b"1," * 7_000 + b"1]") for number in range(1_000)]
    send(peer, SERVICE + "BatchSaveState", state_pb2.BatchSaveStateRequest(saves=saves, mode=2).SerializeToString(), in_flight=4)


# Often


@attack("messages")
def saves_of_many_tenants(peer):
    counter = itertools.count()

    def chunk(connection):
        return b"".join(
            call(connection.take_stream(), block(SERVICE + "SaveState", tenant=f"t{peer.share}-{next(counter)}"), message(save("f")))
            for _ in range(50))

    flood(peer, chunk)


@attack("messages", prepare=lambda flows: [flows.save(f"listed-{number}") for number in range(300)])
def statistics_and_lists(peer):
    lists = state_pb2.ListFlowsRequest(page_size=1_000).SerializeToString()
    if peer.share:
        send(peer, ADMIN + "GetStatistics", b"", in_flight=4)
    else:
        send(peer, SERVICE + "ListFlows", lists, in_flight=4)


# Memory that small requests ask for


def two_versions(flow, size=13 << 20):
    def prepare(flows):
        for letter in "ab":
            flows.save(flow, json.dumps({letter: letter * size, "n": 1}).encode(), timeout=60)
    return prepare


@attack("memory", prepare=two_versions("13MiB"), short=5)
def differences_of_13MiB_400_at_once(peer):
    request = state_pb2.DiffVersionsRequest(flow_id="13MiB", from_version=1, to_version=2).SerializeToString()
    send(peer, SERVICE + "DiffVersions", request, in_flight=200, timeout=60)


@attack("memory", prepare=two_versions("13MiB"), short=5)
def merge_patches_of_14_bytes_of_13MiB(peer):
    send(peer, SERVICE + "SaveState", lambda number: patch("13MiB", merge_patch=b'{"n":%d}' % number), in_flight=100, timeout=60)
