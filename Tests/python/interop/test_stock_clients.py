"""gRPC's interoperability cases with grpc++ and grpc-go against the GRPC room. Debian's packages of both lack the clients of gRPC's own
test suite: `clients` has one for each that runs the published cases."""

import os
import pathlib
import shutil
import subprocess

import pytest

import debian_go

CLIENTS = pathlib.Path(__file__).parent / "clients"
PROTO = pathlib.Path(__file__).parent / "test.proto"
CASES = [
    "empty_unary", "large_unary", "client_compressed_unary", "server_compressed_unary", "client_streaming", "server_streaming",
    "server_compressed_streaming", "ping_pong", "empty_stream", "custom_metadata", "status_code_and_message", "special_status_message",
    "unimplemented_method", "unimplemented_service", "cancel_after_begin", "cancel_after_first_response", "timeout_on_sleeping_server"]


def needs(*tools):
    missing = [tool for tool in tools if not (shutil.which(tool) or pathlib.Path(tool).is_dir())]
    if missing:
        pytest.skip(f"missing: {', '.join(missing)} (`bash docker/packages.sh clients` installs it)")


def make(*command, **options):
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, **options)
    assert done.returncode == 0, done.stdout


def check(program, endpoint, cases):
    done = subprocess.run([program, endpoint, *cases], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert (done.stdout.splitlines(), done.returncode) == ([f"{case}: passed" for case in cases], 0), done.stderr


@pytest.mark.toolchain
def test_cpp(endpoint, tmp_path):
    needs("cmake", "g++", "protoc", "grpc_cpp_plugin")
    make("cmake", "-S", str(CLIENTS / "cpp"), "-B", str(tmp_path))
    make("cmake", "--build", str(tmp_path))
    # Only this client compresses some messages of a call and not others.
    check(tmp_path / "interop", endpoint, [*CASES, "client_compressed_streaming"])


@pytest.mark.toolchain
def test_go(endpoint, tmp_path):
    needs("go", "protoc", "protoc-gen-go", "protoc-gen-go-grpc", str(debian_go.GRPC))
    folder = tmp_path / "src" / "example.com" / "interop"
    (folder / "testpb").mkdir(parents=True)
    shutil.copy(CLIENTS / "go" / "main.go", folder)
    place = "Mtest.proto=example.com/interop/testpb"
    make("protoc", f"-I{PROTO.parent}", f"--go_out={folder / 'testpb'}", "--go_opt=paths=source_relative", f"--go_opt={place}",
         f"--go-grpc_out={folder / 'testpb'}", "--go-grpc_opt=paths=source_relative", f"--go-grpc_opt={place}", str(PROTO))
    make("go", "build", "-o", str(tmp_path / "interop"), ".", cwd=folder,
         env={**os.environ, **debian_go.environment(tmp_path, tmp_path / "cache")})
    check(tmp_path / "interop", endpoint, CASES)
