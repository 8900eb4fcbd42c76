"""The bytes of a gRPC request, by hand: h2load sends what is in a file."""


def frame(message):
    """A message on the wire: a byte "not compressed", four of length (gRPC over HTTP/2, Length-Prefixed-Message)."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def field(number, value):
    """A length-delimited field with a number below 16 (Protocol Buffers, Encoding)."""
    length, size = len(value), b""
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + value
