"""Says at the end which seed was used, and the figures of the runs."""

import pytest

LINES = []


@pytest.fixture(scope="session")
def report():
    """`report("…")` is shown at the end."""
    return LINES.append


def pytest_terminal_summary(terminalreporter):
    if not LINES:
        return
    import long_run
    terminalreporter.section(f"long runs of {long_run.SECONDS:.0f} s: again with FLOWSTATE_SEED={long_run.SEED}")
    for line in LINES:
        terminalreporter.write_line(line)
