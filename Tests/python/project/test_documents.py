"""The documents: commands do what the page shows, links lead somewhere, tables name what the code has.

`FLOWSTATE_WRITE_DOCUMENTS=1` puts outputs that have changed into the pages.
"""

import functools
import os
import re
import sys

import pytest

from documents import CLIENTS, INTERNALS, PAGES, WALK, Walk, blocks, fences, masked
from repository import ROOT

PROTO = ROOT / "proto" / "flowstate" / "v1"
SERVE = ROOT / "Sources" / "flowstate" / "ServeCommand.swift"
#: Pages about the inside: what they name must be there.
ABOUT_SOURCES = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *INTERNALS]


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_run(page):
    name = str(page.relative_to(ROOT).with_suffix(""))
    assert name in WALK or not blocks(name), f"{name} has commands that can run and is not in WALK"


@pytest.mark.parametrize("page", [*PAGES, *sorted(CLIENTS.rglob("README.md"))], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text()
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    broken = [target for target in targets if not (page.parent / target).exists()]
    assert not broken, broken


@pytest.mark.parametrize("name, lines, pages", [
    ("README.md", 150, [page for page in PAGES[1:] if page not in INTERNALS]), ("ARCHITECTURE.md", 110, INTERNALS)])
def test_first_pages_are_short_and_lead_to_every_other(name, lines, pages):
    text = (ROOT / name).read_text()
    assert text.count("\n") <= lines
    missing = [page.name for page in pages if f"({page.relative_to(ROOT)})" not in text]
    assert not missing, missing


def test_every_reason_is_explained():
    source = (ROOT / "Sources" / "FlowModel" / "StateError.swift").read_text()
    page = (ROOT / "docs" / "errors.md").read_text()
    missing = {reason for reason in re.findall(r': "([A-Z_]{6,})"', source) if f"`{reason}`" not in page}
    assert missing <= {"CANCELLED", "DEADLINE_EXCEEDED"}, missing  # listed as codes


def test_every_method_is_listed():
    built = {path.stem for path in (ROOT / "Sources" / "FlowService").glob("*/*.swift")}
    contract = {name for file in PROTO.glob("*.proto") for name in re.findall(r"^  rpc (\w+)", file.read_text(), re.M)}
    here, later = (ROOT / "docs" / "api.md").read_text().split("UNIMPLEMENTED", 1)
    assert built < contract
    assert not {name for name in built if f"`{name}`" not in here}
    assert not {name for name in contract - built if f"`{name}`" not in later}
    assert not {name for name in contract - built if f"`{name}`" in here}


def serve_options():
    """As `flowstate serve` has them: each is a property behind an `@Option`."""
    parts = SERVE.read_text().split("    @Option(")[1:]
    return {"--" + re.sub(r"([A-Z])", r"-\1", re.search(r"\n    var (\w+)", part)[1]).lower() for part in parts}


def limits():
    """Every limit and its default, from the sources."""
    model = ROOT / "Sources" / "FlowModel"
    values = (model / "Limits.swift").read_text()
    for name, field in re.findall(r'\("([a-z-]+)", \.int(?:64)?\(\\\.(\w+)\)\)', (model / "LimitTable.swift").read_text()):
        yield name, eval(re.search(rf"package var {field}(?:: Int64)? = ([\d_ *<]+)\n", values)[1])


def test_every_setting_is_described():
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert len(serve_options()) > 15 and len(dict(limits())) > 50
    assert not [option for option in serve_options() if f"\n| `{option}` |" not in page]
    assert not [(name, value) for name, value in limits() if not re.search(rf"^\| `{name}` \| {value}( \(.+\))? \|", page, re.M)]
    rows = re.findall(r"^\| `([a-z][a-z-]+)` \|", page, re.M)
    assert not set(rows) - set(dict(limits())), "there are no such limits"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_servers_are_started_with_options_that_there_are(page):
    shown = [line for language, content, *_ in fences(page.read_text()) if language == "sh" for line in content.splitlines()]
    for line in (line for line in shown if "flowstate serve" in line):
        options = re.findall(r"\s(--[a-z-]+)", line.split("flowstate serve", 1)[1])
        assert set(options) <= serve_options() | {"--help"}, line
        names = re.findall(r"--limit ([a-z-]+)=", line) + [
            name.lower().replace("_", "-") for name in re.findall(r"FLOWSTATE_LIMIT_([A-Z_]+)=", line)]
        assert set(names) <= set(dict(limits())), line


def test_the_map_is_what_the_package_declares():
    package = (ROOT / "Package.swift").read_text()
    own = set(re.findall(r'room\(\s*"(\w+)"', package)) | {"flowstate", "FlowstateBench"}
    libraries = set(re.findall(r'(?:name: |system\(|\bc\()"(C[A-Z]\w+)"', package))
    declared = {}
    for name in own:
        listed = re.search(rf'(?:room\(\s*"{name}",\s*|name: "{name}",\s*dependencies: )\[([^\]]*)\]', package)[1]
        declared[name] = set(re.findall(r'"(\w+)"', listed))
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = next(content for _, content, _, prose in fences(text) if prose.endswith("project that it imports."))
    shown = {}
    for line in table.splitlines():
        name, *rest = line.split()
        shown[name] = set()
        for word in rest:
            if word not in own | libraries:
                break
            shown[name].add(word)
    assert shown == declared
    order = list(shown)
    up = [(name, other) for name in order for other in shown[name] & own if order.index(other) <= order.index(name)]
    assert not up, "imports point down"


@functools.cache
def sources():
    """Every file of the project, and all that is written in them."""
    folders = [ROOT / name for name in ("Sources", "Benchmarks", "Tests", "proto", "docker")]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not {"__pycache__", "Data"} & set(path.parts)]
    written = {".swift", ".h", ".hpp", ".cpp", ".proto", ".py", ".sh"}
    words = {word for path in paths for word in re.findall(r"\w+", str(path))}
    for path in (path for path in paths if path.suffix in written and path.name != "test_documents.py"):
        words |= set(re.findall(r"\w+", path.read_text()))
    return {str(path.relative_to(ROOT)) for path in paths} | {"Package.swift", "Makefile"}, words


@pytest.mark.parametrize("page", ABOUT_SOURCES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_pages_name_is_there(page):
    """Files by the end of their paths, types and functions by their names."""
    files, words = sources()
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    quoted = [text for text in re.findall(r"`([^`\n]+)`", prose) if not set("<>*… ") & set(text)]
    named = [text for text in quoted if re.search(r"\.(swift|py|sh|proto|hpp)$", text)]
    missing = [text for text in named if not any(("/" + file).endswith("/" + text) for file in files)]
    types = {part for text in quoted if text not in named for part in re.findall(r"\b[A-Z][a-z]\w+|\b[a-z]+[A-Z]\w+", text)}
    missing += sorted(types - words)
    assert not missing, missing
