"""Random definitions, honest and hostile, and states for them."""

import json

PHASES, STATUSES = [f"p{number}" for number in range(6)], ["new", "running", "failed", "done"]
PATTERNS = [
    "^[a-z]+$", "(a?){40}a{40}", "(a*a*)*b$", "(x+x+)+y", "\\pL{1,300}", "^.{0,900}$", "[^\\x00-\\x{10FFFF}]", "(", "(?i)é", ".*.*.*.*=.*"]


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def path(rng):
    return rng.choice(["", "/a", "/b", "/a/0", "/o/k1", "/n", "/phase", "/é", "/a~1b"])


def rule(rng, depth=0):
    """One rule; those of elements hold rules themselves."""
    kind = rng.choice([
        "required", "type", "not_empty", "one_of", "range", "format", "pattern", "keys", "elements", "values", "not_listed",
        "not_empty_in_phase", "consistent_with_status", "size", "deprecated", "empty"])
    found = {"rule": kind, "path": path(rng), "severity": rng.choice(["error", "warning"])}
    many = rng.choice([1, 3, 50, 2_000])
    found.update({
        "type": {"type": rng.choice(["string", ["array", "null"]])}, "one_of": {"values": [f"v{number}" for number in range(many)]},
        "range": {"minimum": rng.choice([0, -1e308, 12345678901234567890]), "maximum": rng.choice([10, 1e308])},
        "format": {"format": rng.choice(["uuid", "timestamp"])}, "pattern": {"pattern": rng.choice(PATTERNS)},
        "keys": {"values": [f"k{number}" for number in range(many)]}, "not_listed": {"in": path(rng)},
        "not_empty_in_phase": {"phases": rng.sample(PHASES, 2)},
        "consistent_with_status": {"status": rng.choice(STATUSES), "equals": rng.choice([1, "x", None])},
        "size": {"maximum": rng.choice([0, 10, 1 << 40])}, "deprecated": {"beside": path(rng)}}.get(kind, {}))
    if kind in ("elements", "values"):
        found["rules"] = [rule(rng, depth + 1) for _ in range(rng.choice([1, 2, 10]))] if depth < 4 else []
    if rng.random() < 0.5:
        found["depths"] = rng.sample(["minimal", "transition", "complete"], rng.randrange(1, 4))
    return found


def schema(rng, depth=0):
    if depth > 4:
        return {}
    inner = lambda: schema(rng, depth + 1)  # noqa: E731
    return rng.choice([
        lambda: {"type": rng.choice(["object", "array", "string", "number"])},
        lambda: {"items": inner(), "uniqueItems": rng.random() < 0.5},
        lambda: {"properties": {f"k{number}": inner() for number in range(rng.choice([1, 5, 200 if depth < 1 else 2]))}},
        lambda: {"patternProperties": {rng.choice(PATTERNS) + str(number): {} for number in range(rng.choice([1, 8, 100]))}},
        lambda: {rng.choice(["anyOf", "oneOf", "allOf"]): [inner() for _ in range(rng.choice([1, 2, 12]))]},
        lambda: {"not": inner(), "if": inner(), "then": inner()},
        lambda: {"enum": [f"e{number}" for number in range(rng.choice([1, 3_000]))]},
        lambda: {"multipleOf": rng.choice([0.1, 1e-300, 7]), "minimum": -1e308},
        lambda: {"pattern": rng.choice(PATTERNS), "contains": inner()}])()


def definition(rng, flow_type):
    """A document: mostly one that is taken, now and then one that is only large."""
    document = {
        "flow_type": flow_type, "paths": {"phase": "/phase", "status": "/status"}, "on_save": rng.choice(["enforce", "warn", "off"]),
        "phases": [{"name": name, "requires": PHASES[:index]} for index, name in enumerate(PHASES)],
        "statuses": [{"name": name} for name in STATUSES], "rules": [rule(rng) for _ in range(rng.choice([0, 1, 5, 60]))]}
    if rng.random() < 0.4:
        document["schema"] = schema(rng)
    if rng.random() < 0.3:
        document["labels"] = {f"l{number}": f"/l{number}" for number in range(rng.choice([3, 64, 65, 12_000]))}
    if rng.random() < 0.2:
        document["initial_state"] = json.loads(state(rng, 4))
    size = rng.choice([100, 1_000, 6_000])
    if rng.random() < 0.15:
        document["phases"] = [{"name": f"p{number}", "requires": [f"p{number + 1}"] if number < size - 1 else []} for number in range(size)]
    if rng.random() < 0.1:
        document["statuses"] = [{"name": f"s{number}", "next": [f"s{number // 2}"]} for number in range(size)]
    if rng.random() < 0.1:
        document["rules"] = [rule(rng) for _ in range(size // 2)]
    if rng.random() < 0.1:
        document["recovery"] = {"automatic": ["error_report", "step", "patch"], "repairs": [
            {"path": path(rng), "value": number} for number in range(size)], "tries": ["repair", "checkpoint", "version", "reset"]}
    return compact(document)[:1_040_000]


def state(rng, scale=None):
    """A state of some bytes to some megabytes, whose parts the rules look at."""
    count = scale or rng.choice([3, 3, 30, 300, 3_000, 60_000])
    texts = lambda letter: [f"{letter}{number % max(1, count // 2)}" for number in range(count)]  # noqa: E731
    element = rng.choice([
        lambda: texts("x"), lambda: ["a" * min(count, 20_000)] * 8, lambda: list(range(count)), lambda: [[1, {"k": []}]] * count])
    document = {
        "a": element(), "b": texts(rng.choice("xy")), "o": {f"k{number}": number for number in range(min(count, 5_000))},
        "n": rng.choice([1, -1e308, 0.1]), "phase": rng.choice(PHASES), "status": rng.choice(STATUSES), "é": "é"}
    return compact(document)


def patch(rng):
    """A JSON Patch."""
    kind = rng.choice(["copy", "add", "move", "test"])
    if kind == "copy":
        doubling = [{"op": "copy", "from": "", "path": f"/o/c{number}"} for number in range(rng.choice([0, 30]))]
        return compact([{"op": "copy", "from": "/a", "path": "/o/k0"}] * rng.choice([1, 100]) + doubling)
    if kind == "move":
        return compact([{"op": "move", "from": "/a/0", "path": "/a/-"}] * rng.choice([1, 10_000]))
    return compact([{"op": kind, "path": "/n", "value": 1}] * rng.choice([1, 10_000, 10_001]))
