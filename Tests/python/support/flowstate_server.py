"""One `flowstate serve` process and a gRPC client for it."""

import os
import pathlib
import queue
import signal
import subprocess
import threading
import uuid

import grpc
from flowstate.v1 import (
    admin_pb2, admin_pb2_grpc, definition_pb2, definition_pb2_grpc, lease_pb2, lease_pb2_grpc, lifecycle_pb2, lifecycle_pb2_grpc,
    recovery_pb2, recovery_pb2_grpc, state_pb2, state_pb2_grpc)
from grpc_health.v1 import health_pb2, health_pb2_grpc

from processes import eventually, kill, kill_all_in, working_in

READY = "flowstate is serving on "
#: By service, where its methods and its stub are.
SERVICES = {
    "FlowStateService": (state_pb2, state_pb2_grpc.FlowStateServiceStub),
    "FlowLifecycleService": (lifecycle_pb2, lifecycle_pb2_grpc.FlowLifecycleServiceStub),
    "FlowRecoveryService": (recovery_pb2, recovery_pb2_grpc.FlowRecoveryServiceStub),
    "FlowLeaseService": (lease_pb2, lease_pb2_grpc.FlowLeaseServiceStub),
    "FlowAdminService": (admin_pb2, admin_pb2_grpc.FlowAdminServiceStub),
    "FlowDefinitionService": (definition_pb2, definition_pb2_grpc.FlowDefinitionServiceStub),
}
METHODS = {
    name: method for service, (module, _) in SERVICES.items()
    for name, method in module.DESCRIPTOR.services_by_name[service].methods_by_name.items()}


class Server:
    #: Those that have a process, for the report of a failed test.
    running = []

    def __init__(self, binary, directory, limits=None, arguments=(), database_url=None, environment=None, descriptors=None):
        self.binary = binary
        self.data = pathlib.Path(directory) / "data"
        self.log = pathlib.Path(directory) / "stderr"
        self.arguments = [*arguments]
        self.arguments += ["--database-url", database_url] if database_url else ["--data-directory", str(self.data)]
        for name, value in (limits or {}).items():
            self.arguments += ["--limit", f"{name}={value}"]
        self.descriptors = descriptors
        self.environment = {**os.environ, **(environment or {})}
        self.process = None
        self.endpoint = None
        self.channels = []

    # Its life

    def start(self, port=0, wait=True):
        """Starts it (again, on the same data) and waits for the line that says that it serves."""
        assert self.process is None
        with open(self.log, "ab") as log:
            limited = [] if self.descriptors is None else ["prlimit", f"--nofile={self.descriptors}:{self.descriptors}"]
            self.process = subprocess.Popen(
                [*limited, self.binary, "serve", "--port", str(port), *self.arguments], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True, env=self.environment)
        Server.running.append(self)
        lines = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(self.process.stdout, lines), daemon=True).start()
        self.lines = lines
        if port:
            self.endpoint = f"127.0.0.1:{port}"
        return self.wait_until_serving() if wait else self

    @staticmethod
    def _read(stream, lines):
        with stream:
            for line in stream:
                lines.put(line.strip())
        lines.put(None)

    def wait_until_serving(self, timeout=60):
        try:
            line = self.lines.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no word of serving in {timeout} s\n{self.log_tail()}") from None
        assert line is not None, f"the server ended with {self.process.wait()}\n{self.log_tail()}"
        assert line.startswith(READY), line
        self.endpoint = line.removeprefix(READY)
        return self

    def health(self, service=""):
        """What Health.Check says."""
        stub = health_pb2_grpc.HealthStub(self.channel())
        return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status

    def wait_until_healthy(self):
        """After a crash of its database: until every connection is there again."""
        eventually(lambda: self.health() == health_pb2.HealthCheckResponse.SERVING, what="SERVING")

    def kill(self):
        """kill -9 of the server alone; what it started goes on, and so do its clients."""
        kill(self.process.pid)
        self._ended()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout=60):
        """Its exit code."""
        code = self.process.wait(timeout=timeout)
        self._ended()
        return code

    def stop(self):
        """SIGTERM must end it cleanly and leave no process behind."""
        self.close_channels()
        self.terminate()
        code = self.wait()
        assert code == 0, f"exit code {code}\n{self.log_tail()}"
        if self.data.exists():
            assert working_in(self.data) == [], "processes are left"

    def destroy(self):
        """Whatever state it is in: nothing of it is left."""
        self.close_channels()
        if self.process is not None:
            kill(self.process.pid)
            self._ended()
        if self.data.exists():
            kill_all_in(self.data)

    def _ended(self):
        self.process.wait(timeout=30)
        self.process = None
        Server.running.remove(self)

    def log_tail(self, size=6000):
        return self.log.read_bytes()[-size:].decode(errors="replace") if self.log.exists() else ""

    @property
    def host_port(self):
        host, _, port = self.endpoint.rpartition(":")
        return host, int(port)

    def postmaster(self):
        """The embedded PostgreSQL's first process."""
        def pid():
            try:
                return int((self.data / "postgres" / "postmaster.pid").read_text().split()[0])
            except (OSError, IndexError, ValueError):
                return None
        return eventually(pid, what="an embedded PostgreSQL")

    # Its clients

    def channel(self, **options):
        """A connection of its own: gRPC shares them otherwise."""
        defaults = {
            "grpc.use_local_subchannel_pool": 1, "grpc.max_send_message_length": -1,
            "grpc.max_receive_message_length": -1, "grpc.initial_reconnect_backoff_ms": 100,
            "grpc.max_reconnect_backoff_ms": 500,
        }
        channel = grpc.insecure_channel(self.endpoint, options=list({**defaults, **options}.items()))
        self.channels.append(channel)
        return channel

    def stub(self):
        return state_pb2_grpc.FlowStateServiceStub(self.channel())

    def flows(self, tenant=None, actor="tester", channel=None):
        return Flows(channel or self.channel(), tenant or "tenant-" + uuid.uuid4().hex, actor)

    def close_channels(self):
        for channel in self.channels:
            channel.close()
        self.channels = []


class Flows:
    """The services as one actor of one tenant: `flows.LoadState(flow_id="a")` answers or raises."""

    def __init__(self, channel, tenant, actor):
        self.stubs = {service: stub(channel) for service, (_, stub) in SERVICES.items()}
        self.stub = self.stubs["FlowStateService"]
        self.tenant = tenant
        self.metadata = [("flowstate-tenant", tenant), ("flowstate-actor", actor)]

    def __getattr__(self, name):
        method = getattr(self.stubs[METHODS[name].containing_service.name], name)

        def call(timeout=30, **fields):
            return method(self.message(name, **fields), metadata=self.metadata, timeout=timeout)

        return call

    @staticmethod
    def message(name, /, **fields):
        """The request of a method."""
        return METHODS[name].input_type._concrete_class(**fields)

    def save(self, flow_id, state=b"{}", **fields):
        return self.SaveState(flow_id=flow_id, state=state, **fields)

    def load(self, flow_id, **fields):
        return self.LoadState(flow_id=flow_id, **fields).snapshot

    def state(self, flow_id, **fields):
        return self.load(flow_id, **fields).state

    def versions(self, flow_id):
        """Every version, oldest first, over all pages."""
        found, token = [], ""
        while True:
            page = self.ListVersions(
                flow_id=flow_id, order=state_pb2.VERSION_ORDER_OLDEST_FIRST, page_size=1000, page_token=token)
            found += page.versions
            token = page.next_page_token
            if not token:
                return found
