"""The comments of the proto files, sentence by sentence, and which test holds which of them."""

import functools
import re

from repository import ROOT

PROTO = ROOT / "proto" / "flowstate" / "v1"


@functools.cache
def sentences(file):
    """Every sentence of a file's comments in order, with the rpc, message, enum or service that it is about."""
    found, block, scope = [], [], ""
    for line in (PROTO / f"{file}.proto").read_text().splitlines() + [""]:
        comment = re.match(r"\s*// ?(- )?(.*)", line)
        if comment and comment[2] and not comment[1]:
            block.append(comment[2].strip())
            continue
        declared = re.match(r"\s*(?:rpc|message|enum|service) (\w+)", line)
        if declared:
            scope = declared[1]
        found += [(scope, sentence) for sentence in split(" ".join(block))]
        block = [comment[2].strip()] if comment and comment[2] else []
    return found


def split(paragraph):
    """At full stops and colons before capitals, digits and code; what stands in brackets stays whole."""
    return [part.strip() for part in re.split(r"(?<=[.:])\s+(?=[A-Z`0-9])(?![^(]*\))", paragraph) if part.strip()]


def text(file):
    return " ".join(sentence for _, sentence in sentences(file))


def promise(file, *told):
    """Marks a test as what holds sentences of a file; they must be there, word for word."""
    missing = [sentence for sentence in told if sentence not in text(file)]
    assert not missing, f"{file}.proto does not say {missing} any more"

    def mark(test):
        test.promises = getattr(test, "promises", []) + [(file, sentence) for sentence in told]
        return test

    return mark
