"""gRPC C++: a unary echo, built from grpc_echo.cc at the first use."""

import shutil
import tempfile
from pathlib import Path

from peers.h2load import call_once, h2load
from peers.wire import field, frame
from programs import HERE, Background, free_port, run

SOURCES = HERE / "peers"
PROGRAM = HERE.parent / ".build" / "bench-peers" / "grpc_echo"


def build():
    """With the system's gRPC, unless it is there and newer than its sources."""
    sources = [SOURCES / "grpc_echo.cc", SOURCES / "echo.proto"]
    if PROGRAM.exists() and all(PROGRAM.stat().st_mtime > source.stat().st_mtime for source in sources):
        return
    with tempfile.TemporaryDirectory(prefix="flowstate-compare-") as scratch:
        run(["protoc", f"-I{SOURCES}", f"--cpp_out={scratch}", f"--grpc_out={scratch}",
             f"--plugin=protoc-gen-grpc={shutil.which('grpc_cpp_plugin')}", SOURCES / "echo.proto"])
        flags = run(["pkg-config", "--cflags", "--libs", "grpc++", "protobuf"]).decode().split()
        PROGRAM.parent.mkdir(parents=True, exist_ok=True)
        run(["g++", "-std=c++17", "-O2", f"-I{scratch}", SOURCES / "grpc_echo.cc",
             *Path(scratch).glob("*.cc"), "-o", PROGRAM, *flags])


class GRPCEcho(Background):
    """A message of two bytes, there and back; one thread, as Flowstate has one event loop and nghttpd one thread."""

    threads = 1

    def ready(self):
        build()
        port = free_port()
        self.start([PROGRAM, port, self.threads])
        self.wait_for_port(port)
        self.url = f"http://127.0.0.1:{port}/bench.Echo/Call"
        self.body = self.directory / "body"
        self.body.write_bytes(frame(field(1, b"ok")))
        call_once(self.url, self.body)

    def call(self, in_flight, seconds, warmup):
        return h2load(self.url, in_flight, seconds, warmup, self.clocks(), self.body)


class GRPCEchoOnTwo(GRPCEcho):
    """For what it would gain from a second core."""

    threads = 2
