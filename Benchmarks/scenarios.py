"""What `make bench` measures in every round, peers in between."""

from bed import FLOWS
from peers.etcd import Etcd
from peers.grpc_echo import GRPCEcho, GRPCEchoOnTwo
from peers.nghttpd import Nghttpd
from processor import per_call
from recovery import recovery
from runner import Measurement
from storage import conversations
from validation import validation

#: Calls in flight: what rates are compared at, and what the tail is judged at.
USUAL, MANY = 128, 256
#: The peers that have clients instead; the better rate counts.
CLIENTS = (16, 128)
OWN_CURVE = tuple(2 ** power for power in range(11))
CLIENT_CURVE = tuple(2 ** power for power in range(8))
CURVE_SHARE = 0.5
FIGURES = ("rate", "mean_ms", "p50_ms", "p99_ms", "p999_ms", "max_ms")
LARGE_STATE = 1 << 20
COLD_FLOWS = 20_000


def points(report, name, at):
    """Of a report of flowstate-bench: the series is the scenario's name, with the operation where there are several, which
    share what a call took of the processor."""
    operations = report["operations"]
    seconds = {program: report.get(f"{program}_cpu_seconds") for program in ("server", "postgres", "client")}
    spent = per_call(seconds, sum(measured["count"] for measured in operations.values()))
    return [
        (name if len(operations) == 1 else f"{name} {operation}", at,
         {**{figure: measured[figure] for figure in FIGURES}, **spent})
        for operation, measured in operations.items()]


def ours(command, in_flight, name=None, share=1.0, **more):
    """A run of flowstate-bench."""
    name = name or command

    def take(bed, seconds, warmup):
        return points(bed.server.bench(command, in_flight, seconds, warmup, **more), name, in_flight)

    return Measurement(f"{name}, {in_flight} in flight", take, share)


def usual(command, in_flight, share=1.0):
    return ours(command, in_flight, share=share, flows=FLOWS)


def half(command, series=None, at=USUAL, **options):
    """Open loop: latency from when calls were due, at half of the most that this round answered."""
    series = series or command
    options = options or {"flows": FLOWS}

    def take(bed, seconds, warmup):
        rate = bed.figures.median(series, at, "rate") / 2
        return points(bed.server.bench(command, USUAL, seconds, warmup, rate=f"{rate:.0f}", **options), f"half {series}", at)

    return Measurement(f"{series} at half the rate, {at:,}", take)


def cold():
    """Flows that were not loaded since the server and its PostgreSQL were started again. Making sure that they are
    there reads their heads, not their states; most are loaded once or twice."""
    def take(bed, seconds, warmup):
        options = {"tenant": "cold", "flows": COLD_FLOWS}
        bed.server.bench("load", USUAL, 0.1, 0, **options)
        bed.server.restart()
        return points(bed.server.bench("load", USUAL, seconds / 4, 0, **options), "cold load", USUAL)

    return Measurement("load after a restart", take)


def h2load(call):
    def take(bed, seconds, warmup):
        return [(call, USUAL, bed.server.h2load(call, USUAL, seconds, warmup))]

    return Measurement(f"{call} by h2load", take)


def beside(peer, method, series, in_flight, share=1.0):
    """A peer that h2load asks."""
    def take(bed, seconds, warmup):
        return [(series, in_flight, getattr(bed.peer(peer), method)(in_flight, seconds, warmup))]

    return Measurement(f"{series}, {in_flight} in flight", take, share)


def put(in_flight, share=1.0):
    return beside(Etcd, "put", "etcd put", in_flight, share)


def pgbench(script, clients, share=1.0):
    series = "pgbench " + script.replace("_", " ")

    def take(bed, seconds, warmup):
        return [(series, clients, getattr(bed.pgbench, script)(clients, seconds))]

    return Measurement(f"{series}, {clients} clients", take, share)


def headlines():
    """What thresholds need."""
    yield beside(Nghttpd, "get", "nghttpd", USUAL)
    yield h2load("Health.Check")
    yield beside(GRPCEcho, "call", "gRPC C++", USUAL)
    yield beside(GRPCEchoOnTwo, "call", "gRPC C++, 2 threads", USUAL)
    for command in ("load", "save"):
        yield usual(command, 1)
        yield pgbench(command, 1)
        yield usual(command, USUAL)
        for clients in CLIENTS:
            yield pgbench(command, clients)
        yield pgbench(f"{command}_batch", CLIENTS[0])
        yield usual(command, MANY)
        yield half(command)
    for in_flight in (1, USUAL, MANY):
        yield put(in_flight)
    yield beside(Etcd, "range", "etcd range", USUAL)


def others():
    """What else a server like this is asked for."""
    for command in ("mixed", "checkpoint", "list"):
        yield usual(command, MANY)
    yield ours("save", USUAL, "save unlike states", flows=FLOWS, change=100)
    for command in ("hot", "conflict", "create"):
        yield ours(command, MANY)
    for command in ("save", "load"):
        yield ours(command, 8, f"large {command}", state_size=LARGE_STATE, flows=16)
    yield ours("versions", USUAL, "load old versions", flows=100, depth=100)
    for call in ("LoadState", "SaveState", "CreateFlow"):
        yield h2load(call)


def curves(is_quick):
    """Between the points of the headlines."""
    def between(places, taken):
        return [place for place in places if place not in taken and (not is_quick or place in (8, 1_024))]

    for command in ("load", "save"):
        for in_flight in between(OWN_CURVE, (1, USUAL, MANY)):
            yield usual(command, in_flight, CURVE_SHARE)
        for clients in between(CLIENT_CURVE, (1, *CLIENTS)):
            yield pgbench(command, clients, CURVE_SHARE)
    for in_flight in between(OWN_CURVE, (1, USUAL, MANY)):
        yield put(in_flight, CURVE_SHARE)


def everything(is_quick):
    """Last is what starts the server anew."""
    return [*headlines(), *others(), *curves(is_quick), conversations(is_quick), validation(), recovery(), cold()]
