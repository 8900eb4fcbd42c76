"""What one round measures with: the server and its peers, fresh, so that every round begins alike."""

from contextlib import ExitStack

from peers.etcd import Etcd
from peers.grpc_echo import GRPCEcho, GRPCEchoOnTwo
from peers.nghttpd import Nghttpd
from peers.pgbench import Pgbench
from programs import Failed
from server import Server

FLOWS = 1_000
#: pgbench's batches of 32 rows want whole ones.
PGBENCH_FLOWS = 1_024
STATE_BYTES = 2_048


class Bed:
    """Starts everything and makes the data. A peer that does not start fails only what asks for it."""

    def __init__(self, binaries):
        self.server = Server(binaries)
        self.peers = {}
        self.faults = {}
        self.stack = ExitStack()

    def __enter__(self):
        try:
            self.stack.enter_context(self.server)
            self.server.bench("load", 128, seconds=0.2, warmup=0, flows=FLOWS)
            self.server.body("SaveState")  # makes the flow that h2load loads
            for peer in (Nghttpd, GRPCEcho, GRPCEchoOnTwo, Etcd):
                try:
                    self.peers[peer] = self.stack.enter_context(peer())
                except Failed as failure:
                    self.faults[peer] = failure
            self.pgbench = Pgbench(self.server, self.server.state(STATE_BYTES), PGBENCH_FLOWS)
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def settle(self):
        self.server.settle()

    def peer(self, peer):
        if peer in self.faults:
            raise self.faults[peer]
        return self.peers[peer]
