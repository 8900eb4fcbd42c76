"""The targets in Thresholds/*.json, and whether the figures meet them.

A threshold is {"figure": path, "divided_by": path, RULE: limit, "why": text}; `divided_by` makes a ratio of it and may be
missing, RULE is at_least, at_most or below, and paths are those of Results.at_path.
"""

import json
from dataclasses import dataclass

from programs import HERE, Failed
from results import Missing

RULES = {
    "at_least": ("≥", lambda value, limit: value >= limit),
    "at_most": ("≤", lambda value, limit: value <= limit),
    "below": ("<", lambda value, limit: value < limit),
}
REQUIRED, POSSIBLE = {"figure", "why"}, {"figure", "why", "divided_by", *RULES}


@dataclass(frozen=True)
class Verdict:
    name: str
    rule: str
    why: str
    #: None when a figure is missing; `missing` says which.
    value: float | None
    missing: str | None = None
    met: bool = False


def read(group, folder=HERE / "Thresholds"):
    """The thresholds of a file, by name."""
    path = folder / f"{group}.json"
    thresholds = json.loads(path.read_text())
    for name, threshold in thresholds.items():
        words = set(threshold)
        if not REQUIRED <= words <= POSSIBLE or len(words & set(RULES)) != 1:
            raise Failed(f"{path}: {name} has {', '.join(sorted(words))}; it needs figure, why and one of {', '.join(RULES)}")
    return thresholds


def judge(groups, results):
    """A verdict for each threshold of these files. A figure that is missing meets nothing."""
    return [verdict(name, threshold, results) for group in groups for name, threshold in read(group).items()]


def verdict(name, threshold, results):
    rule = next(word for word in RULES if word in threshold)
    sign, holds = RULES[rule]
    limit = threshold[rule]
    text = f"{sign} {limit:,}"
    try:
        value = results.at_path(threshold["figure"])
        if "divided_by" in threshold:
            divisor = results.at_path(threshold["divided_by"])
            if divisor <= 0:
                raise Missing(f"{threshold['divided_by']} is {divisor}")
            value /= divisor
    except Missing as missing:
        return Verdict(name, text, threshold["why"], None, str(missing))
    return Verdict(name, text, threshold["why"], value, met=holds(value, limit))


def exit_code(verdicts, failures):
    """2: something failed or is missing; 1: a threshold is missed."""
    if failures or any(verdict.value is None for verdict in verdicts):
        return 2
    return 0 if all(verdict.met for verdict in verdicts) else 1
