"""The pages of the project as programs: their code blocks, and what a run of them prints."""

import os
import pathlib
import re
import subprocess
from dataclasses import dataclass, field

from repository import ROOT

#: What describes the inside: ARCHITECTURE.md leads there. README.md leads to all others.
INTERNALS = sorted((ROOT / "docs" / "internals").glob("*.md"))
#: An example in a folder for each language; `Tests/python/clients` runs their commands.
CLIENTS = ROOT / "docs" / "clients"
PAGES = [*(ROOT / f"{name}.md" for name in ("README", "ARCHITECTURE", "CONTRIBUTING", "SECURITY", "CHANGELOG")),
         *sorted((ROOT / "docs").glob("*.md")), *INTERNALS]
#: Each goes on where the one before ended: flows, files and environment stay.
WALK = ["README", "docs/command-line", "docs/definitions", "docs/recovery", "docs/notifications", "docs/archives", "docs/retention",
        "docs/statistics", "docs/configuration", "docs/operations", "docs/writes-and-leases", "docs/watch", "docs/large-states"]
#: What a test neither builds, installs nor starts.
ELSEWHERE = re.compile(
    r"\b(make|docker|psql|openssl|pip|flowstate-bench|grpcurl|swift build|swift test|pytest)\b|export PATH|flowstate serve(?! --help)")
#: What the tests of the clients do not run: it fetches what the machine has already.
INSTALLS = re.compile(r"\b(apt-get|pip|gem|go install|go mod)\b")
#: Where the server of the documents is.
PORT = "localhost:7420"
FENCE = re.compile(r"^```(\w*)$")
#: What differs from run to run, and what stands for it.
VARYING = [
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "DIGEST"),
    (re.compile(r"\b(\d+(\.\d+)? m?s|\d+m \d+s)\b"), "DURATION"),
    (re.compile(r"\b\d+ B stored"), "STORED"),
    (re.compile(r"\b\d+\.\d+(e-\d+)?\b"), "NUMBER"),
    (re.compile(r"\b((?:file|stored)_bytes\W+)\d+"), r"\1SIZE"),
    (re.compile(r" +"), " "),  # columns are as wide as what stands in them
]


@dataclass
class Block:
    """A block of shell commands, and what the document says that they print."""

    page: str
    line: int
    commands: str
    #: Programs that stand before it: by name, their text.
    programs: dict = field(default_factory=dict)
    #: None: the document does not say.
    output: str | None = None

    def __str__(self):
        return f"{self.page}.md:{self.line}"

    def rewrite(self, output):
        """Puts an output into the page, in the place of the one that is there."""
        path, commands = ROOT / f"{self.page}.md", f"```sh\n{self.commands}```\n```\n"
        path.write_text(path.read_text().replace(f"{commands}{self.output}```\n", f"{commands}{output.rstrip()}\n```\n"))


def fences(text):
    """Of every code block: its language, its content, the line it begins at, and the prose since the one before."""
    lines, prose, start, language = text.splitlines(), [], None, None
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if start is None and fence:
            start, language = number, fence[1]
        elif start is None:
            prose.append(line)
        elif fence:
            yield language, "".join(f"{content}\n" for content in lines[start:number - 1]), start, "\n".join(prose).strip()
            start, prose = None, []


def blocks(page):
    """The shell blocks of a page that can run here."""
    found, programs, last = [], {}, None
    for language, content, line, prose in fences((ROOT / f"{page}.md").read_text()):
        if language == "python":
            names = re.findall(r"`([^`]+\.py)`", prose)
            if names:
                programs[names[-1]] = content
        elif language == "sh":
            last = None if ELSEWHERE.search(content) else Block(page, line, content, programs)
            if last:
                found.append(last)
                programs = {}
        elif language == "" and last and not prose:
            last.output = content
    return found


def masked(output):
    for pattern, name in VARYING:
        output = pattern.sub(name, output)
    return "\n".join(line.rstrip() for line in output.splitlines())


class Walk:
    """Runs blocks in one directory, against one server, one after the other."""

    def __init__(self, directory, binaries, endpoint, python, stubs):
        self.directory = pathlib.Path(directory)
        self.endpoint = endpoint
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FLOWSTATE_")},
            "HOME": str(self.directory), "PATH": f"{binaries}:{os.environ['PATH']}", "PYTHONPATH": stubs,
            "FLOWSTATE_ENDPOINT": endpoint}
        # In the place of the reader's own: one that has what `pip install grpcio-tools` installs.
        interpreter = self.directory / "first-call" / "venv" / "bin" / "python"
        interpreter.parent.mkdir(parents=True)
        interpreter.write_text(f'#!/bin/sh\nPYTHONPATH={stubs} exec {python} "$@"\n')
        interpreter.chmod(0o755)

    def run(self, block):
        """What a block prints; it must end well."""
        for name, text in block.programs.items():
            path = pathlib.Path(name.replace("~", str(self.directory)))
            (self.directory / path).write_text(self._here(text))
        kept = self.directory / ".environment"
        script = f"set -e\n{self._here(block.commands)}\nexport -p > {kept}\n"
        if kept.exists():
            script = f". {kept}\n{script}"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120)
        assert done.returncode == 0, f"{block} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout.replace(self.endpoint, PORT)

    def _here(self, text):
        return text.replace(PORT, self.endpoint)
