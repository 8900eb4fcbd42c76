"""The reference of the Swift client (docs/reference.sh): it can be made, every public declaration has a comment, and no link is broken."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from repository import ROOT


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The folder with the archive and what it was made of."""
    swift = shutil.which("swift")
    if swift is None or not (pathlib.Path(swift).resolve().parent / "docc").exists():
        pytest.skip("missing: docc, which is beside swift in toolchains of swift.org")
    built = pathlib.Path(os.environ.get("FLOWSTATE_BIN") or ROOT / ".build" / "debug" / "flowstate").parent
    if not (ROOT / built / "Modules" / "FlowStateClient.swiftmodule").exists():
        pytest.skip(f"missing: the modules of a build in {built}")
    output = tmp_path_factory.mktemp("reference")
    done = subprocess.run(
        ["bash", "docs/reference.sh", str(built), str(output)], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    # Warnings are errors: of links that lead nowhere, and of parameters that are not described.
    assert done.returncode == 0, done.stdout + done.stderr
    return output


@pytest.mark.parametrize("module, names", [
    ("FlowStateClient", {"StateClient", "FlowChanges", "LeaseScope", "ClientError", "RetryPolicy"}),
    ("GRPC", {"Client", "ClientConfiguration", "Keepalive", "Endpoint", "Metadata", "Status", "StatusCode"})])
def test_every_public_declaration_is_described(reference, module, names):
    graph = json.loads((reference / module / f"{module}.symbols.json").read_text())
    symbols = {".".join(symbol["pathComponents"]): symbol for symbol in graph["symbols"] if is_written(symbol)}
    assert names <= set(symbols)
    assert not [name for name, symbol in symbols.items() if "docComment" not in symbol]


#: What the code in the catalog takes for granted.
CONTEXT = """\
import FlowStateClient

func example{number}(client: StateClient, save: SaveStateRequest, first: Endpoint, second: Endpoint, third: Endpoint) async throws {{
{code}
}}
"""


def test_the_code_of_the_catalog_compiles(reference, tmp_path):
    pages = sorted((ROOT / "Sources" / "FlowStateClient" / "FlowStateClient.docc").glob("*.md"))
    blocks = [code for page in pages for code in re.findall(r"```swift\n(.*?)```", page.read_text(), re.S)]
    assert len(blocks) >= 4
    files = []
    for number, code in enumerate(blocks):
        files.append(tmp_path / f"Example{number}.swift")
        files[-1].write_text(CONTEXT.format(number=number, code=code.replace("import FlowStateClient\n", "")))
    flags = (reference / "flags").read_text().splitlines()
    done = subprocess.run(
        ["swiftc", "-typecheck", "-swift-version", "6", *flags, *map(str, files)], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def is_written(symbol):
    """By hand, with an access level of its own: neither by the compiler nor by the generator of messages."""
    place = symbol.get("location", {}).get("uri", "")
    return place and "/GRPC/Messages/" not in place and "::SYNTHESIZED::" not in symbol["identifier"]["precise"]


def test_the_archive_has_the_pages(reference):
    pages = reference / "FlowStateClient.doccarchive" / "data" / "documentation"
    assert (pages / "flowstateclient.json").exists() and (pages / "flowstateclient" / "whenserversfail.json").exists()
    assert (pages / "flowstateclient" / "stateclient.json").exists()
