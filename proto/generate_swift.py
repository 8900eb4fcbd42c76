"""Writes the Swift mirrors of the proto messages: one struct a message, between protobuf-c's struct and the
rest of the code. Usage: generate_swift.py DESCRIPTOR_SET OUTDIR (OUTDIR stands for Sources/)."""

import pathlib
import sys

import descriptor_set
from swift_names import Names, camel, case_name, escape, snake_name

TYPE_DOUBLE, TYPE_INT64, TYPE_INT32, TYPE_BOOL, TYPE_STRING = 1, 3, 5, 8, 9
TYPE_MESSAGE, TYPE_BYTES, TYPE_ENUM, TYPE_SINT32 = 11, 12, 14, 17
SCALARS = {TYPE_DOUBLE: "Double", TYPE_INT64: "Int64", TYPE_INT32: "Int32", TYPE_SINT32: "Int32", TYPE_BOOL: "Bool",
           TYPE_STRING: "String", TYPE_BYTES: "[UInt8]"}
DEFAULTS = {"Double": "0", "Int64": "0", "Int32": "0", "Bool": "false", "String": '""', "[UInt8]": "[]"}

# What goes where: the output file, the imports, and for each proto file the access of its types.
TARGETS = {
    "WireMessages/Generated": {
        "package": "flowstate.v1", "module": "CFlowStateProto",
        "names": {},
        "files": {
            "flowstate/v1/types.proto": ("Types", "public"), "flowstate/v1/errors.proto": ("Errors", "public"),
            "flowstate/v1/state.proto": ("State", "public"), "flowstate/v1/lifecycle.proto": ("Lifecycle", "public"),
            "flowstate/v1/recovery.proto": ("Recovery", "public"), "flowstate/v1/lease.proto": ("Lease", "public"),
            "flowstate/v1/definition.proto": ("Definition", "public"),
            "flowstate/v1/admin.proto": ("Admin", "public"), "flowstate/v1/archive.proto": ("Archive", "public"),
        },
    },
    "GRPC/Messages": {
        "package": "google.rpc", "module": "CGRPCProto",
        "names": {".google.rpc.Status": "RPCStatus",
                  ".grpc.health.v1.HealthCheckResponse.ServingStatus": "ServingStatus"},
        "files": {
            "grpc/health/v1/health.proto": ("HealthMessages", "package"),
            "grpc/reflection/v1/reflection.proto": ("ReflectionMessages", "package"),
            "google/rpc/status.proto": ("StatusMessages", "public"),
            "google/rpc/error_details.proto": ("ErrorDetailMessages", "public"),
        },
    },
    "Protobuf/Generated": {
        "package": "google.protobuf", "module": "CWellKnown", "names": {},
        "files": {
            "google/protobuf/any.proto": ("AnyMessage", "public"),
            "google/protobuf/timestamp.proto": ("Timestamp", "public"),
            "google/protobuf/duration.proto": ("ProtoDuration", "public"),
            "google/protobuf/map_entry.proto": ("MapEntry", "public"),
        },
    },
}

#: Names of well-known messages that would be taken for others.
WELL_KNOWN_NAMES = {".google.protobuf.Any": "AnyMessage", ".google.protobuf.Duration": "ProtoDuration"}


# The comments of google/protobuf/*.proto are long, and differ between versions of protoc.
WELL_KNOWN_DOCS = {
    ".google.protobuf.Any": ("A message of any type, under its name.",
                             {"type_url": "What stands after the last `/` is the message's full name.",
                              "value": "The encoded message."}),
    ".google.protobuf.Timestamp": ("A point in time, as time since 1970-01-01T00:00:00Z.",
                                   {"seconds": "Whole seconds; negative before 1970.",
                                    "nanos": "Nanoseconds after them, 0 to 999,999,999."}),
    ".google.protobuf.Duration": ("A length of time.",
                                  {"seconds": "Whole seconds.", "nanos": "Nanoseconds, of the same sign."}),
    ".google.protobuf.MapEntry": ("The entry message of `map<string, string>`.", {"key": "", "value": ""}),
}


def use_well_known_docs(files: list) -> None:
    for file in files:
        for message in file.messages:
            if message.full_name in WELL_KNOWN_DOCS:
                message.doc, fields = WELL_KNOWN_DOCS[message.full_name]
                for field in message.fields:
                    field.doc = fields[field.name]


def doc(text: str, indent: str = "") -> list:
    return [f"{indent}///{' ' if line.strip() else ''}{line.strip()}" for line in text.splitlines()]


class Property:
    """One stored property of a struct: a field, or a oneof with its fields."""

    def __init__(self, name, type, default, doc, read, write, visit=()):
        self.name, self.type, self.default, self.doc = name, type, default, doc
        self.read, self.write = read, write  # lines of Swift
        self.visit = visit


class FileWriter:
    def __init__(self, target: dict, names: Names, access: str):
        self.target, self.names = target, names
        self.access = "" if access == "internal" else access + " "
        self.lines = []

    # Values: (Swift type, expression that reads it from C, expression that writes it to C).

    def value(self, field, source: str, target: str) -> tuple:
        c = f"{source}.{escape(field.name)}"
        v = target
        if field.type == TYPE_STRING:
            return "String", f'try {c}.string("{field.name}")', f"arena.copy({v})"
        if field.type == TYPE_BYTES:
            return "[UInt8]", f"{c}.bytes", f"arena.copy({v})"
        if field.type == TYPE_BOOL:
            return "Bool", f"{c} != 0", f"{v} ? 1 : 0"
        if field.type == TYPE_ENUM:
            name = self.names.swift(field.type_name)
            return name, f"{name}(rawValue: Int32(bitPattern: {c}.rawValue))", f".init(rawValue: UInt32(bitPattern: {v}.rawValue))"
        return SCALARS[field.type], c, v

    def message_type(self, field) -> tuple:
        """The message's Swift name, and whether it is shown as a Swift Duration."""
        return self.names.swift(field.type_name), field.type_name == ".google.protobuf.Duration"

    def single(self, field) -> Property:
        name = escape(camel(field.name))
        if field.type == TYPE_MESSAGE:
            message, is_duration = self.message_type(field)
            read = f"try {message}.optional(c.{field.name})" + (f'?.duration("{field.name}")' if is_duration else "")
            value = f"{name}.map {{ {message}($0) }}" if is_duration else name
            return Property(name, "Duration?" if is_duration else message + "?", "nil", field.doc,
                            [f"{name} = {read}"], [f"c.pointee.{field.name} = arena.make(optional: {value})"])
        type, read, write = self.value(field, "c", name)
        default = DEFAULTS.get(type) or "." + self.names.zero_case(field.type_name)
        return Property(name, type, default, field.doc, [f"{name} = {read}"], [f"c.pointee.{field.name} = {write}"])

    def repeated(self, field) -> Property:
        name, c = escape(camel(field.name)), f"c.{field.name}, c.n_{field.name}"
        count = [f"c.pointee.n_{field.name} = {name}.count"]
        if self.names.is_map(field.type_name):
            return Property(name, "StringMap", "[:]", field.doc,
                            [f"{name} = try MapEntry.map({c})"],
                            count + [f"c.pointee.{field.name} = arena.list(MapEntry.entries({name}))"])
        write = count + [f"c.pointee.{field.name} = arena.list({name})"]
        if field.type == TYPE_MESSAGE:
            type, read = self.message_type(field)[0], f"try {self.message_type(field)[0]}.array({c})"
        elif field.type == TYPE_STRING:
            type, read = "String", f'try ProtobufCBinaryData.strings({c}, "{field.name}")'
        elif field.type == TYPE_BYTES:
            type, read = "[UInt8]", f"ProtobufCBinaryData.byteArrays({c})"
        elif field.type == TYPE_ENUM:
            type = self.names.swift(field.type_name)
            c_enum = self.names.c_type(field.type_name)
            read = (f"UnsafeBufferPointer(start: c.{field.name}, count: c.n_{field.name}).map {{\n"
                    f"            {type}(rawValue: Int32(bitPattern: $0.rawValue))\n        }}")
            write = count + [f"c.pointee.{field.name} = arena.list(",
                             f"    scalars: {name}.map {{ {c_enum}(rawValue: UInt32(bitPattern: $0.rawValue)) }})"]
        else:
            type, read = SCALARS[field.type], f"[Int32](UnsafeBufferPointer(start: c.{field.name}, count: c.n_{field.name}))"
            assert type == "Int32", "add the list of this type"
            write = count + [f"c.pointee.{field.name} = arena.list(scalars: {name})"]
        return Property(name, f"[{type}]", "[]", field.doc, [f"{name} = {read}"], write)

    def lone(self, oneof: str, text: str, field) -> Property:
        """A oneof of one member stands for an optional field."""
        name = escape(camel(field.name))
        type, read, write = self.value(field, "c", name)
        return Property(name, type + "?", "nil", f"{field.doc}\n{text}",
                        [f"if c.{oneof}_case.rawValue == {field.number} {{ {name} = {read} }}"],
                        [f"if let {name} {{",
                         f"    c.pointee.{oneof}_case = .init(rawValue: {field.number})",
                         f"    c.pointee.{field.name} = {write}",
                         "}"])

    def oneof(self, name: str, text: str, members: list) -> tuple:
        """The property, and the enum that is its type."""
        type, property = camel(name)[0].upper() + camel(name)[1:], escape(camel(name))
        enum = doc(text, "    ") + [f"    {self.access}enum {type}: Equatable, Sendable {{"]
        read, write = [f"switch c.{name}_case.rawValue {{"], [f"switch {property} {{"]
        visit = [f"switch {property} {{"]
        for field in members:
            case = escape(camel(field.name))
            if field.type == TYPE_MESSAGE:
                swift, is_duration = self.message_type(field)
                assert not is_duration, "add Duration to oneofs"
                read += [f"case {field.number}: {property} = try {swift}.optional(c.{field.name}).map {{ .{case}($0) }}"]
                c_write = "arena.make(value)"
            else:
                swift, c_read, c_write = self.value(field, "c", "value")
                tries, c_read = ("try ", c_read[4:]) if c_read.startswith("try ") else ("", c_read)
                read += [f"case {field.number}: {property} = {tries}.{case}({c_read})"]
            enum += doc(field.doc, "        ") + [f"        case {case}({swift})"]
            write += [f"case .{case}(let value):",
                      f"    c.pointee.{name}_case = .init(rawValue: {field.number})",
                      f"    c.pointee.{escape(field.name)} = {c_write}"]
            visit += [f'case .{case}(let value): body(MessageField("{field.name}", value.fieldValue, hasPresence: true))']
        visit += ["case nil: break", "}"]
        read += ["default: break", "}"]
        write += ["case nil: break", "}"]
        return Property(property, type + "?", "nil", text, read, write, visit), enum + ["    }"]

    def message(self, message, request_doc: str) -> None:
        properties, enums, seen = [], [], set()
        for field in message.fields:
            if field.oneof is None:
                properties.append(self.repeated(field) if field.repeated else self.single(field))
                properties[-1].visit = self.visit(field)
            elif field.oneof not in seen:
                seen.add(field.oneof)
                members = [f for f in message.fields if f.oneof == field.oneof]
                name, text = message.oneofs[field.oneof]
                if len(members) == 1:
                    properties.append(self.lone(name, text, members[0]))
                    properties[-1].visit = self.visit(members[0])
                else:
                    property, enum = self.oneof(name, text, members)
                    properties.append(property)
                    enums.append(enum)
        swift, c = self.names.swift(message.full_name), self.names.c_type(message.full_name)
        a = self.access
        text = "An entry of a map." if message.is_map else message.doc or request_doc
        self.lines += doc(text) + [f"{a}struct {swift}: WireMessage, Equatable {{"]
        for enum in enums:
            self.lines += enum + [""]
        for p in properties:
            self.lines += doc(p.doc, "    ") + [f"    {a}var {p.name}: {p.type} = {p.default}".replace("? = nil", "?")]
        self.lines += [""] if properties else []
        self.initializer(properties)
        self.lines += [
            "",
            f"    {a}static var descriptor: UnsafePointer<MessageDescriptor> {{",
            f"        {self.names.c_lower(message.full_name)}__get_descriptor()", "    }",
            "", f"    {a}init(_ c: {c}) throws(WireError) {{",
            *(f"        {line}" for p in properties for line in p.read), "    }",
            "", f"    {a}func fill(_ c: UnsafeMutablePointer<{c}>, _ arena: inout Arena) {{",
            *(f"        {line}" for p in properties for line in p.write), "    }",
            "", f"    {a}func visitFields(_ body: (MessageField) -> Void) {{",
            *(f"        {line}" for p in properties for line in p.visit), "    }", "}", ""]

    @staticmethod
    def visit(field) -> list:
        presence = ", hasPresence: true" if field.oneof is not None else ""
        return [f'body(MessageField("{field.name}", {escape(camel(field.name))}.fieldValue{presence}))']

    def initializer(self, properties: list) -> None:
        a = self.access
        if not properties:
            self.lines += [f"    {a}init() {{}}"]
            return
        self.lines += [f"    {a}init(",
                       *(f"        {p.name}: {p.type} = {p.default}{',' if p is not properties[-1] else ''}" for p in properties),
                       "    ) {", *(f"        self.{p.name} = {p.name}" for p in properties), "    }"]

    def enum(self, enum) -> None:
        a, swift = self.access, self.names.swift(enum.full_name)
        cases = [(escape(case_name(enum.name, name)), number, text) for name, number, text in enum.values]
        self.lines += doc(enum.doc) + [f"{a}enum {swift}: WireEnum, Hashable {{"]
        for name, _, text in cases:
            self.lines += doc(text, "    ") + [f"    case {name}"]
        self.lines += ["    /// A value that this version of the contract does not know.", "    case unrecognized(Int32)", "",
                       f"    {a}init(rawValue: Int32) {{", "        self =", "            switch rawValue {",
                       *(f"            case {number}: .{name}" for name, number, _ in cases),
                       "            default: .unrecognized(rawValue)", "            }", "    }", "",
                       f"    {a}var rawValue: Int32 {{", "        switch self {",
                       *(f"        case .{name}: {number}" for name, number, _ in cases),
                       "        case .unrecognized(let value): value", "        }", "    }", "",
                       "    /// The contract's name without its prefix, in lower case; of a value that it does not know the number.",
                       f"    {a}var name: String {{", "        switch self {",
                       *(f'        case .{escape(case_name(enum.name, name))}: "{snake_name(enum.name, name)}"' for name, _, _ in enum.values),
                       '        case .unrecognized(let value): "\\(value)"', "        }", "    }", "",
                       "    /// The contract's name; nil for a value that it does not know.",
                       f"    {a}var contractName: String? {{", "        switch self {",
                       *(f'        case .{escape(case_name(enum.name, name))}: "{name}"' for name, _, _ in enum.values),
                       "        case .unrecognized: nil", "        }", "    }", "}", ""]

    def file(self, file, requests: dict) -> str:
        for enum in file.enums:
            self.enum(enum)
        for message in file.messages:
            self.nested(message, requests)
        imports = [self.target["module"]] + ([] if self.target["module"] == "CWellKnown" else ["Protobuf"])
        return "\n".join([f"// Generated by proto/generate.sh from {file.name}. Do not edit.", "",
                          *(f"{self.access}import {module}" for module in imports), "", *self.lines])

    def nested(self, message, requests: dict) -> None:
        if self.names.is_map(message.full_name):
            return
        for enum in message.enums:
            self.enum(enum)
        for inner in message.messages:
            self.nested(inner, requests)
        self.message(message, requests.get(message.full_name, ""))


def request_docs(files: list) -> dict:
    """Documentation for the messages that are one method's request or response and have no comment."""
    users = {}
    for file in files:
        for service in file.services:
            for method in service.methods:
                name = f"`{service.name}.{method.name}`"
                users.setdefault((method.input, "request"), []).append(name)
                users.setdefault((method.output, "response"), []).append(name)
    return {message: f"The {role} of {' and '.join(names)}." for (message, role), names in users.items()}


def method_constant(method) -> str:
    return method.name[0].lower() + method.name[1:]


def contract(files: list, names: Names) -> str:
    """The services, methods and messages of the package flowstate.v1."""
    services = [service for file in files for service in file.services]
    lines = ["// Generated by proto/generate.sh. Do not edit.", "", "import Protobuf", "", "extension MethodDescriptor {"]
    for service in services:
        for method in service.methods:
            kind = (", clientStreaming: true" if method.client_streaming else "") + (
                ", serverStreaming: true" if method.server_streaming else "") + (
                ", isReadOnly: true" if method.is_read_only else "")
            lines += [f"    public static let {method_constant(method)} = MethodDescriptor(",
                      f'        "{method.name}", of: "{service.full_name[1:]}"{kind})']
    lines += ["}", "", "extension FlowStateProto {", "    /// Every service of the package, in the order of its files.",
              "    public static let services: [ServiceDescriptor] = ["]
    for service in services:
        lines += ["        ServiceDescriptor(", f'            name: "{service.full_name[1:]}",', "            methods: [",
                  *(f"                .{method_constant(method)}," for method in service.methods), "            ]),"]
    lines += ["    ]", "", "    /// Every message of the package.",
              "    public static let messages: [any WireMessage.Type] = ["]
    for file in files:
        lines += [f"        {names.swift(message.full_name)}.self," for message in file.messages]
    return "\n".join(lines + ["    ]", "}", ""])


def field_names(files: list, full_name: str) -> list:
    """The names of a message's fields."""
    return [field.name for file in files for message in file.messages if message.full_name == full_name for field in message.fields]


def client(files: list, names: Names) -> str:
    """The methods of StateClient: every unary one of the contract."""
    methods = [(service, method) for file in files for service in file.services for method in service.methods
               if not method.client_streaming and not method.server_streaming]
    lines = ["// Generated by proto/generate.sh. Do not edit.", "", "public import WireMessages", ""]
    for _, method in methods:
        name, request, response = method_constant(method), names.swift(method.input), names.swift(method.output)
        lines += [f"extension StateClient.Method where Request == {request}, Response == {response} {{",
                  f"    /// `{method.name}`.", f"    public static var {name}: Self {{ Self(.{name}) }}", "}"]
    keyed = dict.fromkeys(method.input for _, method in methods if "idempotency_key" in field_names(files, method.input))
    for request in keyed:
        lines += [f"extension {names.swift(request)}: IdempotentRequest {{}}"]
    lines += ["", "extension StateClient {"]
    for _, method in methods:
        name, request, response = method_constant(method), names.swift(method.input), names.swift(method.output)
        lines += [*doc(method.doc, "    "), "    /// - Throws: `ClientError`.",
                  f"    public func {name}(_ request: {request}) async throws -> {response} {{",
                  f"        try await call(.{name}, request)", "    }", ""]
    lines[-1] = "}"
    return "\n".join([*lines, ""])


def main(descriptor_path: str, out: str) -> None:
    files = descriptor_set.read(pathlib.Path(descriptor_path).read_bytes())
    use_well_known_docs(files)
    docs = request_docs(files)
    for folder, target in TARGETS.items():
        names = Names(files, {**WELL_KNOWN_NAMES, **target["names"]})
        root = pathlib.Path(out) / folder
        root.mkdir(parents=True, exist_ok=True)
        for old in root.glob("*.swift"):
            old.unlink()
        for file in files:
            if file.name in target["files"]:
                name, access = target["files"][file.name]
                (root / f"{name}.swift").write_text(FileWriter(target, names, access).file(file, docs))
        if folder == "WireMessages/Generated":
            own = [file for file in files if file.package == target["package"]]
            (root / "Contract.swift").write_text(contract(own, names))
            methods = pathlib.Path(out) / "FlowStateClient/Generated"
            methods.mkdir(parents=True, exist_ok=True)
            (methods / "Methods.swift").write_text(client(own, names))


if __name__ == "__main__":
    main(*sys.argv[1:])
