"""The oracle of `unified_discovery` is right, and the states made for it reach every rule both ways."""

import collections
import json
import re

import pytest

import discovery_states
from discovery_oracle import (
    DATA_OF_PHASE, IDS, LISTED, PHASES, PHASES_OF_COMPLETED_FLOWS, REQUIRED, STATUSES, TIMESTAMPS, judge, read)

UUID = "0c7a3f5e-8F21-4b6d-9a10-5d2e7c4b9f03"
GONE = object()
#: Breaks nothing, is worth no warning, and has every member that rules speak of.
GOOD = {
    "flow_id": "flow-1", "client_account_id": UUID, "engagement_id": "system", "user_id": "anonymous",
    "current_phase": "initialization", "status": "running", "progress_percentage": 50,
    "phase_completion": {"data_import": True, "field_mapping": False}, "phases_completed": ["data_import"],
    "agent_confidences": {"mapper": 0.5}, "agent_insights": [{"agent_id": "mapper"}], "user_clarifications": [{}],
    "errors": [1], "warnings": ["w"], "workflow_log": [], "created_at": "2024-02-29T23:59:60.5+01:00",
    "updated_at": "2024-01-01", "started_at": "", "completed_at": None, "learning_scope": "client",
    "memory_isolation_level": "strict", "raw_data": None, "field_mappings": {}, "cleaned_data": [],
    "asset_inventory": ""}
COMPLETED = {
    "status": "completed", "progress_percentage": 100, "phase_completion": dict.fromkeys(PHASES_OF_COMPLETED_FLOWS, True)}


class Spelled(str):
    """JSON as it is."""


def text(changes, base=GOOD):
    members = {name: value for name, value in {**base, **changes}.items() if value is not GONE}
    return ("{" + ",".join(f"{json.dumps(name)}:{spell(value)}" for name, value in members.items()) + "}").encode()


def spell(value):
    return value if isinstance(value, Spelled) else json.dumps(value)


def verdict(changes):
    judged = judge(text(changes))
    return judged.errors, judged.warnings


def several(rule, *paths):
    return {(path, rule) for path in paths}


def test_the_good_state_is_good():
    assert verdict({}) == (set(), set())
    assert verdict(COMPLETED) == (set(), set())
    for name in set(GOOD) - set(REQUIRED):
        assert verdict({name: GONE}) == (set(), set())
        assert verdict({name: None}) == (set(), set())


# A rule, what keeps it, what breaks it, and where.
RULES = [
    *[("required", {}, {name: missing}, ["/" + name]) for name in REQUIRED for missing in (GONE, None)],
    ("required", {"flow_id": ""}, {"session_id": "flow-1", "flow_id": GONE}, ["/flow_id"]),
    ("required", {"agent_insights": [{"agent_id": 0}, {"agent_id": ""}]},
     {"agent_insights": [{"agent_id": "a"}, {}, {"agent_id": None}, {"x": {"agent_id": "a"}}]},
     ["/agent_insights/1/agent_id", "/agent_insights/2/agent_id", "/agent_insights/3/agent_id"]),

    *[("type", {}, {name: wrong}, ["/" + name]) for name in ["flow_id", *LISTED, *TIMESTAMPS, *IDS]
      for wrong in (0, True, ["running"], {"": UUID})],
    *[("type", {"progress_percentage": 12.5}, {"progress_percentage": wrong}, ["/progress_percentage"])
      for wrong in (True, False, "50", [50], {})],
    *[("type", {"phase_completion": {}}, {"phase_completion": wrong}, ["/phase_completion"])
      for wrong in ([], ["data_import"], "x", True, 1)],
    *[("type", {}, {"phase_completion": {"completed": True, "data_import": wrong}}, ["/phase_completion/data_import"])
      for wrong in (None, 1, 0, "true", [], {})],
    *[("type", {"phases_completed": [None, 1, "?", {}, ["initialization"]]}, {"phases_completed": wrong},
       ["/phases_completed"]) for wrong in ({}, "initialization", 1, False)],
    *[("type", {"agent_confidences": {}}, {"agent_confidences": wrong}, ["/agent_confidences"])
      for wrong in ([], [0.5], "x", 1, True)],
    *[("type", {"agent_confidences": {"a": 1}}, {"agent_confidences": {"a": 1, "b/~": wrong}},
       ["/agent_confidences/b~1~0"]) for wrong in (None, True, "0.5", [], {})],
    *[("type", {}, {name: wrong}, ["/" + name]) for name in ["agent_insights", "user_clarifications"]
      for wrong in ({}, {"agent_id": "a"}, "x", 1, True)],
    *[("type", {"agent_insights": [{"agent_id": "a"}]}, {"agent_insights": [{"agent_id": "a"}, wrong]},
       ["/agent_insights/1"]) for wrong in (None, True, 1, "agent_id", ["agent_id"])],
    *[("type", {"user_clarifications": [{}, {"a": 1}]}, {"user_clarifications": [wrong, {}]}, ["/user_clarifications/0"])
      for wrong in (None, True, 1, "", [])],

    ("not_empty", {"flow_id": " "}, {"flow_id": ""}, ["/flow_id"]),

    *[("one_of", {"current_phase": phase, **{name: ["x"] for name in DATA_OF_PHASE.get(phase, [])},
                  "phases_completed": []},
       {"current_phase": wrong}, ["/current_phase"])
      for phase, wrong in zip(PHASES, ["", "data_validation", "Data_Import", " data_import", "data_import\0", "running",
                                       "initialization ", "\ud800", "Completed"])],
    *[("one_of", {**COMPLETED, "status": good} if good == "completed" else {"status": good}, {"status": wrong},
       ["/status"])
      for good, wrong in zip(STATUSES, ["", "waiting_for_approval", "RUNNING", "initialization", "running\n"])],
    *[("one_of", {"learning_scope": good}, {"learning_scope": wrong}, ["/learning_scope"])
      for good, wrong in zip(["engagement", "client", "global", "disabled"], ["", "Global", "none", "strict"])],
    *[("one_of", {"memory_isolation_level": good}, {"memory_isolation_level": wrong}, ["/memory_isolation_level"])
      for good, wrong in zip(["strict", "moderate", "open"], ["", "OPEN", "closed"])],

    *[("range", {"progress_percentage": Spelled(good)}, {"progress_percentage": Spelled(wrong)},
       ["/progress_percentage"])
      for good, wrong in [
          ("0", "-1"), ("100", "101"), ("-0", "-0.0001"), ("100.000", "100.001"), ("1e2", "1e3"), ("1E+2", "1e400"),
          ("99.99999999999999999999", "100.00000000000000000001"), ("1e-400", "-1e-400"),
          ("-0e999999999999999999999", "1e999999999999999999999"),
          ("1e-999999999999999999999", "-1e999999999999999999999"), ("0." + "0" * 5_000 + "1", "1" + "0" * 5_000),
          ("1e" + "0" * 5_000 + "2", "1e" + "9" * 5_000), ("10000e-2", "10001e-2"), ("0.1e3", "0.11e3")]],
    *[("range", {"agent_confidences": {"a": Spelled(good)}}, {"agent_confidences": Spelled('{"a":%s,"b":1}' % wrong)},
       ["/agent_confidences/a"])
      for good, wrong in [
          ("0", "-0.1"), ("1", "2"), ("1.0", "1.1"), ("10e-1", "10"), ("-0.0", "-1e-400"), ("1e-400", "1e400"),
          ("0.99999999999999999999", "1.00000000000000000001"), ("0e400", "5e1")]],

    *[("not_listed", {"phases_completed": good}, {"phases_completed": wrong}, ["/current_phase"])
      for good, wrong in [
          ([], ["initialization"]), (["Initialization"], ["data_import", "initialization"]),
          ([["initialization"]], [None, 0, "initialization"]),
          ([{"initialization": "initialization"}], Spelled(r'["\u0069nitialization"]'))]],

    *[("keys", {"phase_completion": {phase: True}}, {"phase_completion": {phase: True, wrong: False}},
       ["/phase_completion/" + path])
      for phase, wrong, path in zip(PHASES, [
          "data_validation", "Data_Import", "", "a/b", "~", "~1", "\ud800x\udc00", "é", "0"], [
          "data_validation", "Data_Import", "", "a~1b", "~0", "~01", "\ufffdx\ufffd", "é", "0"])],

    *[("format", {name: good}, {name: wrong}, ["/" + name]) for name in TIMESTAMPS for good, wrong in [
        ("2024-02-29", "2023-02-29"), ("", " "), ("2024-01-01T10:20:30.123456+00:00", "2024-01-01T10:20:30.+00:00")]],
    *[("format", {name: good}, {name: wrong}, ["/" + name]) for name in IDS for good, wrong in [
        (UUID, "{" + UUID + "}"), (UUID.upper(), UUID.replace("-", "")), (UUID.lower(), UUID[:-1]), ("", " "),
        ("system", "System"), ("anonymous", "anonymous "), ("0" * 8 + "-0000" * 3 + "-" + "0" * 12, "0" * 36),
        (UUID, UUID[:-1] + "g"), (UUID, UUID + "\n"), (UUID, UUID[:-1] + "１"), (UUID, "urn:uuid:" + UUID),
        (UUID, UUID[:7] + "-" + UUID[7] + UUID[9:])]],

    *[("not_empty_in_phase", {"current_phase": phase, "phases_completed": [], **dict.fromkeys(names, good)},
       {"current_phase": phase, "phases_completed": [], **dict.fromkeys(names, wrong)}, ["/" + name for name in names])
      for phase, names in DATA_OF_PHASE.items() for good, wrong in [
          ([0], GONE), ({"": None}, None), (0, ""), (False, []), (" ", {}), ("\0", Spelled("[ \n]")),
          ([[]], Spelled("{ }"))]],
    ("not_empty_in_phase", {"current_phase": "dependency_analysis", "cleaned_data": 1, "asset_inventory": 2},
     {"current_phase": "dependency_analysis", "cleaned_data": 1}, ["/asset_inventory"]),
    ("not_empty_in_phase", {"current_phase": "asset_inventory", "cleaned_data": 1},
     {"current_phase": "dependency_analysis", "asset_inventory": 1}, ["/cleaned_data"]),

    *[("consistent_with_status", COMPLETED,
       {**COMPLETED, "phase_completion": {**COMPLETED["phase_completion"], phase: False}}, ["/phase_completion/" + phase])
      for phase in PHASES_OF_COMPLETED_FLOWS],
    *[("consistent_with_status", {**COMPLETED, "phase_completion": dict.fromkeys(PHASES, True)},
       {**COMPLETED, "phase_completion": {}}, ["/phase_completion/" + phase for phase in PHASES_OF_COMPLETED_FLOWS])],
    *[("consistent_with_status", {**COMPLETED, "progress_percentage": Spelled(good)},
       {**COMPLETED, "progress_percentage": wrong}, ["/progress_percentage"])
      for good, wrong in [
          ("100", GONE), ("100.0", None), ("1e2", 99), ("0.001E+5", Spelled("99.99999999999999999999")), ("100e0", 0)]],
    *[("consistent_with_status", {"status": "failed", "progress_percentage": good},
       {"status": "failed", "progress_percentage": Spelled(wrong)}, ["/progress_percentage"])
      for good, wrong in [(99, "100"), (GONE, "100.00"), (None, "1e2"), (Spelled("99.99999999999999999999"), "1000E-1")]],
]


@pytest.mark.parametrize("rule, good, wrong, paths", RULES)
def test_rules(rule, good, wrong, paths):
    without = {error for error in verdict(good)[0] if error[1] == rule}
    assert without == set()
    assert verdict(wrong)[0] == several(rule, *paths)


WARNINGS = [
    ("deprecated", {"session_id": None}, {"session_id": "s"}, "/session_id"),
    ("deprecated", {"session_id": GONE}, {"session_id": 0}, "/session_id"),
    *[("empty", {name: good}, {name: []}, "/" + name)
      for name in ["agent_insights", "user_clarifications", "errors", "warnings"] for good in (GONE, None)],
    *[("empty", {name: good}, {name: []}, "/" + name) for name in ["errors", "warnings"] for good in ({}, "", 0, [None])],
    ("size", {"workflow_log": [0] * 1_000}, {"workflow_log": [0] * 1_001}, "/workflow_log"),
    ("size", {"workflow_log": "x" * 1_001}, {"workflow_log": [None] * 2_000}, "/workflow_log"),
    ("size", {"workflow_log": {str(number): 0 for number in range(1_001)}}, {"workflow_log": [[]] * 1_001},
     "/workflow_log")]


@pytest.mark.parametrize("rule, good, wrong, path", WARNINGS)
def test_warnings(rule, good, wrong, path):
    assert verdict(good) == (set(), set())
    assert verdict(wrong) == (set(), {(path, rule)})


def test_a_session_id_without_a_flow_id_is_no_warning():
    assert verdict({"session_id": "s", "flow_id": GONE}) == ({("/flow_id", "required")}, set())
    assert verdict({"session_id": "s", "flow_id": ""}) == ({("/flow_id", "not_empty")}, {("/session_id", "deprecated")})


# Several rules at once


@pytest.mark.parametrize("changes, errors", [
    ({"current_phase": "?", "phases_completed": ["?"]}, {("/current_phase", "one_of"), ("/current_phase", "not_listed")}),
    ({"current_phase": 1, "phases_completed": [1]}, {("/current_phase", "type")}),
    ({"phase_completion": {"?": None}}, {("/phase_completion/?", "keys"), ("/phase_completion/?", "type")}),
    ({**COMPLETED, "phase_completion": {**COMPLETED["phase_completion"], "data_import": "true"}},
     {("/phase_completion/data_import", "type"), ("/phase_completion/data_import", "consistent_with_status")}),
    ({**COMPLETED, "phase_completion": ["data_import"]},
     {("/phase_completion", "type")} | several(
         "consistent_with_status", *["/phase_completion/" + phase for phase in PHASES_OF_COMPLETED_FLOWS])),
    ({**COMPLETED, "phase_completion": None},
     {("/phase_completion", "required")} | several(
         "consistent_with_status", *["/phase_completion/" + phase for phase in PHASES_OF_COMPLETED_FLOWS])),
    ({**COMPLETED, "progress_percentage": True},
     several("type", "/progress_percentage") | several("consistent_with_status", "/progress_percentage")),
    ({**COMPLETED, "progress_percentage": Spelled("1e400")},
     several("range", "/progress_percentage") | several("consistent_with_status", "/progress_percentage")),
    ({"status": "failed", "progress_percentage": "100"}, {("/progress_percentage", "type")}),
    ({"flow_id": Spelled('"x","flow_id":""')}, {("/flow_id", "not_empty")}),
    ({"flow_id": Spelled('5,"flow_id":"x"')}, set()),
    ({"flow_id": Spelled(r'5,"flow\u005fid":"x"')}, set()),
    ({"phase_completion": Spelled('{"data_import":1,"data_import":true}')}, set()),
    ({"phase_completion": Spelled('{"data_import":true,"data_import":1}')}, {("/phase_completion/data_import", "type")}),
    ({"agent_insights": Spelled('[{"agent_id":"a","agent_id":null}]')}, {("/agent_insights/0/agent_id", "required")}),
    ({"agent_insights": [None, {}]}, {("/agent_insights/0", "type"), ("/agent_insights/1/agent_id", "required")}),
    ({"current_phase": Spelled(r'"d\u0061ta_import"'), "phases_completed": []}, {("/raw_data", "not_empty_in_phase")}),
    ({"phase_completion": Spelled(r'{"\uD83D\uDE00":true}')}, {("/phase_completion/\U0001f600", "keys")}),
    ({"phase_completion": Spelled(r'{"\ud800\ud800":true}')}, {("/phase_completion/\ufffd\ufffd", "keys")}),
])
def test_combinations(changes, errors):
    assert verdict(changes)[0] == errors


def test_an_empty_object_lacks_what_is_required():
    assert judge(b"{}").errors == several("required", *["/" + name for name in REQUIRED])
    assert judge(b"{}").warnings == set()


# Timestamps


GOOD_TIMESTAMPS = """
    2024-02-29 2000-02-29 2400-02-29 0004-02-29 0001-01-01 9999-12-31 2024-01-31 2024-04-30 2023-02-28 2024-01-01T00:00
    2024-01-01T23:59:60 2024-01-01t10:20z 2024-01-01T10:20:30Z 2024-01-01T10:20:30.1 2024-01-01T10:20:30,123456789
    2024-01-01T10:20:30.123456789Z 2024-01-01T10:20:30+23:59 2024-01-01T10:20:30-23:59 2024-01-01T10:20:30-00:00
    2024-01-01T10:20:30+0100 2024-01-01T10:20:30-0100 2024-01-01T10:20:30+01 2024-01-01T10:20:30-01 2024-01-01T10:20+01:00
""".split() + ["2024-01-01 10:20:30", "2024-01-01 10:20:30.5+01:00"]
WRONG_TIMESTAMPS = """
    2023-02-29 1900-02-29 2100-02-29 0000-01-01 10000-01-01 2024-00-01 2024-13-01 2024-01-00 2024-01-32 2024-04-31 2024-06-31
    2024-09-31 2024-11-31 2024-02-30 2024-1-1 24-01-01 20240101 2024-001 2024-W01-1 2024/01/01 2024-01 2024 -2024-01-01
    +2024-01-01 2024-01-01Z 2024-01-01+01:00 2024-01-01T 2024-01-01TZ 2024-01-01T10 2024-01-01T10: 2024-01-01T10:2
    2024-01-01T1:20 2024-01-01T10:20: 2024-01-01T10:20:3 2024-01-01T24:00 2024-01-01T23:60 2024-01-01T23:59:61
    2024-01-01T10:20.5 2024-01-01T10:20:30. 2024-01-01T10:20:30.Z 2024-01-01T10:20:30.1234567890 2024-01-01T10:20:30;5
    2024-01-01T10:20:30+24:00 2024-01-01T10:20:30+23:60 2024-01-01T10:20:30+1 2024-01-01T10:20:30+010 2024-01-01T10:20:30+01:
    2024-01-01T10:20:30+01:0 2024-01-01T10:20:30+ 2024-01-01T10:20:30ZZ 2024-01-01T10:20:30+01Z 2024-01-01T102030
    2024-01-01_10:20 2024-01-01TT10:20 2024-01-01X10:20 ２０２４-01-01 2024-01-0١ 2024−01−01 now 1704067200
""".split() + [
    " ", " 2024-01-01", "2024-01-01 ", "2024-01-01\n", "2024-01-01T10:20:30Z\n", "2024-01-01 10:20:30 Z", "2024-01-01\0",
    "2024-01-01  10:20", "2024-01-01T10:20:30 +01:00", "2024-01-01\u00a010:20"]


@pytest.mark.parametrize("timestamp", GOOD_TIMESTAMPS)
def test_good_timestamps(timestamp):
    assert verdict({"created_at": timestamp}) == (set(), set())


@pytest.mark.parametrize("timestamp", WRONG_TIMESTAMPS)
def test_wrong_timestamps(timestamp):
    assert verdict({"created_at": timestamp})[0] == {("/created_at", "format")}


# JSON


@pytest.mark.parametrize("root", [
    b"null", b"true", b"0", b"-0", b"1e400", b'""', b"[]", b" [ ] ", b'[{"flow_id":"x"}]', b'"{}"', b"\t\r\n 1",
    b"9" * 10_000, b"-1e" + b"9" * 10_000, *[odd for odd in discovery_states.ODD if not odd.startswith(b"{")]])
def test_other_roots(root):
    judged = judge(root)
    assert (judged.errors, judged.warnings) == ({("", "type")}, set())


@pytest.mark.parametrize("none", [
    *discovery_states.NOT_JSON, b"{} {}", b"{}x", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-16-be"),
    "{}".encode("utf-32"), b"{}\x00", text({})[:-1], text({}) + b",", b'{"flow_id":NaN}'])
def test_no_json(none):
    for whole in (none, b'{"a":' + none + b"}"):
        judged = judge(whole)
        assert (judged.errors, judged.warnings) == ({("", "syntax")}, set())


@pytest.mark.parametrize("odd", discovery_states.ODD)
def test_odd_json(odd):
    assert verdict({"odd": Spelled(odd.decode())}) == (set(), set())
    assert verdict({"odd": Spelled("[" + odd.decode() + "]")}) == (set(), set())


def nested(depth, opening="[", closing="]"):
    return opening * depth + "0" + closing * depth


@pytest.mark.parametrize("opening, closing", ["[]", "{}"])
def test_depth(opening, closing):
    opening += '"a":' * (opening == "{")
    assert judge(nested(256).encode()).errors == {("", "type")}
    assert judge(nested(257).encode()).errors == {("", "syntax")}
    assert verdict({"deep": Spelled(nested(255, opening, closing))}) == (set(), set())
    assert verdict({"deep": Spelled(nested(256, opening, closing))}) == ({("", "syntax")}, set())
    assert verdict({"deep": Spelled(nested(256, opening, closing) + ',"deep":0')}) == ({("", "syntax")}, set())
    assert verdict({"wide": [[]] * 1_000, "text": '[{"' * 1_000}) == (set(), set())
    for depth in (10_000, 100_000):
        for whole in (nested(depth, opening, closing), opening * depth, closing * depth, '"' + opening * depth):
            assert judge(whole.encode()).errors == {("", "syntax")}


# The states that are made

SEED, COUNT = 1, 20_000
#: Every rule and where it applies; `*` stands for any key or index.
EVERYWHERE = {
    ("", "syntax"), ("", "type"), ("/flow_id", "not_empty"), ("/current_phase", "not_listed"),
    ("/phase_completion/*", "keys"), *several("range", "/progress_percentage", "/agent_confidences/*"),
    *several("required", *["/" + name for name in REQUIRED], "/agent_insights/*/agent_id"),
    *several(
        "type", "/flow_id", *["/" + name for name in [*LISTED, *TIMESTAMPS, *IDS]], "/progress_percentage",
        "/phase_completion", "/phase_completion/*", "/phases_completed", "/agent_confidences", "/agent_confidences/*",
        "/agent_insights", "/agent_insights/*", "/user_clarifications", "/user_clarifications/*"),
    *several("one_of", *["/" + name for name in LISTED]), *several("format", *["/" + name for name in TIMESTAMPS + IDS]),
    *several("not_empty_in_phase", "/raw_data", "/field_mappings", "/cleaned_data", "/asset_inventory"),
    *several(
        "consistent_with_status", "/progress_percentage", *["/phase_completion/" + of for of in PHASES_OF_COMPLETED_FLOWS]),
    ("/session_id", "deprecated"), ("/workflow_log", "size"),
    *several("empty", "/agent_insights", "/user_clarifications", "/errors", "/warnings")}


@pytest.fixture(scope="module")
def judged():
    return [(state, judge(state)) for state in discovery_states.states(SEED, COUNT)]


def general(path, rule):
    """With `*` for keys and indices that the state chose."""
    if rule == "consistent_with_status":
        return path, rule
    return re.sub("^(/phase_completion|/agent_confidences|/agent_insights|/user_clarifications)/[^/]*", r"\1/*", path), rule


def test_the_states_reach_every_rule_both_ways(judged):
    broken, held = collections.Counter(), collections.Counter()
    for _, verdict in judged:
        broken.update({general(*violation) for violation in verdict.errors | verdict.warnings})
        held.update({general(*rule) for rule in verdict.held})
    for where in sorted(EVERYWHERE, key=lambda where: where[::-1]):
        print(f"{where[1]:24} {where[0]:36} broken {broken[where]:6} held {held[where]:6}")
    assert set(broken) == set(held) == EVERYWHERE
    assert min(broken.values()) >= 40 and min(held.values()) >= 40


def test_the_states_reach_every_phase_and_status_both_ways(judged):
    broken, held = collections.Counter(), collections.Counter()
    for state, verdict in judged:
        if ("", "type") not in verdict.held:
            continue
        document = read(state)
        for counted, rules in ((broken, verdict.errors), (held, verdict.held)):
            counted.update(
                (document["current_phase"], path) for path, rule in rules if rule == "not_empty_in_phase")
            counted.update(
                (document["status"], path) for path, rule in rules if rule == "consistent_with_status")
        if not verdict.errors:
            held.update([(document["current_phase"], "all"), (document.get("status"), "all")])
    needed = {(phase, "/" + name) for phase, names in DATA_OF_PHASE.items() for name in names}
    needed |= {("completed", "/phase_completion/" + phase) for phase in PHASES_OF_COMPLETED_FLOWS}
    needed |= {("completed", "/progress_percentage"), ("failed", "/progress_percentage")}
    for where in sorted(needed):
        print(f"{where[0]:24} {where[1]:36} broken {broken[where]:6} held {held[where]:6}")
    assert set(broken) == needed and needed <= set(held)
    assert all(broken[where] >= 40 and held[where] >= 40 for where in needed)
    assert all(held[name, "all"] >= 40 for name in PHASES + STATUSES)


def test_the_states_are_of_every_kind(judged):
    right = sum(not verdict.errors for _, verdict in judged)
    warned = sum(bool(verdict.warnings) and not verdict.errors for _, verdict in judged)
    no_json = sum(("", "syntax") in verdict.errors for _, verdict in judged)
    several_at_once = sum(len(verdict.errors) > 1 for _, verdict in judged)
    print(f"right {right}, of these warned {warned}, no JSON {no_json}, several violations {several_at_once}")
    assert min(right, several_at_once) >= COUNT // 5 and min(warned, no_json) >= COUNT // 25
    sizes = sorted(len(state) for state, _ in judged)
    assert sizes[0] == 0 and sizes[-1] >= 100_000
    assert sizes[COUNT * 9 // 10] < 3_000 and sum(sizes) < 2_000 * COUNT


def test_the_states_that_are_meant_to_be_right_are(judged):
    for number in range(500):
        rng = discovery_states.random.Random(number)
        state = discovery_states.encode(discovery_states.valid(rng), rng)
        assert judge(state).errors == set(), state


def test_a_seed_makes_the_same_states_again(judged):
    again = list(discovery_states.states(SEED, 200))
    assert again == [state for state, _ in judged[:200]]
    assert discovery_states.state(SEED, 123) == again[123]
    assert again != list(discovery_states.states(SEED + 1, 200))
