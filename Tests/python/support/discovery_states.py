"""States of `unified_discovery` flows for the tests of validation: right ones, wrong ones, and texts that are no JSON.

`states(seed, count)` yields the same bytes for the same seed; state `number` is `state(seed, number)`.
"""

import json
import random
import uuid

from discovery_oracle import (
    DATA_OF_PHASE, IDS, LEARNING_SCOPES, LISTED, MEMORY_ISOLATION_LEVELS, PHASES, PHASES_OF_COMPLETED_FLOWS, STATUSES,
    TIMESTAMPS)


def states(seed, count):
    return (state(seed, number) for number in range(count))


def state(seed, number):
    rng = random.Random(f"{seed}/{number}")
    kind = rng.random()
    if kind < 0.15:
        return encode(valid(rng), rng)
    if kind < 0.85:
        return encode(mutated(rng), rng)
    return hostile(rng)


# Spelling


class Raw(str):
    """JSON that is spelled already. Bytes that are no UTF-8 are in it as `raw()` makes them."""


class Members(list):
    """An object as pairs of name and value: names may repeat."""

    def names(self):
        return [name for name, _ in self]

    def get(self, name):
        return next((value for other, value in self if other == name), None)

    def set(self, name, value):
        """In the place of the last one of that name, or at the end."""
        for position in reversed(range(len(self))):
            if self[position][0] == name:
                self[position] = (name, value)
                return
        self.append((name, value))

    def remove_all(self, name):
        self[:] = [member for member in self if member[0] != name]


def raw(data):
    return Raw(data.decode("utf-8", "surrogateescape"))


def encode(value, rng):
    """The text of a value: mostly plain, now and then in a way that only JSON's grammar explains."""
    spelling = Spelling(rng, *rng.choice([(0, 0), (0, 0), (0, 0), (0.02, 0), (0.1, 0.2), (0.5, 0.5), (0, 0.3)]))
    return spelling.text(value).encode("utf-8", "surrogateescape")


class Spelling:
    SHORT = {"\b": "b", "\t": "t", "\n": "n", "\f": "f", "\r": "r", '"': '"', "\\": "\\", "/": "/"}

    def __init__(self, rng, escaped, spaced):
        self.rng = rng
        self.escaped = escaped
        self.spaced = spaced

    def text(self, value):
        if isinstance(value, Raw):
            return str(value)
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, (dict, Members)):
            members = value.items() if isinstance(value, dict) else value
            inside = (self.string(name) + self.space() + ":" + self.space() + self.text(of) for name, of in members)
            return self.space() + "{" + self.space() + self.comma().join(inside) + self.space() + "}" + self.space()
        if isinstance(value, list):
            return "[" + self.space() + self.comma().join(map(self.text, value)) + self.space() + "]"
        return json.dumps(value)

    def string(self, value):
        if not self.escaped and value.isascii():
            return json.dumps(value)
        return '"' + "".join(map(self.character, value)) + '"'

    def character(self, character):
        code = ord(character)
        must = code < 0x20 or 0xD800 <= code < 0xE000 or character in '"\\'
        if not must and self.rng.random() >= self.escaped:
            return character
        if character in self.SHORT and self.rng.random() < 0.7:
            return "\\" + self.SHORT[character]
        if code > 0xFFFF:
            code -= 0x10000
            return self.unit(0xD800 + (code >> 10)) + self.unit(0xDC00 + (code & 0x3FF))
        return self.unit(code)

    def unit(self, code):
        return "\\u" + format(code, self.rng.choice(["04x", "04X"]))

    def space(self):
        if not self.spaced or self.rng.random() >= self.spaced:
            return ""
        return "".join(self.rng.choices(" \t\r\n", k=self.rng.randint(1, 3)))

    def comma(self):
        return self.space() + "," + self.space()


# Right states


def valid(rng):
    """A state that breaks no rule; it may be worth a warning."""
    phase, status = rng.choice(PHASES), rng.choice([*STATUSES, "completed", None])
    done = PHASES[:PHASES.index(phase)]
    completion = {name: name in done for name in PHASES[1:-1]}
    progress = rng.choice([0, 10, 25, 40, 55, 70, 85, 95, 100, 12.5, Raw("0.0"), Raw("-0"), Raw("99.9e0")])
    if status == "completed":
        completion.update(dict.fromkeys(PHASES_OF_COMPLETED_FLOWS, True))
        progress = rng.choice(["100", "100", "100.0", "1e2", "1E+2", "1000e-1", "0.1e3"])
        progress = Raw(progress)
    elif status == "failed" and progress == 100:
        progress = 99
    flow_id = rng.choice([identifier(rng), "flow-1", " ", "0", "flow/ü", "\ud800", "\u0000"])
    members = Members([
        ("flow_id", flow_id), ("client_account_id", tenant_id(rng)), ("current_phase", phase),
        ("phase_completion", rng.choice([completion, completion, {}]) if status != "completed" else completion)])
    data = {name: filled(rng) for name in DATA_OF_PHASE.get(phase, [])}
    optional = {
        "session_id": rng.choice([flow_id, None]), "engagement_id": tenant_id(rng), "user_id": tenant_id(rng),
        "phases_completed": done, "raw_data": filled(rng), "field_mappings": filled(rng), "cleaned_data": empty(rng),
        "asset_inventory": empty(rng), "crew_status": {}, "metadata": {"source": "import", "flow_id": 5},
        "errors": [{"phase": phase, "error": "none", "details": None}], "warnings": rng.choice([[], ["careful"]]),
        "agent_insights": insights(rng), "user_clarifications": rng.choice([[], [{}], [{"question": "?"}, {}]]),
        "workflow_log": rng.choice([[], [{"event": "phase_completed"}], "none"]),
        "agent_confidences": {"mapper": 0.75, "cleaner": rng.choice([0, 1, Raw("1.0"), Raw("1e-400"), Raw("-0.0")])},
        "learning_scope": rng.choice(LEARNING_SCOPES), "memory_isolation_level": rng.choice(MEMORY_ISOLATION_LEVELS),
        **{name: rng.choice([good_timestamp(rng), "", None]) for name in TIMESTAMPS},
        "results": {"rows": [1, 2, {"deep": [[[0]]]}], "text": "naïve 🙂 \u2028"}, "": "", "Current_Phase": 7}
    members += [(name, value) for name, value in optional.items() if rng.random() < 0.6]
    for name, value in data.items():
        members.set(name, value)
    if status is not None or rng.random() < 0.5:
        members.append(("status", status))
    if status == "completed" or rng.random() < 0.8:
        members.append(("progress_percentage", progress))
    if rng.random() < 0.3:
        rng.shuffle(members)
    return members


def identifier(rng):
    text = str(uuid.UUID(int=rng.getrandbits(128)))
    return rng.choice([text, text, text.upper(), text.title()])


def tenant_id(rng):
    return rng.choice([identifier(rng), identifier(rng), "", "system", "anonymous"])


def filled(rng):
    return rng.choice([
        [{"host": "a", "cpu": 4}, {"host": "b"}], {"hostname": "host"}, "text", " ", [None], [[]], {"": None}, 0, 1,
        False, True, Raw("-0"), Raw("0.0"), "\u0000", [0], Raw('[ "" ]'), Raw("1e400")])


def empty(rng):
    return rng.choice([None, "", [], {}, Raw("[ ]"), Raw("{\n}"), Raw('""')])


def insights(rng):
    return [{"agent_id": rng.choice(["mapper", "", 0, False, [], {}]), "text": "x"} for _ in range(rng.randint(0, 3))]


# Values that a member may have: about half of them wrong. Numbers come as text, for no float can hold them all.

PROGRESS = """
    0 -0 0.0 -0.0 0e5 0E-5 0e999999999999999999999 -0e999999999999999999999 1 50 50.5 100 100.0 100.000 1E2 1e2 1e+2
    1e002 1.00e2 10000e-2 0.1e3 0.0001E6 99.9 99.99999999999999999999 100.00000000000000000001 100.0000000000001 100.1
    101 1e3 -1 -0.1 -100 -1e2 -1e-400 1e-400 1e400 -1e400 1e999999999999999999999 -1e999999999999999999999
    1e-999999999999999999999 9007199254740993 18446744073709551616 1e308 1.8e308 5e-324 1e1 1e0
""".split() + [
    "9" * 400, "0." + "0" * 400 + "1", "1" + "0" * 5_000, "100." + "0" * 300, "0." + "9" * 300, "1e" + "0" * 50 + "2"]
CONFIDENCES = """
    0 -0 0.0 1 1.0 1.000 1e0 10e-1 0.1e1 1E-1 0.5 0.99999999999999999999 1.00000000000000000001 1.0000001 1.1 2 100 -1
    -0.1 1e-400 -1e-400 1e400 -1e400 1e999999999999999999999 0e400 1e-999999999999999999999 5e-324 0.1e2 100e-2
""".split()
ANYTHING = [
    None, True, False, 0, 1, -1, 100, 1.5, Raw("1e400"), "", "x", "100", "true", "null", [], {}, [[]], [{}], {"a": 1},
    ["x"], [None], {"": None}, [0, 1], [True], {"flow_id": "x"}, ["running"], {"data_import": True}]
KEYS = [
    "data_validation", "Data_Import", "data_import ", "dataimport", "a/b", "a~b", "~1", "~0/", "/", "~", "", "0", "é",
    "🙂", "\ud800", "x\udc00\ud800y", "\u0000", '"', "\\", "\n", "\u2028", "\uffff", "k" * 300, "phase_completion"]
WORDS = PHASES + STATUSES + LEARNING_SCOPES + MEMORY_ISOLATION_LEVELS + [
    "", " ", "data_validation", "waiting_for_approval", "waiting_for_user_approval", "COMPLETED", "Running", "none",
    "null", "\ud800", "\u0000", "data_import\u0000"]
TIMESTAMP_EXAMPLES = """
    2024-02-29 2023-02-29 1900-02-29 2000-02-29 2100-02-29 2400-02-29 0004-02-29 0001-01-01 0000-01-01 9999-12-31
    10000-01-01 2024-01-31 2024-04-30 2024-04-31 2024-06-31 2024-09-31 2024-11-31 2024-12-31 2024-01-32 2024-00-10
    2024-13-01 2024-01-00 2024-1-1 24-01-01 20240101 2024-001 2024-W01-1 2024/01/01 2024-01 2024 01-01-2024
    +2024-01-01 -2024-01-01 2024-01-01Z 2024-01-01+01:00 2024-01-01T 2024-01-01T10 2024-01-01T10:20 2024-01-01T10:20Z
    2024-01-01T10:20+01 2024-01-01T10:20: 2024-01-01T10:20:30 2024-01-01t10:20:30z 2024-01-01T10:20:30.
    2024-01-01T10:20:30.1 2024-01-01T10:20:30,123456789Z 2024-01-01T10:20:30.123456789-00:00
    2024-01-01T10:20:30.1234567890Z 2024-01-01T10:20.5 2024-01-01T10:20:30+23:59 2024-01-01T10:20:30+24:00
    2024-01-01T10:20:30+23:60 2024-01-01T10:20:30-2359 2024-01-01T10:20:30+0100 2024-01-01T10:20:30-05
    2024-01-01T10:20:30+1 2024-01-01T10:20:30+010 2024-01-01T10:20:30+01: 2024-01-01T10:20:30+01:0
    2024-01-01T10:20:30ZZ 2024-01-01T10:20:30Z+01 2024-01-01T10:20:30+01Z 2024-01-01T24:00:00 2024-01-01T23:60
    2024-01-01T23:59:60Z 2024-06-15T12:00:60 2024-01-01T23:59:61 2024-01-01T1:20 2024-01-01T10:2 2024-01-01T102030
    2024-01-01_10:20 2024-01-01TT10:20 2024-01-01T10-20 ２０２４-01-01 2024-01-0١ 2024-01-01T10:20:30.٣ 2024−01−01
    yesterday now 1704067200 x
""".split() + [
    "", " ", "2024-01-01 10:20:30", "2024-01-01 10:20:30 Z", "2024-01-01  10:20", " 2024-01-01", "2024-01-01 ",
    "2024-01-01\n", "2024-01-01T10:20:30Z\n", "2024-01-01T10:20:30 +01:00", "2024-01-01\u0000",
    "2024-01-01\u00a010:20", "2024-01-01T10:20:30+01 00"]


def timestamp(rng):
    """Mostly right; each part may be beyond its bounds."""
    def sometimes(bad, *good):
        return rng.choice(bad) if rng.random() < 0.06 else rng.choice(good)

    text = sometimes(["0000", "10000", "202"], "0001", "1900", "2000", "2023", "2024", "2024", "2400", "9999") + "-"
    text += sometimes(["00", "13", "1"], "01", "02", "02", "04", "06", "11", "12") + "-"
    text += sometimes(["00", "31", "32", "1"], "01", "28", "29", "29", "30")
    if rng.random() < 0.2:
        return text
    text += sometimes(["_", "", "T ", "  "], "T", "T", "t", " ") + sometimes(["24", "1", "99"], "00", "12", "23")
    text += ":" + sometimes(["60", "5"], "00", "59")
    if rng.random() < 0.8:
        text += sometimes(["", "."], ":") + sometimes(["61", "5"], "00", "59", "60")
        if rng.random() < 0.6:
            text += sometimes([":", ";", "", "٫"], ".", ".", ",") + "7" * sometimes([0, 10, 30], 1, 3, 6, 9)
    sign, hour = rng.choice("+-"), sometimes(["24", "1"], "00", "05", "23")
    minute = sometimes(["60", "5"], "00", "30", "59")
    offsets = "", "Z", "z", sign + hour + ":" + minute, sign + hour + minute, sign + hour
    return text + sometimes(["z0", "UTC", " Z", "++01", "\u221201:00"], *offsets)


def good_timestamp(rng):
    return rng.choice([
        "2024-02-29T23:59:60.999999+00:00", "2025-01-31 00:00", "2000-02-29", "2025-06-30t12:30:15,5z",
        "9999-12-31T23:59:59-2359",
        f"{rng.randint(1, 9999):04}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:00:00Z",
        f"2025-05-0{rng.randint(1, 9)}T10:00:00.{rng.randint(0, 999999):06}"])


def some_id(rng):
    good = identifier(rng)
    return rng.choice([
        good, good, tenant_id(rng), "{" + good + "}", "urn:uuid:" + good, good.replace("-", ""), good[:-1],
        good + "0", good + "\n", " " + good, good[:8] + good[9:], good[:9] + good[8:], good[:-1] + "g",
        good[:-1] + "１", good.replace("-", "_"), good[:7] + "-" + good[7] + good[9:], "0" * 36, "-" * 36,
        str(uuid.UUID(int=0)), "f" * 8 + "-ffff" * 3 + "-" + "F" * 12, "System", "SYSTEM", "system ",
        "anonymous\u0000", "Anonymous", "null", "none", " ", "default", garbled(good, rng), garbled("system", rng)])


def garbled(text, rng):
    """One or two characters less, more or others."""
    for _ in range(rng.randint(1, 2)):
        position = rng.randrange(len(text) + 1)
        other = rng.choice(["", *"0-:TZ_ ~/\u0000é🙂\ud800", text[-1:]])
        text = text[:position] + other + text[position + rng.randint(0, 1):]
    return text


def some_timestamp(rng):
    return rng.choice([
        rng.choice(TIMESTAMP_EXAMPLES), timestamp(rng), timestamp(rng), garbled(good_timestamp(rng), rng)])


def some_word(name, rng):
    return rng.choice([rng.choice(LISTED[name]), rng.choice(WORDS), garbled(rng.choice(LISTED[name]), rng)])


def some_completion(rng):
    members = Members((phase, rng.random() < 0.7) for phase in PHASES if rng.random() < 0.7)
    for _ in range(rng.choice([0, 1, 1, 2])):
        key = rng.choice(PHASES + KEYS)
        members.insert(rng.randint(0, len(members)), (key, rng.choice([True, False, None, 1, 0, "true", [], {}, 1.5])))
    return members


def some_confidences(rng):
    keys = rng.sample(["mapper", "cleaner", *KEYS], rng.randint(0, 4))
    return Members((key, rng.choice([Raw(rng.choice(CONFIDENCES)), rng.choice(ANYTHING)])) for key in keys)


def some_insights(rng):
    good, object_ = {"agent_id": "a"}, {"agent": "a", "id": 1}
    return [rng.choice([
        good, object_, {}, {"agent_id": None}, {"agent_id": ""}, Members([("agent_id", "a"), ("agent_id", None)]),
        Members([("agent_id", None), ("agent_id", 0)]), {"Agent_id": "a"}, {"x": {"agent_id": "a"}},
        rng.choice(ANYTHING)]) for _ in range(rng.choice([0, 1, 2, 3, 12]))]


def some_log(rng):
    return rng.choice([
        *4 * [[0] * rng.choice([999, 1_000, 1_001, 1_001, 1_002])], "x" * 1_001, {"0": [0] * 1_001}, [],
        [[0] * 1_001], [None] * 3, None])


def value_for(name, rng):
    """A value that tells right from wrong in a member; of any other member: anything."""
    if rng.random() < 0.08:
        return rng.choice(ANYTHING)
    if name == "flow_id":
        return rng.choice(["", "", "x", " ", "\u0000", None])
    if name == "progress_percentage":
        return Raw(rng.choice(PROGRESS))
    if name in TIMESTAMPS:
        return some_timestamp(rng)
    if name in IDS:
        return some_id(rng)
    if name in LISTED:
        return some_word(name, rng)
    some = {
        "phase_completion": some_completion, "agent_confidences": some_confidences, "agent_insights": some_insights,
        "workflow_log": some_log}
    if name in some:
        return some[name](rng)
    if name == "user_clarifications":
        return [rng.choice([{}, {"question": "?"}, *ANYTHING]) for _ in range(rng.randint(0, 3))]
    if name == "phases_completed":
        return rng.sample(PHASES, rng.randint(0, 9)) + rng.sample(ANYTHING, rng.randint(0, 1))
    if name in DATA:
        return rng.choice([empty, empty, filled])(rng)
    if name in ["errors", "warnings"]:
        return rng.choice([[], Raw("[ ]"), {}, "", None, [0], [[]], 0])
    return rng.choice(["", "x", None, *ANYTHING])


# Wrong states

DATA = sorted({name for names in DATA_OF_PHASE.values() for name in names})
NAMES = [
    "flow_id", "session_id", *IDS, *LISTED, *TIMESTAMPS, "progress_percentage", "phase_completion", "phases_completed",
    *DATA, "agent_confidences", "agent_insights", "user_clarifications", "errors", "warnings", "workflow_log"]


def mutated(rng):
    members = valid(rng)
    for _ in range(rng.randint(1, 4)):
        rng.choice(MUTATIONS)(members, rng)
    return members


def any_name(rng):
    return rng.choice([
        rng.choice(NAMES), "flow_id", "current_phase", "phase_completion", "client_account_id", "status"])


def remove(members, rng):
    members.remove_all(any_name(rng))


def make_null(members, rng):
    members.set(any_name(rng), None)


def make_anything(members, rng):
    members.set(rng.choice(NAMES), rng.choice(ANYTHING))


def change(members, rng):
    name = rng.choice(NAMES)
    members.set(name, value_for(name, rng))


def change_data_of_the_phase(members, rng):
    phase = rng.choice(list(DATA_OF_PHASE))
    members.set("current_phase", phase)
    for name in DATA_OF_PHASE[phase]:
        members.set(name, rng.choice([empty, filled])(rng))
        if rng.random() < 0.2:
            members.remove_all(name)


def list_the_phase(members, rng):
    phase = members.get("current_phase")
    near = phase.upper() if isinstance(phase, str) else "x"
    members.set("phases_completed", rng.choice([
        [phase], [*PHASES[:3], phase], [[phase]], {"0": phase}, phase, [near], [near, phase], [0, None, phase],
        [{"phase": phase}]]))


def end(members, rng):
    """Completed or failed, with what goes with it or not quite."""
    members.set("status", rng.choice(["completed", "completed", "failed"]))
    members.set("progress_percentage", Raw(rng.choice(["100", "100.0", "1e2", "0.1e3", "99", *PROGRESS])))
    if rng.random() < 0.7:
        completion = Members((phase, rng.random() < 0.8) for phase in PHASES_OF_COMPLETED_FLOWS if rng.random() < 0.9)
        members.set("phase_completion", completion)


def repeat(members, rng):
    """A name twice or three times: the last one counts."""
    name = rng.choice([rng.choice(NAMES), *members.names()])
    for _ in range(rng.choice([1, 1, 2])):
        value = rng.choice([value_for(name, rng), members.get(name), rng.choice(ANYTHING)])
        members.insert(rng.randint(0, len(members)), (name, value))


def repeat_inside(members, rng):
    name = rng.choice(["phase_completion", "agent_confidences"])
    inside = members.get(name)
    inside = Members(inside.items() if isinstance(inside, dict) else inside if isinstance(inside, Members) else [])
    key = rng.choice(PHASES if name == "phase_completion" else ["mapper", "cleaner", "a/b"])
    for _ in range(2):
        value = rng.choice([True, False, None, 0, 1, Raw("1.5"), "x", {}, []])
        inside.insert(rng.randint(0, len(inside)), (key, value))
    members.set(name, inside)


def rename(members, rng):
    """Names that are nearly the ones of the rules."""
    if members:
        position = rng.randrange(len(members))
        name, value = members[position]
        near = [name.upper(), name + " ", name + "\u0000", " " + name, garbled(name, rng)]
        members[position] = (rng.choice(near), value)


def add(members, rng):
    value = valid(rng) if rng.random() < 0.02 else rng.choice(ANYTHING)
    members.insert(rng.randint(0, len(members)), (rng.choice(KEYS), value))


def add_odd_json(members, rng):
    members.insert(rng.randint(0, len(members)), ("odd", raw(rng.choice(ODD))))


def hide(members, rng):
    """A member that is inside another one only."""
    name = any_name(rng)
    value = members.get(name)
    members.remove_all(name)
    members.append(("metadata", {name: value, "deep": [{name: value}]}))


def exchange(members, rng):
    """Two members have each other's values."""
    first, second = any_name(rng), any_name(rng)
    one, other = members.get(first), members.get(second)
    members.set(first, other)
    members.set(second, one)


def flood(members, rng):
    """Many violations of one kind."""
    if rng.random() < 0.1:
        count = rng.choice([20, 100, 300])
        members.set(*rng.choice([
            ("phase_completion", {f"phase {number}": None for number in range(count)}), ("agent_insights", [0] * count),
            ("agent_insights", [{}] * count), ("agent_confidences", {str(number): 2 for number in range(count)}),
            ("user_clarifications", [[]] * count)]))


MUTATIONS = [
    remove, remove, make_null, make_anything, make_anything, *8 * [change], change_data_of_the_phase,
    change_data_of_the_phase, list_the_phase, end, end, repeat, repeat, repeat_inside, rename, add, add_odd_json, hide,
    exchange, flood]


# Texts

#: JSON that some parsers refuse.
ODD = [
    b'"\x7f"', "\"\u2028\ufeff\ufffe\U0010ffff\"".encode(), rb'"\u0000"', rb'"\ud800"', rb'"\udc00\ud800"',
    rb'"\uD83D\uDE00"', rb'"\uDBFF\uDFFF"', rb'"\/\b\f\n\r\t\"\\"', rb'"\ud800x\udfff"', b"-0", b"-0e-0", b"0E+0",
    b"1e0001", b"[ ]", b"{ }", b"[[[[]]]]", rb'{"\ud800": 1, "\udfff": 2}', b'{"":{"":0}}', b'{"a":1,"a":2}',
    b"\r\n\t 1 \t\r\n", b"1e400", b"-1e999999999999999999999", b"123456789012345678901234567890", b'"NaN"',
    b'"// no comment"', b'"[[[[{{{{"', rb'"\\"', rb'"\\\\\""', rb'"\u005b"', b"0.0e00", "\"\u00e9\u0301\"".encode(),
    b'"' + b"\xf0\x9f\x99\x82" * 20 + b'"']
#: What looks like it, and is none.
NOT_JSON = [
    b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf", b"-NaN", b"+1", b"01", b"-01", b"00", b"1.", b"-1.", b".5",
    b"-.5", b"1e", b"1e+", b"1E-", b"1.e1", b"1.5.5", b"1e1.5", b"1e1e1", b"0x10", b"1_000", b"1,000.0,", b"--1", b"-",
    b"+", b"1a", b"1 2", b"1d0", b"1f", b"\xd9\xa1", b"\xef\xbc\x91", b"True", b"TRUE", b"None", b"nul", b"nulll",
    b"tru", b"truefalse", b"undefined", b"", b" ", b"'x'", b"`x`", b"x", b'"x', b'x"', b'"x""y"', b'"a" "b"',
    rb'"\x41"', rb'"\u12"', rb'"\u12g4"', rb'"\u 123"', rb'"\u+123"', rb'"\u0x41"', rb'"\U00000041"', rb'"\a"',
    rb'"\v"', rb'"\0"', rb'''"\'"''', rb'"\ud800\u"', rb'"\ud800\ud8"', b'"\\', b'"\\u', rb'"\"', b'"\n"', b'"\t"',
    b'"\r"', b'"\x00"', b'"\x1f"', b'"\\\n"', b"[1,]", b"[,1]", b"[,]", b"[1,,2]", b"[1 2]", b"[1;2]", b"[1:2]",
    b'["a":1]', b"[", b"]", b"[[]", b"[]]", b"[}", b"{", b"}", b"{]", b'{"a":1,}', b'{,"a":1}', b'{"a" 1}', b'{"a"}',
    b'{"a":}', b'{"a"::1}', b'{:1}', b"{a:1}", b"{1:2}", b"{null:1}", b"{'a':1}", b'{"a":1 "b":2}', b'{"a":1;"b":2}',
    b'{"a":1,,"b":2}', b'{"a","b"}', b'{{"a":1}}', b"{[]:1}", b"// c\n1", b"1 // c\n", b"/* c */ 1", b"# c\n1",
    b"<!-- -->1", b"(1)", b"\xc2\xa01", b"\x0b1", b"\x0c1", b"\xe2\x80\xa81", b"\xef\xbb\xbf1", b"\x001", b"1\x00",
    b"\x7f1", b'"\xff"', b'"\xfe"', b'"\x80"', b'"\xbf"', b'"\xc2"', b'"\xc0\xaf"', b'"\xc1\xbf"', b'"\xe0\x80\xaf"',
    b'"\xe0\x9f\xbf"', b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"', b'"\xed\xa0\xbd\xed\xb8\x80"', b'"\xe2\x82"',
    b'"\xf0\x8f\xbf\xbf"', b'"\xf0\x9f\x99"', b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"', b'"\xf8\x88\x80\x80\x80"',
    b'{"\xff":1}', b"\xff", b"\xe9"]
ROOTS = [
    b"null", b"true", b"false", b"0", b"-0", b"1e400", b'""', b'"x"', b"[]", b"[{}]", b"[[]]", b'[{"flow_id":"x"}]',
    b" [ ] ", b"\n7\n", rb'"\ud800"', b'"{}"', b"{}", b" { } ", b'{"":null}', b"", b" ", b"\n", b"\x00",
    b"\xef\xbb\xbf", b"\xef\xbb\xbf{}", b"{} {}", b"{}{}", b"{},", b"{}\x00", b"{}\n\t\r ", b"\x0c{}", b"{}\x0b",
    b"[]]", b"{}}", b"nul", b"NaN", b"-", b"\xff\xfe{\x00}\x00", b"\x00{\x00}"]


def hostile(rng):
    return rng.choice(HOSTILE)(rng)


def some_text(rng):
    return encode(rng.choice([valid, mutated])(rng), rng)


def other_root(rng):
    return rng.choice([*ROOTS, b"[" + some_text(rng) + b"]", *NOT_JSON, *ODD])


def no_json_inside(rng):
    members = rng.choice([valid, mutated])(rng)
    position, value = rng.randint(0, len(members)), raw(rng.choice(NOT_JSON))
    members.insert(position, (rng.choice(["odd", *NAMES]), rng.choice([value, value, [value], {"a": value}])))
    return encode(members, rng)


def truncated(rng):
    text = some_text(rng)
    return text[:rng.choice([rng.randrange(len(text) + 1), -1, -2, 1])]


def damaged(rng):
    """Some bytes are others, too many or missing; it may be JSON still."""
    text = bytearray(some_text(rng))
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        position = rng.randrange(len(text) + 1)
        some = bytes(rng.choice([
            [rng.randrange(256)], [rng.choice(b'{}[]",:\\/0-e. \n\ttn')], [], [rng.choice(b'"{[]},')]]))
        text[position:position + rng.choice([0, 1, 1])] = some
    if rng.random() < 0.1:
        start, end_ = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        text[start:start] = text[start:end_]
    return bytes(text)


def surrounded(rng):
    around = [b" ", b"\n", b"\r\n\t ", b"\xef\xbb\xbf", b"\x00", b"\x0c", b"\xc2\xa0", b",", b"{}", b"[]", b"null",
        b"}", b"]", b";", b"//", b"\x1e", b"\xff"]
    return rng.choice([b"", rng.choice(around)]) + some_text(rng) + rng.choice([b"", rng.choice(around)])


def other_encoding(rng):
    text = some_text(rng).decode("utf-8", "replace")
    return text.encode(rng.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "utf-7"]), "replace")


def nest(depth, rng):
    kind = rng.randrange(3)
    if kind == 0:
        return b"[" * depth + rng.choice([b"", b"0", b'"]"']) + b"]" * depth
    if kind == 1:
        return b'{"a":' * depth + b"0" + b"}" * depth
    return b'[{"a":' * (depth // 2) + (b"[]" if depth % 2 else b"0") + b"}]" * (depth // 2)


def deep(rng):
    """Around the limit, and far beyond."""
    depths = [200, 254, 255, 255, 255, 256, 256, 256, 257, 258, 300, 1_000, 3_000]
    depth = 10_000 if rng.random() < 0.02 else rng.choice(depths)
    kind = rng.random()
    if kind < 0.2:
        return nest(depth, rng)
    if kind < 0.3:
        return rng.choice([b"[", b'{"a":', b'[{"a":', b"]", b"{", b'["[', b'{"":[']) * depth
    members = rng.choice([valid, mutated])(rng)
    name = rng.choice(["deep", "deep", *NAMES])
    members.insert(rng.randint(0, len(members)), (name, raw(nest(depth, rng))))
    if rng.random() < 0.2:
        members.append((name, 0))
    if rng.random() < 0.2:
        members.append(("brackets", "[{" * depth + '"'))
    return encode(members, rng)


def huge(rng):
    """Seldom really huge: most are left at some thousand bytes."""
    size = 100_000 if rng.random() < 0.02 else rng.choice([1_000, 5_000])
    members = rng.choice([valid, mutated])(rng)
    name = rng.choice([
        "flow_id", "text", "session_id", "current_phase", "created_at", "user_id", "raw_data", "errors", "results",
        "progress_percentage"])
    members.set(name, rng.choice([
        "x" * size, "é" * size, "\ud800" * (size // 6), '"' * size, "\\" * size, Raw("9" * size),
        Raw("0." + "0" * size + "1"), Raw("1e" + "9" * size), Raw("1e-" + "0" * size + "1"),
        Raw("-0." + "0" * size), [0] * (size // 2), Raw("[" + " " * size + "]"),
        Raw('"' + "\\u0041" * (size // 6) + '"')]))
    return encode(members, rng)


def lone_surrogates(rng):
    members = rng.choice([valid, mutated])(rng)
    lone = rng.choice(["\ud800", "\udbff", "\udc00", "\udfff", "\ud800\ud800", "\udc00\ud800", "a\ud800/~", "🙂\udc00"])
    members.set(*rng.choice([
        ("flow_id", lone), ("current_phase", "data_import" + lone), ("phase_completion", {lone: True}),
        ("phase_completion", {lone: 1}), ("agent_confidences", {lone: rng.choice([0.5, 2, None])}),
        ("created_at", "2024-01-01" + lone), ("user_id", lone), ("phases_completed", [lone]), ("status", lone),
        ("agent_insights", [{lone: "a"}, {"agent_id": lone}, lone]), ("raw_data", lone), (lone, 1)]))
    return encode(members, rng)


def other_containers(rng):
    """Lists where objects belong, and the other way round."""
    members = valid(rng)
    pairs = [[name, value] for name, value in members]
    if rng.random() < 0.3:
        return encode(pairs, rng)
    for name, value in list(members):
        if rng.random() < 0.5 and isinstance(value, dict):
            members.set(name, rng.choice([list(value), [{key: inside} for key, inside in value.items()], []]))
        elif rng.random() < 0.5 and isinstance(value, list):
            members.set(name, rng.choice([{str(index): inside for index, inside in enumerate(value)}, {}]))
        elif rng.random() < 0.1:
            members.set(name, [value])
    return encode(members, rng)


HOSTILE = [
    other_root, no_json_inside, no_json_inside, truncated, damaged, damaged, damaged, surrounded, other_encoding, deep,
    huge, lone_surrogates, lone_surrogates, other_containers, other_containers]
