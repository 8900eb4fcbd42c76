"""Style as tests: what the compiler does not check about the shape of the sources."""

import ast
import collections
import json
import re
import subprocess

import pytest

from repository import PYTHON, ROOT

TOOLCHAIN = {"Foundation", "FoundationEssentials", "Glibc", "Musl", "Dispatch", "Synchronization", "Testing"}
IMPORT = re.compile(r"^(?:@\w+(?:\([^)]*\))?\s+)*(?:public |package |internal |private )?import (?:\w+ )?(\w+)", re.M)
GENERATED = ("/Generated/", "/GRPC/Messages/")
#: Words that were given up: docs/glossary.md names those that took their place. `Exchange` was a Swift type.
OLD_WORDS = re.compile(
    r"\b(Company|Crowd|ChangeJudge|ChangeAnswer|KnownVersion|keepUp|ConnectionLife|CallExtra|PreparedFields|HTTPRefusal"
    r"|(?i:anybody|nobody|somebody|whoever|raced|lanes?|is told so|is no json))\b")
OLD_TYPE = re.compile(r"\bExchange\b")


@pytest.fixture(scope="module")
def targets():
    """Folder and declared dependencies of every target; products go by the module that carries their name."""
    package = json.loads(subprocess.run(
        ["swift", "package", "dump-package"], cwd=ROOT, check=True, capture_output=True).stdout)
    found = {}
    for target in package["targets"]:
        folder = target.get("path") or ("Tests/" if target["type"] == "test" else "Sources/") + target["name"]
        names = {next(iter(dependency.values()))[0] for dependency in target["dependencies"]}
        found[target["name"]] = (ROOT / folder, names)
    return found


def swift_files(folder):
    return sorted(folder.rglob("*.swift"))


def test_imports_are_declared(targets):
    """The build's own check lets a transitive dependency pass."""
    undeclared = []
    for name, (folder, dependencies) in targets.items():
        for path in swift_files(folder):
            for module in set(IMPORT.findall(path.read_text())) - dependencies - TOOLCHAIN - {name}:
                undeclared.append(f"{path.relative_to(ROOT)} imports {module}, which {name} does not declare")
    assert not undeclared, "\n".join(undeclared)


def test_declared_dependencies_are_imported(targets):
    unused = []
    for name, (folder, dependencies) in targets.items():
        files = swift_files(folder)
        if files:
            imported = set().union(*(IMPORT.findall(path.read_text()) for path in files))
            unused += [f"{name} declares {module} and imports it nowhere" for module in dependencies - imported]
    assert not unused, "\n".join(unused)


def test_rooms_keep_to_themselves(targets):
    def users(module):
        return {name for name, (_, dependencies) in targets.items() if module in dependencies and not name.endswith("Tests")}

    assert users("CFlowStateProto") == {"WireMessages"}
    assert users("CLibPQ") == {"Postgres"}
    assert users("CNGHTTP2") == {"HTTP2"}
    assert targets["FlowModel"][1] == {"JSON"}, "the model does no I/O and reads no clock"
    assert targets["JSON"][1] == {"CJSON", "CRE2"}, "JSON knows no flows"
    assert users("CWellKnown") == {"Protobuf", "CGRPCProto", "CFlowStateProto"}
    assert not targets["GRPC"][1] & {"FlowModel", "WireMessages"}, "GRPC knows no flows"
    assert not targets["Postgres"][1] & {"FlowModel"}, "Postgres knows no flows"
    assert not targets["FlowStore"][1] & {"WireMessages", "GRPC"}, "the store sees no messages or status codes"


def test_files_are_short_and_finished():
    faults = []
    for folder in ("Sources", "Benchmarks", "Tests"):
        for path in swift_files(ROOT / folder):
            text = path.read_text()
            name = path.relative_to(ROOT)
            if any(part in str(path) for part in GENERATED):
                continue
            if text.count("\n") > 400:
                faults.append(f"{name} has {text.count(chr(10))} lines")
            faults += [f"{name}: {word}" for word in ("TODO", "FIXME", "fatalError(", "try!", "as!") if word in text]
    assert not faults, "\n".join(faults)


def test_names_from_outside_are_keys_by_their_bytes():
    """Swift takes "\u00e9" composed and decomposed for one text: `Name` and `JSONName` do not."""
    keyed = re.compile(r"Set<String>|\[String\s*:\s*|Dictionary<String\b")
    relapses = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for room in ("JSON", "FlowModel", "FlowStore")
        for path in swift_files(ROOT / "Sources" / room)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if keyed.search(line) and not line.lstrip().startswith("//")]
    assert not relapses, "\n".join(relapses)


def is_system_user(path, line):
    """`nobody` is also the user that PostgreSQL can run as."""
    return path.name == "ClusterUser.swift" or "postgres" in line


def test_old_words_do_not_come_back():
    documents = [
        *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "Benchmarks").glob("*.md"), *(ROOT / "proto").rglob("*.proto")]
    paths = [path for room in ("Sources", "Benchmarks") for path in swift_files(ROOT / room)] + documents
    relapses = []
    for path in paths:
        if path.name in ("glossary.md", "RESULTS.md") or any(part in str(path) for part in GENERATED):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words = [word for word in OLD_WORDS.findall(line) if word.lower() != "nobody" or not is_system_user(path, line)]
            words += OLD_TYPE.findall(line) if path.suffix == ".swift" else []
            relapses += [f"{path.relative_to(ROOT)}:{number}: {word}" for word in words]
    assert len(paths) > 300 and not relapses, "\n".join(relapses)


def test_limits_are_made_in_one_place():
    """Code that makes limits of its own does not follow those of the server; `Limits.defaults` are for those without a server."""
    made = [str(path.relative_to(ROOT)) for path in swift_files(ROOT / "Sources") if re.search(r"\bLimits\(\)", path.read_text())]
    assert made == ["Sources/FlowModel/Limits.swift"]


def imported(path):
    """What a Python file imports, with dots: of `from a import b` it is `a.b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def test_test_modules_are_not_imported():
    """What several of them need is in `support`, or a fixture of a conftest.py."""
    tests = {path.stem for path in PYTHON.rglob("test_*.py")} | {"conftest"}
    faults = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted(PYTHON.rglob("*.py")) for name in imported(path) if tests & set(name.split("."))]
    assert len(tests) > 50 and not faults, "\n".join(faults)


def test_python_modules_have_names_of_their_own():
    """They are found by their names alone, whatever folder they are in."""
    paths = [*PYTHON.rglob("*.py"), *(ROOT / "Benchmarks").glob("*.py")]
    names = collections.Counter(path.stem for path in paths if path.name != "conftest.py")
    assert not [name for name, count in names.items() if count > 1]


def test_routes_alone_know_connection_groups():
    """So that flows can be spread over several databases."""
    groups = re.compile(r"\bdatabase\.(writer|reader|lists|background|largeWriter|largeReader)\b")
    users = {path.name for path in swift_files(ROOT / "Sources" / "FlowStore") if groups.search(path.read_text())}
    assert not users, users
