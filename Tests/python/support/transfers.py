"""Uploads and downloads of large states, and connections that break."""

import asyncio
import contextlib
import threading

import grpc
import xxhash
from flowstate.v1 import state_pb2


def digest(state):
    """Of another implementation than the server's."""
    return xxhash.xxh3_128_digest(state)


def requests(flow_id, state, chunk=64 << 10, size=0, digest=b"", upload_id="", offset=0, **save):
    """A header, then chunks from `offset` on."""
    yield state_pb2.UploadStateRequest(header=state_pb2.UploadHeader(
        save={"flow_id": flow_id, "content_type": "application/octet-stream", **save}, size_bytes=size, digest=digest,
        upload_id=upload_id, offset=offset))
    for place in range(offset, len(state), chunk):
        yield state_pb2.UploadStateRequest(chunk=state[place:place + chunk])


def upload(flows, flow_id, state, timeout=60, **fields):
    """The answer of the save."""
    return flows.stub.UploadState(requests(flow_id, state, **fields), metadata=flows.metadata, timeout=timeout).saved


def broken_upload(flows, flow_id, state, length, upload_id, at_least=None, offset=0, **fields):
    """Sends the bytes up to `length`, waits until the server has stored `at_least`, and breaks off; what is stored then."""
    told = threading.Event()

    def some():
        yield from requests(flow_id, state[:length], upload_id=upload_id, offset=offset, **fields)
        told.wait(30)

    call = flows.stub.UploadState.future(some(), metadata=flows.metadata, timeout=60)
    try:
        return wait_for_upload(flows, flow_id, upload_id, at_least or 0)
    finally:
        call.cancel()
        told.set()


def wait_for_upload(flows, flow_id, upload_id, at_least):
    from processes import eventually
    found = []

    def has_come():
        try:
            found[:] = [flows.GetUpload(flow_id=flow_id, upload_id=upload_id).received_bytes]
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND
            return False
        return found[0] >= at_least

    eventually(has_come, what=f"{at_least} bytes of an upload")
    return found[0]


def download(flows, flow_id, offset=0, chunk_bytes=0, timeout=60, **load):
    """The snapshot and the state behind `offset`."""
    answers = flows.stub.DownloadState(
        state_pb2.DownloadStateRequest(load={"flow_id": flow_id, **load}, offset=offset, chunk_bytes=chunk_bytes),
        metadata=flows.metadata, timeout=timeout)
    snapshot = next(answers).snapshot
    chunks = [answer.chunk for answer in answers]
    assert all(chunks), "no chunk is empty"
    return snapshot, b"".join(chunks)


class BreakingLink:
    """A listener that passes on what comes to `target`, and cuts every connection when it is told to. Runs in a thread of its own."""

    def __init__(self, target):
        self.target = target
        self.passed = 0
        self.limit = None
        self.times = 0
        self.cuts = 0

    def cut_again(self, count, times):
        """Cuts all connections each time that so many more bytes were passed on, in both directions together."""
        self.step, self.times = count, times
        self.limit = self.passed + count

    @contextlib.contextmanager
    def serving(self):
        ready = threading.Event()

        async def pass_on(reader, writer, all_writers):
            try:
                while data := await reader.read(65_536):
                    self.passed += len(data)
                    if self.limit is not None and self.passed >= self.limit:
                        self.cuts += 1
                        self.limit = self.passed + self.step if self.cuts < self.times else None
                        for other in list(self.writers):
                            other.transport.abort()
                        return
                    writer.write(data)
                    await writer.drain()
            except OSError:
                pass
            for other in all_writers:
                other.transport.abort()

        async def connect(reader, writer):
            try:
                other_reader, other_writer = await asyncio.open_connection(*self.target)
            except OSError:
                return writer.transport.abort()
            both = [writer, other_writer]
            self.writers.update(both)
            await asyncio.gather(pass_on(reader, other_writer, both), pass_on(other_reader, writer, both), return_exceptions=True)
            self.writers.difference_update(both)

        async def serve():
            self.writers = set()
            server = await asyncio.start_server(connect, "127.0.0.1", 0)
            self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            await self.stop.wait()
            server.close()
            for writer in list(self.writers):
                writer.transport.abort()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            self.loop.call_soon_threadsafe(self.stop.set)
            thread.join(timeout=30)
