"""HTTP/2 frame by frame, for what no well-behaved client sends (RFC 9113)."""

import socket
import struct
import time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4
SERVICE = "/flowstate.v1.FlowStateService/"
#: Linux tells with what is read when it came (socket(7)); Python has no name for it.
SO_TIMESTAMPNS = 35


def message(payload, flag=0, length=None):
    """A gRPC message with its prefix; `length` lies about it."""
    return struct.pack(">BI", flag, len(payload) if length is None else length) + payload


class Closed(Exception):
    """The server closed the connection."""


class Reply:
    """What came on one stream."""

    def __init__(self):
        self.headers, self.trailers, self.body, self.reset, self.ended = {}, {}, b"", None, False
        #: When its last frame came, as `time.time()`, however late it was read.
        self.came_at = 0

    @property
    def status(self):
        """The HTTP status."""
        return self.headers.get(":status")

    @property
    def grpc_status(self):
        text = {**self.headers, **self.trailers}.get("grpc-status")
        return None if text is None else int(text)

    @property
    def message(self):
        return {**self.headers, **self.trailers}.get("grpc-message", "")


class Wire:
    """One connection. It acknowledges nothing and opens no window by itself unless `polite`."""

    def __init__(self, server, settings=(), polite=True, preface=True, receive_bytes=None):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(30)
        self.socket.connect(server.host_port)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.came_at = 0
        self.polite = polite
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self.replies, self.goaway, self.settings, self.pings, self.pongs = {}, None, None, 0, 0
        self.goaway_reason = b""
        self.next_stream = 1
        #: By stream (0: the connection), how many bytes more the server's windows had let through than at the start.
        self.credit = {}
        if preface:
            self.send(PREFACE)
            self.frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *setting) for setting in settings))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    # Sending

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def frame(self, kind, flags, stream, payload=b""):
        self.send(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)

    def headers(self, path, end=False, extra=(), **changes):
        """Opens a stream and returns its number. `changes` replace the usual fields; None leaves one out."""
        usual = {
            ":method": "POST", ":scheme": "http", ":path": path, ":authority": "test", "te": "trailers",
            "content-type": "application/grpc"}
        usual.update({name.replace("_", "-") if name[0] != "_" else ":" + name[1:]: value for name, value in changes.items()})
        fields = [(name, value) for name, value in usual.items() if value is not None] + list(extra)
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, self.encoder.encode(fields, huffman=len(extra) == 0))
        return stream

    def data(self, stream, payload, end=True):
        for offset in range(0, max(len(payload), 1), 16384):
            part = payload[offset:offset + 16384]
            self.frame(DATA, END_STREAM if end and offset + 16384 >= len(payload) else 0, stream, part)

    def data_within_windows(self, stream, payload):
        """DATA as a well-behaved client sends it: no more than the windows of the server let through."""
        sent = 0
        for offset in range(0, max(len(payload), 1), 16384):
            part = payload[offset:offset + 16384]
            self.read_until(lambda: self._is_ended(stream) or sent + len(part) <= self._window(stream))
            if self._is_ended(stream):
                return
            self.frame(DATA, END_STREAM if offset + 16384 >= len(payload) else 0, stream, part)
            self.credit[0] = self.credit.get(0, 0) - len(part)
            sent += len(part)

    def _is_ended(self, stream):
        reply = self.reply_so_far(stream)
        return reply.ended or reply.reset is not None

    def _window(self, stream):
        """What may be sent on the stream in all, as far as the connection's window lets it."""
        if 65_535 + self.credit.get(0, 0) < 16_384:
            return 0
        return (self.settings or {}).get(INITIAL_WINDOW_SIZE, 65_535) + self.credit.get(stream, 0)

    def call(self, method, payload, **options):
        """A whole unary call of FlowStateService; `payload` with its prefix."""
        stream = self.headers(SERVICE + method, **options)
        self.data(stream, payload)
        return self.reply(stream)

    def ping(self):
        """Asks for a sign of life, and waits for it."""
        wanted = self.pongs + 1
        self.frame(PING, 0, 0, b"12345678")
        self.read_until(lambda: self.pongs >= wanted)

    # Receiving

    def _read(self, count):
        data = b""
        while len(data) < count:
            try:
                part, told, _, _ = self.socket.recvmsg(count - len(data), 64)
            except ConnectionResetError:
                part, told = b"", []
            if not part:
                raise Closed
            for level, kind, stamp in told:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, nanoseconds = struct.unpack("qq", stamp)
                    self.came_at = seconds + nanoseconds / 1e9
            data += part
        return data

    def read_frame(self):
        head = self._read(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        payload = self._read(length)
        reply = self.reply_so_far(stream)
        reply.came_at = self.came_at
        if kind == SETTINGS and not flags & ACK:
            self.settings = {key: value for key, value in struct.iter_unpack(">HI", payload)}
            if self.polite:
                self.frame(SETTINGS, ACK, 0)
        elif kind == PING:
            if flags & ACK:
                self.pongs += 1
                return kind
            self.pings += 1
            if self.polite:
                self.frame(PING, ACK, 0, payload)
        elif kind == HEADERS:
            fields = dict(self.decoder.decode(payload))
            if reply.headers:
                reply.trailers = fields
            else:
                reply.headers = fields
        elif kind == DATA:
            reply.body += payload
            if self.polite and payload:
                for target in (0, stream):
                    self.frame(WINDOW_UPDATE, 0, target, struct.pack(">I", len(payload)))
        elif kind == RST_STREAM:
            reply.reset = int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE:
            self.credit[stream] = self.credit.get(stream, 0) + int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaway, self.goaway_reason = int.from_bytes(payload[4:8], "big"), payload[8:]
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            reply.ended = True
        return kind

    def read_until(self, condition, timeout=30):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"nothing of the kind in {timeout} s"
            self.read_frame()

    def reply_so_far(self, stream):
        return self.replies.setdefault(stream, Reply())

    def reply(self, stream):
        """Waits until a stream is answered or reset."""
        reply = self.reply_so_far(stream)
        self.read_until(lambda: reply.ended or reply.reset is not None)
        return reply

    def read_to_end(self, timeout=30):
        """Reads until the server closes the connection."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                assert time.monotonic() < deadline, f"the connection is still open after {timeout} s"
                self.read_frame()
        except Closed:
            return self
