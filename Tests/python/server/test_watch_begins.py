"""Watches that begin while a window is read for others."""

import asyncio
import random
import time

import grpc
from flowstate.v1 import state_pb2, state_pb2_grpc

from slow_link import slow_link

METADATA = [("flowstate-tenant", "t")]
FLOWS, SECONDS = 40, 12


class Watched:
    """A flow that is saved all the time, and watched again and again from the last cursor."""

    def __init__(self, flow_id, end):
        self.id, self.end = flow_id, end
        self.lost, self.watches = [], 0

    async def save(self, stub):
        while time.monotonic() < self.end + 1:
            await stub.SaveState(state_pb2.SaveStateRequest(flow_id=self.id, state=b"{}"), metadata=METADATA, timeout=30)
            await asyncio.sleep(0.001)

    async def watch(self, stub):
        cursor, last = None, 0
        while time.monotonic() < self.end:
            start = {"cursor": cursor} if cursor else {"after_version": 0}
            call = stub.WatchFlows(state_pb2.WatchFlowsRequest(flow_ids=[self.id], **start), metadata=METADATA, timeout=5)
            bookmarks = live = 0
            try:
                async for message in call:
                    cursor = message.cursor
                    if message.WhichOneof("event") == "bookmark":
                        bookmarks += 1
                        continue
                    version = message.change.version.version
                    if version > last + 1:
                        self.lost.append((self.id, last, version))
                    last = max(last, version)
                    # Behind the second bookmark comes what the feed has.
                    live += bookmarks > 1
                    if live > 1:
                        break
            except grpc.aio.AioRpcError as error:
                assert error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED), error
            call.cancel()
            self.watches += 1
            await asyncio.sleep(random.random() / 20)


def test_they_miss_nothing(start_server, postgresql):
    """The database is 5 ms away, so a window is often under way when a watch begins."""
    database = postgresql(settings={"fsync": "off"})

    async def run(endpoint):
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(endpoint, options) as one, grpc.aio.insecure_channel(endpoint, options) as two:
            saving, watching = [state_pb2_grpc.FlowStateServiceStub(channel) for channel in (one, two)]
            flows = [Watched(f"f{number}", time.monotonic() + SECONDS) for number in range(FLOWS)]
            await asyncio.gather(*[flow.save(saving) for flow in flows], *[flow.watch(watching) for flow in flows])
            return flows

    with slow_link(database.directory / ".s.PGSQL.5432", 0.005) as port:
        server = start_server(
            database_url=f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable", limits={"list-wait-ms": 20_000},
            arguments=["--readers", "4"])
        flows = asyncio.run(run(server.endpoint))
        server.destroy()
    assert [gap for flow in flows for gap in flow.lost] == []
    assert sum(flow.watches for flow in flows) > 2 * FLOWS
