"""etcd: a key-value store with a gRPC interface that commits every put to disk."""

from peers.h2load import call_once, h2load
from peers.wire import field, frame
from programs import Background, Failed, free_port, wait_until

VALUE_BYTES = 2_048
ELECTION_SECONDS = 30


def put_request(key, value):
    """etcdserverpb.PutRequest: key = 1, value = 2."""
    return field(1, key) + field(2, value)


def range_request(key):
    """etcdserverpb.RangeRequest of one key: key = 1."""
    return field(1, key)


class Etcd(Background):
    """One member with etcd's own settings, but a larger quota: every put of a run makes a revision."""

    def ready(self):
        client, peer = free_port(), free_port()
        self.url = f"http://127.0.0.1:{client}"
        self.bodies = {}
        for name, message in (
                ("Put", put_request(b"bench", b"x" * VALUE_BYTES)), ("Range", range_request(b"bench"))):
            self.bodies[name] = self.directory / name
            self.bodies[name].write_bytes(frame(message))
        self.start([
            "etcd", "--data-dir", self.directory / "data", "--listen-client-urls", self.url,
            "--advertise-client-urls", self.url, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-cluster", f"default=http://127.0.0.1:{peer}",
            "--quota-backend-bytes", 8 << 30, "--logger", "zap", "--log-level", "warn"])
        self.wait_for_port(client)
        if not wait_until(self.answers, ELECTION_SECONDS):
            raise self.failure("it does not answer grpc-status 0")

    def answers(self):
        """It listens before it has elected itself."""
        try:
            for name in self.bodies:
                call_once(self.path(name), self.bodies[name])
        except Failed:
            return False
        return True

    def path(self, method):
        return f"{self.url}/etcdserverpb.KV/{method}"

    def put(self, in_flight, seconds, warmup):
        return self.measure("Put", in_flight, seconds, warmup)

    def range(self, in_flight, seconds, warmup):
        return self.measure("Range", in_flight, seconds, warmup)

    def measure(self, method, in_flight, seconds, warmup):
        figures = h2load(
            self.path(method), in_flight, seconds, warmup, self.clocks(), self.bodies[method], times=True)
        call_once(self.path(method), self.bodies[method])  # It must not have run out of room meanwhile.
        return figures
