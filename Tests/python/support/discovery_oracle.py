"""The rules of the built-in definition `unified_discovery`, written a second time, as plainly as possible.

`judge(state)` says which rules a state breaks. It shares nothing with the server but the rules' text.
"""

import dataclasses
import json
import re

PHASES = [
    "initialization", "data_import", "field_mapping", "data_cleansing", "asset_creation", "asset_inventory",
    "dependency_analysis", "tech_debt_analysis", "completed"]
STATUSES = ["running", "paused", "completed", "failed", "waiting_for_user"]
LEARNING_SCOPES = ["engagement", "client", "global", "disabled"]
MEMORY_ISOLATION_LEVELS = ["strict", "moderate", "open"]

REQUIRED = ["flow_id", "current_phase", "phase_completion", "client_account_id"]
TIMESTAMPS = ["created_at", "updated_at", "started_at", "completed_at"]
IDS = ["client_account_id", "engagement_id", "user_id"]
LISTED = {
    "current_phase": PHASES, "status": STATUSES, "learning_scope": LEARNING_SCOPES,
    "memory_isolation_level": MEMORY_ISOLATION_LEVELS}
NO_UUIDS_BUT_FINE = ["", "system", "anonymous"]

#: What must not be empty while the flow is in a phase.
DATA_OF_PHASE = {
    "data_import": ["raw_data"], "field_mapping": ["raw_data"],
    "data_cleansing": ["field_mappings"], "asset_creation": ["field_mappings"],
    "asset_inventory": ["cleaned_data"], "dependency_analysis": ["cleaned_data", "asset_inventory"]}
PHASES_OF_COMPLETED_FLOWS = ["data_import", "field_mapping", "data_cleansing", "asset_inventory"]

DEEPEST = 256
LONGEST_WORKFLOW_LOG = 1_000


@dataclasses.dataclass
class Verdict:
    """Sets of (JSON Pointer, rule)."""

    errors: set = dataclasses.field(default_factory=set)
    warnings: set = dataclasses.field(default_factory=set)
    #: What applied to the state and was right; of the warnings too.
    held: set = dataclasses.field(default_factory=set)


def judge(state: bytes) -> Verdict:
    """Holds a state against every rule; never raises."""
    try:
        document = read(state)
    except ValueError:
        return Verdict(errors={("", "syntax")})
    verdict = Verdict(held={("", "syntax")})
    note(verdict, verdict.errors, "", "type", isinstance(document, dict))
    if isinstance(document, dict):
        Judge(document, verdict).judge()
    return verdict


def note(verdict, violations, path, rule, holds):
    (verdict.held if holds else violations).add((path, rule))


class Judge:
    """One document that is an object."""

    def __init__(self, document, verdict):
        self.document = document
        self.verdict = verdict

    def judge(self):
        self.judge_presence_and_types()
        self.judge_values()
        self.judge_phases()
        self.judge_status()
        self.judge_agents()
        self.warn()

    def require(self, holds, rule, *names):
        note(self.verdict, self.verdict.errors, pointer(*names), rule, holds)

    def expect(self, holds, rule, *names):
        note(self.verdict, self.verdict.warnings, pointer(*names), rule, holds)

    def value(self, name, kind=object):
        """The member's value; None: it is absent, null, or of another type."""
        value = self.document.get(name)
        return value if isinstance(value, kind) else None

    def judge_presence_and_types(self):
        for name in REQUIRED:
            self.require(self.value(name) is not None, "required", name)
        for name in {"flow_id", *LISTED, *TIMESTAMPS, *IDS}:
            self.judge_type(name, str)
        self.judge_type("progress_percentage", Number)
        self.judge_type("phase_completion", dict, bool)
        self.judge_type("phases_completed", list)
        self.judge_type("agent_confidences", dict, Number)
        self.judge_type("agent_insights", list, dict)
        self.judge_type("user_clarifications", list, dict)

    def judge_type(self, name, kind, kind_inside=None):
        value = self.value(name)
        if value is None:
            return
        self.require(isinstance(value, kind), "type", name)
        if isinstance(value, kind) and kind_inside:
            for key, inside in items(value):
                self.require(isinstance(inside, kind_inside), "type", name, key)

    def judge_values(self):
        flow_id = self.value("flow_id", str)
        if flow_id is not None:
            self.require(flow_id != "", "not_empty", "flow_id")
        for name, allowed in LISTED.items():
            if self.value(name, str) is not None:
                self.require(self.value(name, str) in allowed, "one_of", name)
        for name in TIMESTAMPS:
            if self.value(name, str):
                self.require(is_timestamp(self.value(name, str)), "format", name)
        for name in IDS:
            value = self.value(name, str)
            if value is not None:
                self.require(value in NO_UUIDS_BUT_FINE or is_uuid(value), "format", name)
        progress = self.value("progress_percentage", Number)
        if progress is not None:
            self.require(ZERO <= progress <= HUNDRED, "range", "progress_percentage")

    def judge_phases(self):
        for key in self.value("phase_completion", dict) or {}:
            self.require(key in PHASES, "keys", "phase_completion", key)
        phase = self.value("current_phase", str)
        if phase is None:
            return
        completed = self.value("phases_completed", list)
        if completed is not None:
            listed = any(isinstance(element, str) and element == phase for element in completed)
            self.require(not listed, "not_listed", "current_phase")
        for name in DATA_OF_PHASE.get(phase, []):
            self.require(not is_empty(self.document.get(name)), "not_empty_in_phase", name)

    def judge_status(self):
        status = self.value("status", str)
        progress = self.value("progress_percentage", Number)
        if status == "completed":
            completion = self.value("phase_completion", dict) or {}
            for phase in PHASES_OF_COMPLETED_FLOWS:
                self.require(completion.get(phase) is True, "consistent_with_status", "phase_completion", phase)
            full = progress is not None and progress == HUNDRED
            self.require(full, "consistent_with_status", "progress_percentage")
        if status == "failed" and progress is not None:
            self.require(progress != HUNDRED, "consistent_with_status", "progress_percentage")

    def judge_agents(self):
        for agent, confidence in (self.value("agent_confidences", dict) or {}).items():
            if isinstance(confidence, Number):
                self.require(ZERO <= confidence <= ONE, "range", "agent_confidences", agent)
        for index, insight in enumerate(self.value("agent_insights", list) or []):
            if isinstance(insight, dict):
                self.require(insight.get("agent_id") is not None, "required", "agent_insights", index, "agent_id")

    def warn(self):
        if self.value("session_id") is not None or self.value("flow_id") is not None:
            both = self.value("session_id") is not None and self.value("flow_id") is not None
            self.expect(not both, "deprecated", "session_id")
        for name in ["agent_insights", "user_clarifications", "errors", "warnings"]:
            value = self.value(name, list)
            if value is not None:
                self.expect(value != [], "empty", name)
        log = self.value("workflow_log", list)
        if log is not None:
            self.expect(len(log) <= LONGEST_WORKFLOW_LOG, "size", "workflow_log")


def items(container):
    return container.items() if isinstance(container, dict) else enumerate(container)


def is_empty(value):
    return value is None or value == "" or value == [] or value == {}


def pointer(*names):
    """RFC 6901. A lone surrogate, which no UTF-8 can hold, is shown as U+FFFD."""
    path = "".join("/" + str(name).replace("~", "~0").replace("/", "~1") for name in names)
    return re.sub("[\ud800-\udfff]", "\ufffd", path)


# Formats

UUID = re.compile("-".join(f"[0-9A-Fa-f]{{{length}}}" for length in (8, 4, 4, 4, 12)))
TIMESTAMP = re.compile(
    "(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    "(?:[Tt ](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]{1,9})?)?"
    "(?:[Zz]|[+-](?P<offset_hour>[0-9]{2})(?::?(?P<offset_minute>[0-9]{2}))?)?)?")
DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


def is_uuid(text):
    return UUID.fullmatch(text) is not None


def is_timestamp(text):
    match = TIMESTAMP.fullmatch(text)
    if match is None:
        return False
    part = {name: int(digits or 0) for name, digits in match.groupdict().items()}
    if part["year"] < 1 or not 1 <= part["month"] <= 12:
        return False
    leap = part["year"] % 4 == 0 and (part["year"] % 100 != 0 or part["year"] % 400 == 0)
    days = 29 if leap and part["month"] == 2 else DAYS[part["month"] - 1]
    return (
        1 <= part["day"] <= days and part["hour"] <= 23 and part["minute"] <= 59 and part["second"] <= 60
        and part["offset_hour"] <= 23 and part["offset_minute"] <= 59)


# JSON


class Number:
    """A JSON number, exact however it is spelled: sign · 0.digits · 10^exponent."""

    SPELLING = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)0*([0-9]*))?")

    def __init__(self, text):
        minus, whole, fraction, exponent_sign, exponent = self.SPELLING.fullmatch(text).groups(default="")
        significant = (whole + fraction).lstrip("0")
        self.digits = significant.rstrip("0")
        self.sign = 0 if self.digits == "" else -1 if minus else 1
        # Beyond 10^18 only the sign matters: no text has as many digits as could make up for it.
        scale = int(exponent or "0") if len(exponent) <= 18 else 10 ** 18
        self.exponent = (-scale if exponent_sign == "-" else scale) + len(significant) - len(fraction)

    def compare(self, other):
        if self.sign != other.sign or self.sign == 0:
            return self.sign - other.sign
        mine, others = (self.exponent, self.digits), (other.exponent, other.digits)
        return self.sign * ((mine > others) - (mine < others))

    def __le__(self, other):
        return self.compare(other) <= 0

    def __eq__(self, other):
        return isinstance(other, Number) and self.compare(other) == 0


ZERO, ONE, HUNDRED = Number("0"), Number("1"), Number("100")


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


# Python's own parser, told to leave numbers alone and to refuse the constants that JSON does not have.
# Of repeated names it keeps the last one, and it takes lone surrogates.
DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=refuse)
# A string; one without an end reaches to the end.
STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)


def read(state):
    """The JSON value of the bytes, with `Number` for numbers; ValueError when they are no JSON, or deeper than 256."""
    text = state.decode("utf-8", "strict")
    if depth(text) > DEEPEST:
        raise ValueError("too deep")
    return DECODER.decode(text)


def depth(text):
    """How many arrays and objects are inside each other; of a text that is no JSON: some number."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return 0
    deepest = current = 0
    for bracket in re.findall(r"[\[\]{}]", STRING.sub("", text)):
        current += 1 if bracket in "[{" else -1
        deepest = max(deepest, current)
    return deepest
