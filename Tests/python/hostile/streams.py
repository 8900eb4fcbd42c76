"""Attacks by what is held: answers that are not read, requests that never end, streams without an end."""

import contextlib
import random
import struct
import time

from flowstate.v1 import state_pb2

from raw import NO_WINDOW, PRIORITY, REFLECTION, SERVICE, WATCH, Closed, block, call, frame, literal
from registry import attack
from wire import DATA, END_HEADERS, HEADERS, PING, PREFACE, WINDOW_UPDATE, message

SAVE_SECTION = block(SERVICE + "SaveState")
REFLECTION_SECTION = block(REFLECTION)
TEN_MINUTES = ("grpc-timeout", "10M")
#: A reflection request whose answer holds every file: 349 KB.
ALL_FILES = message(b"\x22\x1dflowstate.v1.FlowStateService")
#: Answers may be as large as they like, on a stream and on the connection.
WIDE_WINDOW, OPEN_WINDOW = struct.pack(">HI", 4, (1 << 31) - 1), frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30))
KEEPALIVE = frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 1))


def load_of(flow):
    return message(state_pb2.LoadStateRequest(flow_id=flow).SerializeToString())


def hold(peer, count, opening, settings=NO_WINDOW, tick=None, reads=False, body=None):
    """Opens connections, each with what `opening` sends on it, and keeps them as long as the server lets it.

    With `body`, that is sent on each stream, as far as the windows let it through.
    """
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(count):
            if not peer.is_going():
                break
            with contextlib.suppress(Closed):
                connection = stack.enter_context(peer.connect(settings))
                held.append(connection)
                connection.pump(opening(connection), reads)
                for stream in sorted(connection.streams) if body else ():
                    connection.send_body(stream, body, end=False)
        while peer.is_going():
            for connection in held:
                if not connection.is_closed:
                    with contextlib.suppress(Closed):
                        connection.pump(tick(connection) if tick else KEEPALIVE, reads)
            peer.pause(0.5)


def loads(flow, count, *extra):
    section, payload = block(SERVICE + "LoadState", *extra), load_of(flow)
    return lambda connection: b"".join(call(connection.take_stream(), section, payload) for _ in range(count))


def open_streams(section, count):
    return lambda connection: b"".join(frame(HEADERS, END_HEADERS, connection.take_stream(), section) for _ in range(count))


# Answers that wait for a reader


def store(flow, state, content_type="application/octet-stream"):
    return lambda flows: flows.save(flow, state, content_type=content_type)


def incompressible(size):
    return random.Random(1).randbytes(size)


@attack("memory", prepare=store("8MiB", incompressible(8 << 20)), short=4)
def unread_8MiB_on_200_connections(peer):
    hold(peer, 100, loads("8MiB", 1))


@attack("memory", prepare=store("8MiB", incompressible(8 << 20)), short=4)
def unread_8MiB_7_times_on_50_connections_for_10_minutes(peer):
    hold(peer, 25, loads("8MiB", 7, TEN_MINUTES))


@attack("memory", prepare=store("15MiB", b"\0" * (15 << 20)), short=4)
def unread_compressible_15MiB_on_100_connections(peer):
    hold(peer, 50, loads("15MiB", 1))


@attack("memory", prepare=store("1MiB", incompressible(1 << 20)), short=4)
def unread_sockets_1MiB_100_times_on_40_connections(peer):
    """The windows are open; it is the socket that is not read."""
    hold(peer, 20, lambda connection: OPEN_WINDOW + loads("1MiB", 100)(connection), WIDE_WINDOW)


@attack("memory", short=4)
def unread_reflection_1000_on_40_connections(peer):
    hold(peer, 20, lambda connection: b"".join(
        call(connection.take_stream(), REFLECTION_SECTION, ALL_FILES, end=False) for _ in range(1_000)))


@attack("memory", short=3)
def reflection_of_16MiB_of_empty_messages(peer):
    hold(peer, 5, lambda connection: OPEN_WINDOW + open_streams(REFLECTION_SECTION, 1)(connection), WIDE_WINDOW, reads=True,
         body=message(b"") * ((16 << 20) // 5))


# Requests that never end


@attack("memory", short=3)
def half_sent_48MiB_on_32_connections(peer):
    hold(peer, 16, open_streams(SAVE_SECTION, 4), reads=True, body=message(bytes(12 << 20), length=15 << 20))


@attack("streams", short=2)
def streams_never_ended_1000_on_10_connections(peer):
    hold(peer, 5, open_streams(SAVE_SECTION, 1_000))


@attack("memory", short=4)
def streams_with_16KiB_of_metadata_1000_on_20_connections(peer):
    """Each stream's are others: equal ones might be kept once."""
    def opening(connection):
        found = []
        for _ in range(1_000):
            stream = connection.take_stream()
            fields = [literal(b"x-%d" % number, (b"%d-%d-" % (stream, number)).ljust(2_500, b"v")) for number in range(6)]
            found.append(frame(HEADERS, END_HEADERS, stream, SAVE_SECTION + b"".join(fields)))
        return b"".join(found)

    hold(peer, 10, opening, reads=True)


@attack("streams", short=2, resets=1_000)
def header_sections_and_then_nothing_on_1000_connections(peer):
    hold(peer, 500, open_streams(SAVE_SECTION, 1))


@attack("streams", short=3)
def health_watch_1000_on_20_connections(peer):
    section = block(WATCH)
    hold(peer, 10, lambda connection: b"".join(call(connection.take_stream(), section, message(b"")) for _ in range(1_000)), settings=b"")


# Slow starts


def slowly(peer, count, data, preface):
    """Sends a byte a second on each of many connections."""
    with contextlib.ExitStack() as stack:
        held, sent = [], 0
        for _ in range(count):
            with contextlib.suppress(Closed):
                held.append(stack.enter_context(peer.connect(preface=preface)))
        while peer.is_going():
            for connection in held:
                if not connection.is_closed and sent < len(data):
                    with contextlib.suppress(Closed):
                        connection.pump(data[sent:sent + 1])
            sent += 1
            peer.pause(1)


@attack("streams", short=2)
def slowloris_silent_2000(peer):
    slowly(peer, 1_000, b"", preface=False)


@attack("streams", short=2)
def slowloris_of_prefaces_2000(peer):
    slowly(peer, 1_000, PREFACE, preface=False)


@attack("streams", short=2)
def slowloris_of_header_sections_2000(peer):
    slowly(peer, 1_000, frame(HEADERS, END_HEADERS, 1, SAVE_SECTION), preface=True)


# All that must have an end


def _first_megabyte(connection):
    """Half of a request."""
    stream = connection.take_stream()
    connection.pump(frame(HEADERS, END_HEADERS, stream, SAVE_SECTION))
    connection.send_body(stream, message(bytes(1 << 20), length=14 << 20), end=False)
    return b""


def _one_byte(connection):
    """A byte more of the request that is half there."""
    return frame(DATA, 0, 1, b"x")


def _one_byte_of_window(connection):
    return b"".join(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 1)) for stream in (0, *connection.streams))


def _half_a_section(connection):
    connection.acknowledges = False
    return frame(HEADERS, 0, connection.take_stream(), SAVE_SECTION[:40])


def _nothing_yet(connection):
    connection.acknowledges, connection.rest = False, frame(HEADERS, END_HEADERS, 1, SAVE_SECTION)
    return b""


def _next_byte(connection):
    found, connection.rest = connection.rest[:1], connection.rest[1:]
    return found


def _half_a_preface(connection):
    return PREFACE[:9]


#: By name: what a connection begins with, its settings, and what it sends each second to look alive.
HOLDERS = {
    "answers of calls, unread": (loads("1MiB", 4, TEN_MINUTES), NO_WINDOW, None),
    "answers of calls, read at a byte a second": (loads("1MiB", 4, TEN_MINUTES), NO_WINDOW, _one_byte_of_window),
    "answers of reflection, unread": (
        lambda connection: call(connection.take_stream(), REFLECTION_SECTION, ALL_FILES * 4, end=False), NO_WINDOW, None),
    "answers of reflection, unread, with PINGs": (
        lambda connection: call(connection.take_stream(), REFLECTION_SECTION, ALL_FILES * 4, end=False), NO_WINDOW,
        lambda connection: frame(PING, 0, 0, b"12345678")),
    "half a request": (_first_megabyte, b"", None),
    "half a request, then a byte a second": (_first_megabyte, b"", _one_byte),
    "half a message of a stream": (
        lambda connection: call(connection.take_stream(), REFLECTION_SECTION, ALL_FILES[:10], end=False), b"", None),
    "a call without a request": (lambda connection: frame(HEADERS, END_HEADERS, connection.take_stream(), SAVE_SECTION), b"", None),
    "half a header section": (_half_a_section, b"", None),
    "a header section, a byte a second": (_nothing_yet, b"", _next_byte),
    "half a preface": (_half_a_preface, b"", None),
}


def release_times(peer, each=5):
    """Seconds until the server had let go of what each kind of holder holds; None: it had not when the time was up."""
    with contextlib.ExitStack() as stack:
        held = {name: [] for name in HOLDERS}
        for name, (opening, settings, _) in HOLDERS.items():
            for _ in range(each):
                connection = stack.enter_context(peer.connect(settings, preface=opening is not _half_a_preface))
                connection.pump(opening(connection), reads=False)
                held[name].append(connection)
        began, seconds = time.monotonic(), dict.fromkeys(held)
        while None in seconds.values() and peer.is_going():
            for name in [name for name, when in seconds.items() if when is None]:
                if all([connection.is_released() for connection in held[name]]):
                    seconds[name] = round(time.monotonic() - began, 1)
                elif tick := HOLDERS[name][2]:
                    keep_alive(held[name], tick)
            peer.pause(1)
        return seconds


def keep_alive(connections, tick):
    for connection in connections:
        if not connection.is_closed:
            with contextlib.suppress(Closed):
                connection.pump(tick(connection), reads=False)
