"""States that are larger than a message: uploads that break off and are resumed, downloads, and what else meets such a state."""

import random
import threading

import grpc
import pytest
from flowstate.v1 import recovery_pb2, state_pb2

from errors import invalid, not_found, refused
from postgresql import session
from processes import eventually
from transfers import broken_upload, digest, download, requests, upload, wait_for_upload

#: Small, so that little is large.
PART, MESSAGE, STREAM = 4_096, 65_536, 1_048_576


@pytest.fixture(scope="module")
def small(limited_server):
    return limited_server({"part-bytes": PART, "state-bytes": MESSAGE, "streamed-state-bytes": STREAM, "maximum-chunk-bytes": 100_000})


@pytest.fixture
def flows(small):
    return small.flows()


def some(size, seed=0):
    return random.Random(seed).randbytes(size)


LARGE = some(300_001)


def too_large():
    return refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "STATE_TOO_LARGE")


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 3 * PART, MESSAGE - 1, MESSAGE, MESSAGE + 1, MESSAGE + PART, STREAM])
@pytest.mark.parametrize("upload_id", ["", "u"])
def test_what_goes_up_comes_down(flows, size, upload_id):
    state = some(size)
    saved = upload(flows, "a", state, chunk=10_000, size=size, digest=digest(state), upload_id=upload_id, version_label="v")
    assert (saved.version, saved.digest) == (1, digest(state))
    snapshot, came = download(flows, "a")
    assert came == state and snapshot.state == b""
    assert (snapshot.version.size_bytes, snapshot.version.digest, snapshot.version.version_label) == (size, digest(state), "v")
    for offset in {0, 1, size // 2, size - 1, size} & set(range(size + 1)):
        assert download(flows, "a", offset=offset, chunk_bytes=7_777)[1] == state[offset:]
    if size <= MESSAGE:
        assert flows.state("a") == state
    else:
        with too_large() as refusal:
            flows.load("a")
        assert "DownloadState" in refusal.message


def test_the_limit(flows):
    for fields in ({}, {"size": STREAM + 1}):
        with too_large():
            upload(flows, "a", some(STREAM + 1), **fields)
    with not_found():
        flows.load("a")


def test_chunks(server):
    """With every default."""
    flows = server.flows()
    state = some(9 << 20)
    flows.save("a", state, content_type="application/octet-stream")

    def sizes(chunk_bytes):
        request = state_pb2.DownloadStateRequest(load={"flow_id": "a"}, chunk_bytes=chunk_bytes)
        return {len(answer.chunk) for answer in flows.stub.DownloadState(request, metadata=flows.metadata, timeout=60)} - {0}

    assert sizes(0) == {64 << 10}
    assert sizes(4 << 20) == {4 << 20, 1 << 20}
    with invalid() as refusal:
        sizes((4 << 20) + 1)
    assert refusal.fields() == ["chunk_bytes"]


def test_an_upload_that_breaks_off_is_resumed(flows):
    stored = broken_upload(flows, "a", LARGE, 150_000, "u", at_least=36 * PART)
    assert stored == 36 * PART
    with not_found():
        flows.load("a", version=1)
    # From where it is, from before that, and again with what has come since.
    stored = broken_upload(flows, "a", LARGE, 200_000, "u", at_least=48 * PART, offset=stored)
    stored = broken_upload(flows, "a", LARGE, 250_000, "u", at_least=61 * PART, offset=100_001)
    saved = upload(flows, "a", LARGE, upload_id="u", offset=5, size=len(LARGE), digest=digest(LARGE))
    assert saved.digest == digest(LARGE) and download(flows, "a")[1] == LARGE
    progress = flows.GetUpload(flow_id="a", upload_id="u")
    assert (progress.received_bytes, progress.saved_version) == (len(LARGE), 1)


def test_a_resumed_upload_that_fits_a_message_is_an_ordinary_save(flows):
    state = some(50_000)
    stored = broken_upload(flows, "a", state, 30_000, "u", at_least=7 * PART)
    assert upload(flows, "a", state, upload_id="u", offset=stored, digest=digest(state)).version == 1
    assert flows.state("a") == state


def test_at_random_places(flows):
    rng = random.Random(13)
    for number in range(10):
        state, flow_id = some(rng.randrange(1, 400_000), number), f"f{number}"
        stored = 0
        for _ in range(rng.randrange(4)):
            length = rng.randrange(stored, len(state) + 1)
            parts = length // PART * PART
            if parts:
                stored = broken_upload(flows, flow_id, state, length, "u", at_least=parts, offset=rng.randrange(stored + 1) if stored else 0)
        upload(flows, flow_id, state, upload_id="u", offset=rng.randrange(stored + 1) if stored else 0, digest=digest(state),
               chunk=rng.choice([1_000, 4_096, 50_000]))
        assert download(flows, flow_id, chunk_bytes=rng.randrange(1_000, 100_000))[1] == state


def test_the_answer_of_a_save_that_was_lost_is_given_again(flows):
    fields = {"upload_id": "u", "digest": digest(LARGE), "idempotency_key": "key"}
    upload(flows, "a", LARGE, **fields)
    again = upload(flows, "a", LARGE, offset=len(LARGE), **fields)
    assert (again.version, again.replayed) == (1, True)
    # A new upload with the old id.
    other = some(200_000, 1)
    assert upload(flows, "a", other, upload_id="u").version == 2
    assert download(flows, "a")[1] == other and download(flows, "a", version=1)[1] == LARGE


def test_a_conflict_costs_no_second_upload(flows):
    flows.save("a")
    with refused(grpc.StatusCode.ABORTED, "VERSION_CONFLICT"):
        # With a key it may have been saved already, so it is not refused before.
        upload(flows, "a", LARGE, upload_id="u", expected_version=5, idempotency_key="key")
    assert upload(flows, "a", LARGE, upload_id="u", offset=len(LARGE), expected_version=1).version == 2
    assert download(flows, "a")[1] == LARGE


def test_one_that_begins_at_0_is_another_one(flows):
    broken_upload(flows, "a", LARGE, 150_000, "u", at_least=36 * PART)
    other = some(200_000, 1)
    upload(flows, "a", other, upload_id="u")
    assert download(flows, "a")[1] == other


def test_of_two_calls_the_later_one_has_the_upload(flows):
    more = threading.Event()

    def slow():
        yield from requests("a", LARGE[:150_000], upload_id="u")
        more.wait(30)
        yield state_pb2.UploadStateRequest(chunk=LARGE[150_000:])

    first = flows.stub.UploadState.future(slow(), metadata=flows.metadata, timeout=60)
    wait_for_upload(flows, "a", "u", 36 * PART)
    saved = upload(flows, "a", LARGE, upload_id="u", offset=36 * PART)
    more.set()
    with refused(grpc.StatusCode.ABORTED, "UPLOAD_CONTINUED"):
        first.result()
    assert saved.version == 1 and download(flows, "a")[1] == LARGE
    assert len(flows.versions("a")) == 1


@pytest.mark.parametrize("fields", [
    {"size": len(LARGE) - 1}, {"size": len(LARGE) + 1}, {"digest": digest(b"another")},
])
def test_what_is_not_as_announced_is_not_saved(flows, fields):
    with invalid():
        upload(flows, "a", LARGE, upload_id="u", **fields)
    with not_found():
        flows.load("a", version=1)


@pytest.mark.parametrize("fields,field", [
    ({"digest": b"short"}, "digest"), ({"size": -1}, "size_bytes"), ({"offset": 5}, "offset"), ({"offset": -5, "upload_id": "u"}, "offset"),
    ({"upload_id": "x" * 256}, "upload_id"), ({"upload_id": "a\nb"}, "upload_id"), ({"offset": 9, "size": 8, "upload_id": "u"}, "offset"),
    ({"merge_patch": b"{}"}, "save.change"), ({"progress": 101.0}, "progress"),
    ({"expected_version": -1}, "expected_version"),
])
def test_headers(flows, fields, field):
    with invalid() as refusal:
        upload(flows, "a", b"state", **fields)
    assert refusal.fields() == [field]


def test_what_is_no_upload(flows):
    chunk = state_pb2.UploadStateRequest(chunk=b"x")
    header = next(requests("a", b""))
    for stream in ([], [chunk], [header, header], [header, state_pb2.UploadStateRequest()], [header, state_pb2.UploadStateRequest(chunk=b"")],
                   [state_pb2.UploadStateRequest(header=state_pb2.UploadHeader())]):
        with invalid():
            flows.stub.UploadState(iter(stream), metadata=flows.metadata, timeout=30)
    with not_found("UPLOAD_NOT_FOUND"):
        upload(flows, "a", LARGE, upload_id="u", offset=4_096)
    with not_found("UPLOAD_NOT_FOUND"):
        flows.GetUpload(flow_id="a", upload_id="u")
    stored = broken_upload(flows, "a", LARGE, 150_000, "u", at_least=36 * PART)
    with invalid() as refusal:
        upload(flows, "a", LARGE, upload_id="u", offset=stored + 1)
    assert refusal.fields() == ["offset"]
    # It ends before what is there already.
    with invalid():
        upload(flows, "a", LARGE[:10_000], upload_id="u", offset=5_000)
    with invalid() as refusal:
        download(flows, "a", offset=-1)
    flows.save("b", b"1234")
    for fields, field in (({"offset": 5}, "offset"), ({"chunk_bytes": 100_001}, "chunk_bytes"), ({"chunk_bytes": -1}, "chunk_bytes")):
        with invalid() as refusal:
            download(flows, "b", **fields)
        assert refusal.fields() == [field]
    with not_found():
        download(flows, "none")


def test_json_is_checked_as_it_comes(flows):
    good = b'[' + b",".join(b'{"n": %d, "t": "\xc3\xa9\\u00e9", "x": [true, null, -1.5e-3]}' % n for n in range(3_000)) + b"]"
    assert len(good) > MESSAGE
    for chunk in (997, 4_096, 50_000):
        upload(flows, "a", good, chunk=chunk, content_type="application/json")
        assert download(flows, "a")[1] == good
    for bad in (good[:-1], good + b"x", good.replace(b"null", b"nul", 1), b"\xef\xbb\xbf" + good, good[:100_000] + b"\xff" + good[100_000:],
                b"[" * 257 + good + b"]" * 257):
        with invalid("STATE_INVALID"):
            upload(flows, "b", bad, content_type="application/json")
    with not_found():
        flows.load("b", version=1)


# What else meets such a state

def test_the_next_saves(flows):
    upload(flows, "a", LARGE)
    flows.save("a", b'{"n":1}', content_type="application/json")
    assert flows.state("a") == b'{"n":1}'
    upload(flows, "a", LARGE + b"x")
    big = some(50_000)
    flows.save("a", big, content_type="application/octet-stream")
    assert flows.state("a") == big and download(flows, "a", version=1)[1] == LARGE and download(flows, "a", version=3)[1] == LARGE + b"x"
    assert [flows.load("a", version=n).state for n in (2, 4)] == [b'{"n":1}', big]


def test_calls_that_need_it_whole_say_so(flows):
    upload(flows, "a", LARGE)
    for call in (lambda: flows.SaveState(flow_id="a", merge_patch=b"{}"), lambda: flows.DiffVersions(flow_id="a", from_version=1),
                 lambda: flows.ValidateState(flow_id="a")):
        with too_large():
            call()
    results = flows.BatchLoadState(loads=[{"flow_id": "a"}]).results
    assert results[0].failure.reason == "STATE_TOO_LARGE"


def test_lists_and_watches_leave_it_out(flows):
    upload(flows, "a", LARGE)
    flows.save("b", b'{"n":1}')
    page = flows.ListFlows(include_states=True)
    assert {flow.flow_id: content.state for flow, content in zip(page.flows, page.contents)} == {"a": b"", "b": b'{"n":1}'}
    versions = flows.ListVersions(flow_id="a", include_states=True)
    assert [version.size_bytes for version in versions.versions] == [len(LARGE)]
    call = flows.stub.WatchFlows(
        state_pb2.WatchFlowsRequest(flow_ids=["a"], after_version=0, include_state=True), metadata=flows.metadata, timeout=30)
    change = next(answer.change for answer in call if answer.WhichOneof("event") == "change")
    call.cancel()
    assert (change.version.size_bytes, change.state) == (len(LARGE), b"")


def test_what_it_takes_is_counted(flows):
    upload(flows, "a", LARGE, flow_type="t")
    assert len(LARGE) <= flows.GetSummary(flow_id="a").stored_bytes < len(LARGE) + 1_000
    assert len(LARGE) <= flows.GetStatistics().stored_bytes < len(LARGE) + 1_000


def test_steps_carry_it_along(flows):
    upload(flows, "a", LARGE, flow_type="t")
    flows.SetStatus(flow_id="a", status="busy")
    flows.ReportError(flow_id="a", message="it broke")
    flows.TransitionPhase(flow_id="a", phase="two")
    assert flows.GetSummary(flow_id="a").flow.version == 4
    for version in (2, 3, 4):
        snapshot, state = download(flows, "a", version=version)
        assert state == LARGE and snapshot.version.digest == digest(LARGE)


def test_a_checkpoint_brings_it_back(flows):
    upload(flows, "a", LARGE, checkpoint={"name": "c"})
    flows.save("a", b"{}", content_type="application/json")
    assert flows.RestoreCheckpoint(flow_id="a", checkpoint="c").version == 3
    assert download(flows, "a")[1] == LARGE and download(flows, "a", checkpoint="c")[1] == LARGE


@pytest.mark.parametrize("with_history", [False, True])
def test_forks_have_their_own(small, flows, with_history):
    flows.save("a", b"first", content_type="text/plain")
    upload(flows, "a", LARGE)
    upload(flows, "a", LARGE[1:])
    flows.ForkFlow(flow_id="a", new_flow_id="b", with_history=with_history)
    with session(small) as database:
        database.execute(f"DELETE FROM flowstate.state_part WHERE tenant = '{flows.tenant}' AND flow_id = 'a'")
    assert download(flows, "b")[1] == LARGE[1:]
    if with_history:
        assert download(flows, "b", version=2)[1] == LARGE and flows.state("b", version=1) == b"first"
    with refused(grpc.StatusCode.DATA_LOSS, "STATE_CORRUPT"):
        download(flows, "a")


def test_a_definition_refuses_it(flows):
    flows.PutDefinition(document=b'{"flow_type": "strict", "rules": [{"rule": "required", "path": "/n"}]}')
    with too_large():
        upload(flows, "a", LARGE, flow_type="strict")
    with not_found():
        flows.load("a", version=1)


def test_recovery_passes_it_over(flows):
    upload(flows, "a", LARGE)
    flows.save("a", b"{}", content_type="application/json")
    upload(flows, "a", LARGE)
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "RECOVERY_FAILED"):
        flows.RecoverFlow(flow_id="a", strategy=recovery_pb2.RECOVERY_STRATEGY_REPAIR)
    flows.RecoverFlow(flow_id="a", strategy=recovery_pb2.RECOVERY_STRATEGY_ROLLBACK_VERSION)
    assert flows.state("a") == b"{}" and download(flows, "a", version=3)[1] == LARGE


def test_quarantine(flows):
    other = some(200_000, 1)
    upload(flows, "a", LARGE, version_tags={"r": "1"})
    upload(flows, "a", other, version_tags={"r": "2"})
    flows.DeleteVersions(flow_id="a", tag="r", tag_values=["2"])
    entry = flows.ListQuarantine(flow_id="a").entries[0]
    found = flows.GetQuarantined(id=entry.id)
    assert (found.entry.size_bytes, found.state) == (len(other), b"")
    flows.RestoreQuarantined(id=entry.id, any_version=True)
    assert download(flows, "a")[1] == other


# Removal

def test_what_no_version_has_is_removed(flowstate_bin, scratch, start_server):
    server = start_server(
        limits={"part-bytes": PART, "state-bytes": MESSAGE, "streamed-state-bytes": STREAM, "upload-hours": 1},
        arguments=["--cleanup-interval", "1"])
    flows = server.flows()
    upload(flows, "kept", LARGE, upload_id="u")
    flows.SetStatus(flow_id="kept", status="s")
    upload(flows, "pruned", LARGE, upload_id="u")
    flows.save("pruned", b"{}", content_type="application/json")
    broken_upload(flows, "broken", LARGE, 150_000, "u", at_least=36 * PART)
    broken_upload(flows, "young", LARGE, 150_000, "u", at_least=36 * PART)
    with session(server) as database:
        database.execute(f"UPDATE flowstate.state_upload SET touched_at = touched_at - interval '2 hours' WHERE flow_id <> 'young'")
        database.execute("DELETE FROM flowstate.flow_version WHERE flow_id = 'pruned' AND version = 1")
        for table in ("part", "upload"):
            eventually(lambda: database.execute(f"SELECT DISTINCT flow_id FROM flowstate.state_{table} ORDER BY 1") == ["kept", "young"],
                       what=f"the removal of each {table}")
    with not_found("UPLOAD_NOT_FOUND"):
        flows.GetUpload(flow_id="broken", upload_id="u")
    assert download(flows, "kept")[1] == LARGE
    upload(flows, "young", LARGE, upload_id="u", offset=36 * PART)
    assert download(flows, "young")[1] == LARGE


def test_what_cannot_be_resumed_is_given_up(small, flows):
    def left():
        with session(small) as database:
            query = "SELECT count(*) FILTER (WHERE is_given_up), count(*) FROM flowstate.state_upload WHERE tenant = '{}'"
            return database.execute(query.format(flows.tenant))

    with invalid():
        upload(flows, "a", LARGE, digest=digest(b"another"))
    eventually(lambda: left() == ["1|1"], what="the end of the upload")
    told = threading.Event()

    def waiting():
        yield from requests("a", LARGE[:150_000])
        told.wait(30)

    call = flows.stub.UploadState.future(waiting(), metadata=flows.metadata, timeout=60)
    eventually(lambda: left() == ["1|2"], what="an upload under way")
    call.cancel()
    told.set()
    eventually(lambda: left() == ["2|2"], what="the end of the cancelled one")
    bad = b"[" + b"1," * 50_000 + b"x"
    with invalid("STATE_INVALID"):
        upload(flows, "a", bad, upload_id="u", content_type="application/json")
    eventually(lambda: left() == ["3|3"], what="the end of the one that is not JSON")
    # What would be refused in the end is not stored.
    flows.save("a")
    with refused(grpc.StatusCode.ABORTED, "VERSION_CONFLICT"):
        upload(flows, "a", LARGE, expected_version=7)
    assert left() == ["3|3"]


def test_uploads_that_stall_take_what_they_hold(start_server):
    server = start_server(limits={"part-ms": 1})
    flows = server.flows()
    told = threading.Event()

    def stalling(number):
        yield from requests(f"s{number}", b"x" * 70_000)
        told.wait(60)
        yield state_pb2.UploadStateRequest(chunk=b"x")

    calls = [flows.stub.UploadState.future(stalling(number), metadata=flows.metadata, timeout=120) for number in range(60)]
    flows.save("a", some(2_000_000), content_type="application/octet-stream")
    assert len(flows.ListFlows().flows) == 1 and not any(call.done() for call in calls)
    told.set()
    for call in calls:
        with refused(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"):
            call.result()


def test_damage_is_found(small, flows):
    upload(flows, "a", LARGE)
    with session(small) as database:
        database.execute(
            "UPDATE flowstate.state_part SET bytes = set_byte(bytes, 100, (get_byte(bytes, 100) + 1) % 256) "
            f"WHERE tenant = '{flows.tenant}' AND part = 50")
    assert download(flows, "a", offset=51 * PART)[1] == LARGE[51 * PART:]
    with refused(grpc.StatusCode.DATA_LOSS, "STATE_CORRUPT"):
        download(flows, "a")


def test_a_server_that_is_killed_loses_no_part(start_server):
    server = start_server(limits={"part-bytes": PART, "state-bytes": MESSAGE, "streamed-state-bytes": STREAM})
    flows = server.flows()
    told = threading.Event()

    def some_requests():
        yield from requests("a", LARGE[:150_000], upload_id="u")
        told.wait(30)

    call = flows.stub.UploadState.future(some_requests(), metadata=flows.metadata, timeout=60)
    wait_for_upload(flows, "a", "u", 36 * PART)
    server.kill()
    told.set()
    server.start()
    flows = server.flows(tenant=flows.tenant)
    assert flows.GetUpload(flow_id="a", upload_id="u").received_bytes == 36 * PART
    upload(flows, "a", LARGE, upload_id="u", offset=36 * PART, digest=digest(LARGE))
    assert download(flows, "a")[1] == LARGE
    assert call.code() != grpc.StatusCode.OK
