"""nghttp2's own server: what HTTP/2 costs at least."""

from peers.h2load import h2load
from programs import Background, free_port


class Nghttpd(Background):
    """One thread, and a file of two bytes: as long as the answer of Health.Check."""

    def ready(self):
        (self.directory / "ok").write_bytes(b"\x08\x01")
        port = free_port()
        self.start(["nghttpd", "--no-tls", "-n", 1, "-d", self.directory, port])
        self.wait_for_port(port)
        self.url = f"http://127.0.0.1:{port}/ok"

    def get(self, in_flight, seconds, warmup):
        return h2load(self.url, in_flight, seconds, warmup, self.clocks())
