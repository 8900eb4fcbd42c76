"""How names of proto files read in Swift and in protobuf-c's C."""

import re

TYPE_STRING = 9
KEYWORDS = {"as", "case", "default", "in", "is", "repeat", "self", "where", "operator", "internal", "protocol", "func"}
ACRONYMS = {"id": "ID", "ids": "IDs", "url": "URL"}


def escape(name: str) -> str:
    return f"`{name}`" if name in KEYWORDS else name


def camel(name: str) -> str:
    """flow_id → flowID"""
    first, *rest = name.split("_")
    return first + "".join(ACRONYMS.get(word, word.capitalize()) for word in rest)


def snake(name: str) -> str:
    """SaveState → save_state, as protobuf-c does it"""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def case_name(enum: str, value: str) -> str:
    """(FlowOrder, FLOW_ORDER_UPDATED_DESC) → updatedDesc"""
    prefix = snake(enum).upper() + "_"
    return camel(value.removeprefix(prefix).lower())


def snake_name(enum: str, value: str) -> str:
    """(FlowOrder, FLOW_ORDER_UPDATED_DESC) → updated_desc"""
    return value.removeprefix(snake(enum).upper() + "_").lower()


class Names:
    def __init__(self, files: list, renamed: dict):
        self.renamed, self.packages, self.enums, self.maps = renamed, {}, {}, set()
        for file in files:
            for enum in file.enums:
                self.add_enum(enum, file.package)
            for message in file.messages:
                self.add(message, file.package)

    def add_enum(self, enum, package: str) -> None:
        self.packages[enum.full_name] = package
        self.enums[enum.full_name] = enum

    def add(self, message, package: str) -> None:
        self.packages[message.full_name] = package
        # An entry of any other map is a message like all others.
        if message.is_map and all(field.type == TYPE_STRING for field in message.fields):
            self.maps.add(message.full_name)
        for inner in message.messages:
            self.add(inner, package)
        for enum in message.enums:
            self.add_enum(enum, package)

    def parts(self, full_name: str) -> tuple:
        package = self.packages[full_name]
        return package.split("."), full_name[len(package) + 2:].split(".")

    def swift(self, full_name: str) -> str:
        """Nested types are flat in Swift: BadRequest.FieldViolation → BadRequestFieldViolation."""
        return self.renamed.get(full_name) or "".join(self.parts(full_name)[1])

    def c_type(self, full_name: str) -> str:
        package, name = self.parts(full_name)
        return "__".join([word[0].upper() + word[1:] for word in package] + name)

    def c_lower(self, full_name: str) -> str:
        package, name = self.parts(full_name)
        return "__".join(package + [snake(word) for word in name])

    def zero_case(self, enum_name: str) -> str:
        enum = self.enums[enum_name]
        return escape(next(case_name(enum.name, name) for name, number, _ in enum.values if number == 0))

    def is_map(self, full_name: str) -> bool:
        return full_name in self.maps
