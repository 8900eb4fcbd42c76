"""Reads a google.protobuf.FileDescriptorSet with nothing but the standard library, so that generating
needs no Python package. Field numbers are those of google/protobuf/descriptor.proto."""

from dataclasses import dataclass, field


def fields(data: bytes):
    """Yields (number, value) of a message: an int for a varint, bytes for a length-delimited field."""
    at = 0

    def varint() -> int:
        nonlocal at
        shift = result = 0
        while True:
            byte = data[at]
            at += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            length = varint()
            yield key >> 3, data[at:at + length]
            at += length
        else:
            raise ValueError("a descriptor holds no fixed-width fields")


def one(data: bytes, number: int, default=0):
    result = default
    for n, value in fields(data):
        if n == number:
            result = value
    return result


def text(data: bytes, number: int) -> str:
    return bytes(one(data, number, b"")).decode()


@dataclass
class Field:
    name: str
    number: int
    repeated: bool
    type: int
    type_name: str
    oneof: int | None
    doc: str


@dataclass
class Enum:
    name: str
    full_name: str
    doc: str
    values: list  # of (name, number, doc)


@dataclass
class Message:
    name: str
    full_name: str
    doc: str
    is_map: bool
    fields: list
    oneofs: list  # of (name, doc)
    messages: list
    enums: list


@dataclass
class Method:
    name: str
    input: str
    output: str
    client_streaming: bool
    server_streaming: bool
    is_read_only: bool
    doc: str


@dataclass
class Service:
    name: str
    full_name: str
    doc: str
    methods: list


@dataclass
class File:
    name: str
    package: str
    messages: list = field(default_factory=list)
    enums: list = field(default_factory=list)
    services: list = field(default_factory=list)


class Reader:
    """Reads one file; `docs` maps a path of SourceCodeInfo to the comment that stands before it."""

    def __init__(self, data: bytes):
        self.docs = {}
        for number, info in fields(data):
            if number == 9:
                for n, location in fields(info):
                    if n == 1:
                        self.docs[tuple(one(location, 1, b""))] = text(location, 3)
        self.file = File(text(data, 1), text(data, 2))
        scope = "." + self.file.package
        count = {4: 0, 5: 0, 6: 0}
        for number, value in fields(data):
            if number in count:
                path = (number, count[number])
                count[number] += 1
                if number == 4:
                    self.file.messages.append(self.message(value, scope, path))
                elif number == 5:
                    self.file.enums.append(self.enum(value, scope, path))
                else:
                    self.file.services.append(self.service(value, scope, path))

    def doc(self, *path) -> str:
        return self.docs.get(tuple(path), "").strip()

    def message(self, data: bytes, scope: str, path: tuple) -> Message:
        name = text(data, 1)
        message = Message(name, f"{scope}.{name}", self.doc(*path), False, [], [], [], [])
        for number, value in fields(data):
            if number == 2:
                at = len(message.fields)
                oneof = next((v for n, v in fields(value) if n == 9), None)
                message.fields.append(Field(text(value, 1), one(value, 3), one(value, 4) == 3, one(value, 5),
                                            text(value, 6), oneof, self.doc(*path, 2, at)))
            elif number == 3:
                message.messages.append(self.message(value, message.full_name, (*path, 3, len(message.messages))))
            elif number == 4:
                message.enums.append(self.enum(value, message.full_name, (*path, 4, len(message.enums))))
            elif number == 7:
                message.is_map = one(value, 7) == 1
            elif number == 8:
                message.oneofs.append((text(value, 1), self.doc(*path, 8, len(message.oneofs))))
        return message

    def enum(self, data: bytes, scope: str, path: tuple) -> Enum:
        name = text(data, 1)
        enum = Enum(name, f"{scope}.{name}", self.doc(*path), [])
        for number, value in fields(data):
            if number == 2:
                enum.values.append((text(value, 1), one(value, 2), self.doc(*path, 2, len(enum.values))))
        return enum

    def service(self, data: bytes, scope: str, path: tuple) -> Service:
        name = text(data, 1)
        service = Service(name, f"{scope}.{name}", self.doc(*path), [])
        for number, value in fields(data):
            if number == 2:
                service.methods.append(Method(text(value, 1), text(value, 2), text(value, 3), one(value, 5) == 1,
                                              one(value, 6) == 1, one(one(value, 4, b""), 34) == 1, self.doc(*path, 2, len(service.methods))))
        return service


def read(data: bytes) -> list:
    return [Reader(value).file for number, value in fields(data) if number == 1]
