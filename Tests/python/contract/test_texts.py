"""Texts that are no names, in every field of every method that takes a text: the caller is told, nobody else notices."""

import concurrent.futures

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor as Field

from flowstate_server import METHODS
from service_methods import BUILT

UNARY = [METHODS[name] for name in sorted(BUILT) if not METHODS[name].client_streaming and not METHODS[name].server_streaming]
#: What a call of a method needs beside the text; each is also made without it.
BASES = {
    "SaveState": {"state": b'{"n":1}'}, "RestoreCheckpoint": {"checkpoint": "c"}, "SetStatus": {"status": "running"},
    "TransitionPhase": {"phase": "p"}, "CompletePhase": {"phase": "p"}, "ReportError": {"message": "x"},
    "DiffVersions": {"from_version": 1}, "CreateCheckpoint": {"name": "c1"}, "DeleteCheckpoint": {"checkpoint": "c"},
    "ValidateState": {"state": b"{}"}}
FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNAVAILABLE}


def texts(descriptor, depth=0):
    """Paths to every text of a message; of a map, its keys and values."""
    for field in descriptor.fields:
        if field.message_type and field.message_type.GetOptions().map_entry:
            yield from ([field, part] for part in ("key", "value"))
        elif field.type == Field.TYPE_STRING:
            yield [field]
        elif field.message_type and depth < 2:
            yield from ([field, *rest] for rest in texts(field.message_type, depth + 1))


def put(message, path, text):
    [field, *rest] = path
    place = getattr(message, field.name)
    if rest in (["key"], ["value"]):
        place[text if rest == ["key"] else "k"] = text if rest == ["value"] else "v"
    elif rest:
        put((place[0] if place else place.add()) if field.is_repeated else place, rest, text)
    elif field.is_repeated:
        place.append(text)
    else:
        setattr(message, field.name, text)


def requests(method, text):
    for path in texts(method.input_type):
        for base in {method.name: {}, f"{method.name} with": BASES.get(method.name, {})}.values():
            request = method.input_type._concrete_class(**base)
            if "flow_id" in method.input_type.fields_by_name:
                request.flow_id = "f"
            put(request, path, text)
            yield request


@pytest.mark.parametrize("text", ["a\0b", "\0", "\x01", "\u0085", "x" * 5_000], ids=["nul", "only nul", "c0", "c1", "long"])
@pytest.mark.parametrize("method", UNARY, ids=lambda method: method.name)
def test_a_text_that_is_none(server, flows, method, text):
    flows.save("f", b'{"n":1}', checkpoint={"name": "c"})
    call = getattr(flows.stubs[method.containing_service.name], method.name)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        beside = pool.submit(lambda: [flows.save("beside", b"1").version for _ in range(20)])
        futures = [(request, call.future(request, metadata=flows.metadata, timeout=30)) for request in requests(method, text)]
        assert beside.result(timeout=60) == list(range(1, 21))
    for request, future in futures:
        error = future.exception()
        assert error is None or error.code() not in FAULTS, f"{request}: {error}"
