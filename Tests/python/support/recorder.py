"""Writers that save through crashes, and the proof that nothing acknowledged was lost, changed or applied twice."""

import json
import threading
import time

import grpc

#: A crash ends calls like this: UNAVAILABLE mostly, CANCELLED when the client's own channel goes.
INTERRUPTED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
TEXTS = ["\0", "\ud800", "\udfff\ud800", "Grüße, 世界 😀", '"\\/\b\n\u2028', "plain"]


def state(writer, number, size=0):
    """Bytes that say whose they are; what JSON may hold that few stores keep."""
    text = TEXTS[number % len(TEXTS)]
    document = {"w": writer, "n": number, "t": text, "pad": "世" * size}
    if number % 2:
        return json.dumps(document).encode()
    document["t"] = text if text.isprintable() else ""
    return json.dumps(document, ensure_ascii=False).encode()


class Recorder:
    """Each writer saves to a flow of its own, one save after the other.

    With `keyed`, a save that was interrupted is sent again with its idempotency key until it is answered. Without,
    it is given up: it may or may not be there.
    """

    def __init__(self, make_flows, writers, keyed, size=0):
        self.keyed, self.size, self.make_flows = keyed, size, make_flows
        self.flows = [make_flows() for _ in range(writers)]
        self.acknowledged = [{} for _ in range(writers)]
        self.given_up = [0] * writers
        self.retried = 0
        self.errors = []
        self.finished = threading.Event()
        self.threads = [threading.Thread(target=self._write, args=(writer,), daemon=True) for writer in range(writers)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.finished.set()
        for thread in self.threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), "a writer hangs"
        if self.errors and error[0] is None:
            raise self.errors[0]

    @property
    def count(self):
        return sum(map(len, self.acknowledged))

    def wait_for(self, more, timeout=60):
        """Until so many more saves are acknowledged to the writers together."""
        wanted, deadline = self.count + more, time.monotonic() + timeout
        while self.count < wanted:
            if self.errors:
                raise self.errors[0]
            assert time.monotonic() < deadline, f"{self.count} of {wanted} saves in {timeout} s"
            time.sleep(0.002)

    def _write(self, writer):
        number = 0
        try:
            while not self.finished.is_set():
                reply = self._save(writer, number, state(writer, number, self.size))
                if reply is None:
                    self.given_up[writer] += 1
                else:
                    assert reply.version not in self.acknowledged[writer], "one version for two saves"
                    self.acknowledged[writer][reply.version] = number
                number += 1
        except BaseException as error:
            self.errors.append(error)

    def _save(self, writer, number, bytes_):
        key = {"idempotency_key": f"{writer}-{number}"} if self.keyed else {}
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.flows[writer].save(f"flow-{writer}", bytes_, timeout=20, **key)
            except grpc.RpcError as error:
                if error.code() not in INTERRUPTED:
                    raise
            if not self.keyed:
                return None
            assert time.monotonic() < deadline, "no answer for a minute"
            self.retried += 1
            time.sleep(0.02)

    def check(self):
        """Reads everything back; returns how many saves were there without having been acknowledged."""
        silent = 0
        for writer, acknowledged in enumerate(self.acknowledged):
            # A new connection: the writer's may still wait before it tries again.
            flows, flow_id = self.make_flows(self.flows[writer].tenant), f"flow-{writer}"
            numbers = []
            for version in flows.versions(flow_id):
                assert version.version == len(numbers) + 1
                stored = flows.state(flow_id, version=version.version)
                number = json.loads(stored)["n"]
                assert stored == state(writer, number, self.size), "not what was saved"
                if version.version in acknowledged:
                    assert acknowledged[version.version] == number
                numbers.append(number)
            assert numbers == sorted(set(numbers)), "saves are in order, and none is there twice"
            assert set(acknowledged) <= set(range(1, len(numbers) + 1)), "an acknowledged save is lost"
            extra = len(numbers) - len(acknowledged)
            assert extra == 0 if self.keyed else extra <= self.given_up[writer]
            silent += extra
        return silent
