"""Compressed messages (gRPC's doc/compression.md): stock clients, and what no client sends."""

import concurrent.futures
import gzip
import os
import random
import struct
import zlib

import grpc
import pytest
from flowstate.v1 import state_pb2

from errors import reason
from processes import memory_bytes
from wire import SERVICE, Wire, message

INTERNAL, UNIMPLEMENTED, RESOURCE_EXHAUSTED, NOT_FOUND = (
    code.value[0] for code in (
        grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.NOT_FOUND))
ACCEPTED = "identity,gzip,deflate,zstd"
TEXT = b'{"text": "%s"}' % (b"a state that compresses well, " * 400)


#: Of the default tenant, which other files use too.
FLOW = "compressed"


def save(flow_id=FLOW, state=TEXT):
    return state_pb2.SaveStateRequest(flow_id=flow_id, state=state).SerializeToString()


def load(flow_id=FLOW):
    return state_pb2.LoadStateRequest(flow_id=flow_id).SerializeToString()


def zipped(data):
    """The same bytes each time, since parameters are made of them."""
    return gzip.compress(data, mtime=0)


def first_message(reply):
    """Its flag, and its bytes."""
    flag, length = struct.unpack(">BI", reply.body[:5])
    return flag, reply.body[5:5 + length]


@pytest.fixture(autouse=True)
def unharmed(server):
    pid, before = server.process.pid, memory_bytes(server.process.pid)
    yield
    assert server.process.poll() is None and server.process.pid == pid
    flows = server.flows()
    assert flows.save("healthy", b"1").version == 1 and flows.state("healthy") == b"1"
    assert memory_bytes(pid) < before + (300 << 20)


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression])
def test_stock_clients_compress(server, compression):
    """Small and large: what an event loop decompresses, and what threads do."""
    options = [("grpc.max_receive_message_length", 16 << 20)]
    with grpc.insecure_channel(server.endpoint, compression=compression, options=options) as channel:
        flows = server.flows(channel=channel)
        for number, size in enumerate([0, 100, 5_000, 60_000, 1_000_000, 12_000_000]):
            state = b'"%s"' % (os.urandom(size // 4).hex().encode() * 2)
            flows.save(f"f{number}", state)
            assert flows.state(f"f{number}") == state


def test_many_compressed_calls_at_once(server):
    with grpc.insecure_channel(server.endpoint, compression=grpc.Compression.Gzip) as channel:
        flows = server.flows(channel=channel)

        def round_trip(number):
            state = b'"%s"' % (b"%d " % number * (number * 97 % 30_000))
            flows.save(f"f{number}", state)
            return flows.state(f"f{number}") == state

        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            assert all(pool.map(round_trip, range(300)))


@pytest.mark.parametrize("encoding, compress, decompress", [
    ("gzip", gzip.compress, gzip.decompress), ("deflate", zlib.compress, zlib.decompress)])
def test_answers_are_compressed_like_their_requests(server, encoding, compress, decompress):
    with Wire(server) as client:
        reply = client.call("SaveState", message(compress(save()), flag=1), grpc_encoding=encoding)
        assert reply.grpc_status == 0 and reply.headers["grpc-accept-encoding"] == ACCEPTED
        # The request itself need not be compressed: the call's encoding counts.
        reply = client.call("LoadState", message(load()), grpc_encoding=encoding, grpc_accept_encoding="identity, " + encoding)
        flag, body = first_message(reply)
        assert flag == 1 and reply.headers["grpc-encoding"] == encoding and len(body) < 1_000
        assert state_pb2.LoadStateResponse.FromString(decompress(body)).snapshot.state == TEXT
        # A client that does not accept it gets none, and so does one that does not compress.
        for fields in [{"grpc_encoding": encoding}, {"grpc_encoding": encoding, "grpc_accept_encoding": "identity"},
                       {"grpc_accept_encoding": "identity,deflate,gzip"}, {}]:
            reply = client.call("LoadState", message(load()), **fields)
            flag, body = first_message(reply)
            assert flag == 0 and "grpc-encoding" not in reply.headers
            assert state_pb2.LoadStateResponse.FromString(body).snapshot.state == TEXT


def test_small_answers_are_not_compressed(server):
    with Wire(server) as client:
        client.call("SaveState", message(save("small", b'"%s"' % (b"a" * 500))))
        reply = client.call("LoadState", message(load("small")), grpc_encoding="gzip", grpc_accept_encoding="gzip")
        assert first_message(reply)[0] == 0 and reply.headers["grpc-encoding"] == "gzip"


@pytest.mark.parametrize("encoding, body, code, words", [
    (None, zipped(load()), INTERNAL, "without grpc-encoding"),
    ("identity", zipped(load()), INTERNAL, "without grpc-encoding"),
    ("snappy", load(), UNIMPLEMENTED, ACCEPTED), ("GZIP", zipped(load()), UNIMPLEMENTED, ACCEPTED),
    ("", zipped(load()), UNIMPLEMENTED, ACCEPTED), ("gzip", load(), INTERNAL, "cannot be decompressed"),
    ("gzip", b"", INTERNAL, "ends too early"), ("gzip", zipped(load())[:-1], INTERNAL, "ends too early"),
    ("gzip", zipped(load()) + b"x", INTERNAL, "follow its end"),
    ("gzip", zipped(load()) * 2, INTERNAL, "follow its end"), ("deflate", zipped(load()), INTERNAL, "zlib says"),
    ("zstd", zipped(load()), INTERNAL, "zstd says"), ("gzip", zipped(b"\xff"), 3, "protobuf")])
def test_what_cannot_be_decompressed(server, encoding, body, code, words):
    with Wire(server) as client:
        reply = client.call("LoadState", message(body, flag=1), grpc_encoding=encoding)
        assert reply.grpc_status == code and words in reply.message
        assert reply.headers["grpc-accept-encoding"] == ACCEPTED
        assert client.call("LoadState", message(load("nobody"))).grpc_status == NOT_FOUND, "the connection goes on"


@pytest.mark.parametrize("encoding, compress", [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_the_limit_of_a_message_counts_what_is_decompressed(limited_server, encoding, compress):
    server = limited_server({"message-bytes": 100_000})
    with Wire(server) as client:
        # As many bytes as the limit, the rest of them in field 2000, which the contract does not have.
        request = save(state=b"1")
        rest = 100_000 - len(request) - 5
        whole = request + b"\x82\x7d" + bytes([rest & 127 | 128, rest >> 7 & 127 | 128, rest >> 14]) + b" " * rest
        assert len(whole) == 100_000
        assert client.call("SaveState", message(compress(whole), flag=1), grpc_encoding=encoding).grpc_status == 0
        for body in (b"\0" * 100_001, b"\0" * (64 << 20)):
            answer = client.call("SaveState", message(compress(body), flag=1), grpc_encoding=encoding)
            assert answer.grpc_status == RESOURCE_EXHAUSTED and "when it is decompressed" in answer.message
    with grpc.insecure_channel(server.endpoint, compression=grpc.Compression.Gzip) as channel:
        with pytest.raises(grpc.RpcError) as error:
            server.flows(channel=channel).save("f", b'"%s"' % (b"x" * 100_000))
        assert reason(error.value) == "STATE_TOO_LARGE"


def test_bombs_on_many_streams(server):
    """Each is refused at the limit of a message; all together take no more than the memory of requests."""
    bomb = message(gzip.compress(b"\0" * (1 << 30), 9), flag=1)
    assert len(bomb) < 1_100_000
    with Wire(server) as client:
        streams = [client.headers(SERVICE + "SaveState", grpc_encoding="gzip") for _ in range(8)]
        for stream in streams:
            client.data_within_windows(stream, bomb)
        assert all(client.reply(stream).grpc_status == RESOURCE_EXHAUSTED for stream in streams)
    small = message(gzip.compress(b"\0" * (15 << 20), 9), flag=1)
    with Wire(server) as client:
        streams = [client.headers(SERVICE + "SaveState", grpc_encoding="gzip") for _ in range(100)]
        for stream in streams:
            client.data_within_windows(stream, small)
        # Not protobuf, or no memory for it.
        assert all(client.reply(stream).grpc_status in (3, RESOURCE_EXHAUSTED) for stream in streams)


def test_any_bytes(server):
    generator = random.Random(5)
    with Wire(server) as client:
        for number in range(400):
            encoding, compress = generator.choice([("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", bytes)])
            body = bytearray(compress(load("nobody" * generator.randrange(1, 40))))
            for _ in range(generator.randrange(1, 4)):
                body[generator.randrange(len(body))] = generator.randrange(256)
            reply = client.call("LoadState", message(bytes(body), flag=1), grpc_encoding=encoding)
            assert reply.grpc_status in (3, NOT_FOUND, INTERNAL, RESOURCE_EXHAUSTED), f"round {number}: {reply.grpc_status}"
