"""The reference of the Swift client (docs/reference.sh): it can be made, every public declaration has a comment, and no link is broken."""

import json
import os
import pathlib
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


def test_every_public_declaration_is_described(reference):
    graph = json.loads((reference / "symbols" / "FlowStateClient.symbols.json").read_text())
    symbols = {".".join(symbol["pathComponents"]): symbol for symbol in graph["symbols"]}
    assert {"StateClient", "FlowChanges", "LeaseScope", "ClientError", "RetryPolicy"} <= set(symbols)
    assert not [name for name, symbol in symbols.items() if "docComment" not in symbol]


def test_the_archive_has_the_pages(reference):
    pages = reference / "FlowStateClient.doccarchive" / "data" / "documentation"
    assert (pages / "flowstateclient.json").exists() and (pages / "flowstateclient" / "whenserversfail.json").exists()
    assert (pages / "flowstateclient" / "stateclient.json").exists()
