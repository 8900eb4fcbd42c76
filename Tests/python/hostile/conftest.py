"""The table of figures behind the report; `FLOWSTATE_HOSTILE_JSON` names a file for it."""

import json
import os
import pathlib

import pytest

FIGURES = []
COLUMNS = {
    "attack": "attack", "baseline": "p99 before", "p99": "p99", "max": "max", "check_max": "max check", "loop_share": "loop",
    "turn": "ms turn", "processors": "cpu", "peak": "MB peak", "after": "MB after", "seconds": "s", "load_average": "load"}


@pytest.fixture(scope="session")
def figures():
    """Rows of the table."""
    return FIGURES


def pytest_terminal_summary(terminalreporter):
    if not FIGURES:
        return
    terminalreporter.section("hostile peers: milliseconds of the customer, megabytes, seconds")
    rows = [list(COLUMNS.values()) + ["connections"]]
    rows += [[str(row.get(name, "")) for name in COLUMNS] + [described(row)] for row in FIGURES]
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        terminalreporter.write_line("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
    if path := os.environ.get("FLOWSTATE_HOSTILE_JSON"):
        pathlib.Path(path).write_text(json.dumps(FIGURES, indent=1))


def described(row):
    """What became of the attackers' connections, and of the customer's calls that failed."""
    answers = [attacker.get("answer", attacker) if attacker else "no answer" for attacker in row.get("attackers", [])]
    texts = [
        f"{answer['opened']} opened, {answer['closed']} closed, longest {answer['longest']}" if "opened" in answer else str(answer)[:80]
        for answer in answers]
    codes = {}
    for answer in answers:
        for code, count in answer.get("answers", {}).items() if isinstance(answer, dict) else ():
            codes[code] = codes.get(code, 0) + count
    texts += [str(codes)] if codes else []
    texts += [f"{name}: {row[name]}" for name in ("errors", "exit_code", "left") if row.get(name)]
    texts += ["dead"] if row.get("alive") is False else []
    texts += [f"goes on with {row['works_on']} cpu"] if row.get("works_on", 0) >= 0.5 else []
    return "; ".join(texts)
