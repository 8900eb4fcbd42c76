"""The comments of the proto files, sentence by sentence."""

import functools
import pathlib
import re

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto" / "flowstate" / "v1"


@functools.cache
def sentences(name):
    """Every sentence of a file's comments, in order, in one line each."""
    text, block = [], []
    for line in (PROTO / f"{name}.proto").read_text().splitlines() + [""]:
        comment = re.match(r"\s*// ?(- )?(.*)", line)
        if comment and not comment[1] and comment[2]:
            block.append(comment[2].strip())
            continue
        text += split(" ".join(block))
        block = [comment[2].strip()] if comment and comment[2] else []
    return text


def split(paragraph):
    """At full stops and before capitals; `1.5`, `i.e.` and what stands in brackets stay whole."""
    return [part.strip() for part in re.split(r"(?<=[.:])\s+(?=[A-Z`0-9])(?![^(]*\))", paragraph) if part.strip()]


def promise(file, *told):
    """Marks a test as what holds sentences of a file; they must be there, word for word."""
    missing = [sentence for sentence in told if sentence not in " ".join(sentences(file))]
    assert not missing, f"{file}.proto does not say {missing} any more"

    def mark(test):
        test.promises = getattr(test, "promises", []) + [(file, sentence) for sentence in told]
        return test

    return mark
