"""The documents: commands do what the page shows, links lead somewhere, tables name what the code has.

`FLOWSTATE_WRITE_DOCUMENTS=1` puts outputs that have changed into the pages.
"""

import os
import re
import sys

import pytest

from documents import PAGES, ROOT, WALK, Walk, blocks, masked


def test_commands_print_what_is_shown(flowstate_bin, scratch, start_server):
    server = start_server()
    stubs = next(path for path in sys.path if "flowstate-stubs-" in path)
    walk = Walk(scratch(), flowstate_bin.parent, server.endpoint, sys.executable, stubs)
    for block in (block for page in WALK for block in blocks(page)):
        printed = walk.run(block)
        if block.output is None or masked(printed) == masked(block.output):
            continue
        assert "FLOWSTATE_WRITE_DOCUMENTS" in os.environ, f"{block} prints\n{printed}\nnot\n{block.output}"
        block.rewrite(printed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    broken = [target for target in targets if not (page.parent / target).exists()]
    assert not broken, broken


def test_the_first_page_is_short_and_leads_to_every_other():
    text = (ROOT / "README.md").read_text()
    assert text.count("\n") <= 150
    missing = [page.name for page in PAGES[1:] if f"({page.relative_to(ROOT)})" not in text]
    assert not missing, missing


def test_every_reason_is_explained():
    source = (ROOT / "Sources" / "FlowModel" / "StateError.swift").read_text()
    page = (ROOT / "docs" / "errors.md").read_text()
    missing = {reason for reason in re.findall(r': "([A-Z_]{6,})"', source) if f"`{reason}`" not in page}
    assert missing <= {"CANCELLED", "DEADLINE_EXCEEDED"}, missing  # listed as codes


def test_every_method_is_listed():
    source = (ROOT / "Sources" / "FlowService" / "RouteTable.swift").read_text()
    built, planned = source.split("static let planned", 1)
    page = (ROOT / "docs" / "api.md").read_text()
    here, later = page.split("UNIMPLEMENTED", 1)
    assert not [name for name in re.findall(r"runner\.route\(\w+, (\w+)\.self\)", built) if f"`{name}`" not in here]
    ours = planned.split("FlowLeaseService", 1)[0]
    assert not [name for name in re.findall(r'"([A-Z]\w+)"', ours) if f"`{name}`" not in later]
