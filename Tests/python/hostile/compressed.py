"""Attacks by compressed messages: few bytes that become many, or take long."""

import gzip
import zlib

from raw import SERVICE, block, call, flood
from registry import attack
from streams import load_of
from wire import message

SECTION = block(SERVICE + "LoadState", ("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip"))


def calls(body, count):
    """So many calls with this message."""
    framed = message(body, flag=1)
    return lambda connection: b"".join(call(connection.take_stream(), SECTION, framed) for _ in range(count))


def tables(size):
    """A message of blocks of a few bytes, each with Huffman tables of its own."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(bytes(range(number % 200, number % 200 + 56)) * 3) + packer.flush(zlib.Z_FULL_FLUSH) for number in range(256)]
    whole, body = b"".join(parts), b"".join(parts)
    while len(body) < size:
        body += whole[10:]
    return body[:size]


@attack("messages", short=2)
def bombs_beyond_the_limit(peer):
    """Refused at the limit of a message."""
    flood(peer, calls(gzip.compress(bytes(32 << 20), 1), 20))


@attack("messages", short=2)
def bombs_within_the_limit(peer):
    """Each becomes a message of 15 MiB, for which there is memory or not."""
    flood(peer, calls(gzip.compress(bytes(15 << 20), 1), 20))


@attack("messages", short=2)
def small_bombs(peer):
    """Each becomes what an event loop decompresses itself."""
    flood(peer, calls(gzip.compress(bytes(16_000), 9), 500))


@attack("messages", short=2)
def compressed_messages_of_many_tables(peer):
    flood(peer, calls(tables(1_000_000), 4))


@attack("messages", short=2)
def compressed_messages_that_are_damaged(peer):
    body = bytearray(gzip.compress(load_of("f") * 20, 9))
    body[-20] ^= 0x55
    flood(peer, calls(bytes(body), 500))
