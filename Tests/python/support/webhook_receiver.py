"""A receiver of webhooks: a real HTTP server that answers as it is told, and keeps what it was sent."""

import hmac
import http.server
import json
import threading

from processes import eventually

SECRET = "a secret of the tests"


class Received:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.notification = json.loads(body)

    @property
    def id(self):
        return self.notification["id"]

    def check_signature(self, secret=SECRET):
        """As a receiver does it that nobody here wrote."""
        parts = dict(part.split("=", 1) for part in self.headers["Flowstate-Signature"].split(","))
        expected = hmac.new(secret.encode(), parts["t"].encode() + b"." + self.body, "sha256").hexdigest()
        assert hmac.compare_digest(parts["v1"], expected), (parts, expected)


class Receiver:
    """Answers with `answers`, one after the other, and then with 200. An answer is a status, "close" (no answer, the connection ends),
    "hang" (no answer until the receiver ends) or "trickle" (200, and then a body that does not end before the receiver does)."""

    def __init__(self, answers=()):
        self.answers = list(answers)
        self.received = []
        self.lock = threading.Lock()
        self.ended = threading.Event()
        #: Somebody went away while an answer trickled.
        self.cut_off = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.lock:
                    receiver.received.append(Received(self.path, dict(self.headers), body))
                    answer = receiver.answers.pop(0) if receiver.answers else 200
                if answer == "hang":
                    receiver.ended.wait()
                if answer in ("hang", "close"):
                    self.close_connection = True
                    return
                if answer == "trickle":
                    return self.trickle()
                self.send_response(answer)
                if answer // 100 == 3:
                    self.send_header("Location", f"{receiver.url}/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def trickle(self):
                self.close_connection = True
                self.send_response(200)
                # Not so long that nobody would begin to read it.
                self.send_header("Content-Length", "10000")
                self.end_headers()
                try:
                    while not receiver.ended.wait(0.05):
                        self.wfile.write(b".")
                except ConnectionError:
                    receiver.cut_off.set()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def environment(self):
        """Of a server that delivers here."""
        return {"FLOWSTATE_WEBHOOK_URL": f"{self.url}/hook", "FLOWSTATE_WEBHOOK_SECRET": SECRET}

    def wait_for(self, count):
        eventually(lambda: len(self.received) >= count, what=f"{count} requests")
        return self.received[:count]

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
