"""What a conversation takes on disk, turn after turn."""

from runner import Measurement
from server import Server

TURNS = (100, 200, 300, 400, 500)


def disk_bytes(server):
    """Of all of Flowstate's tables: heap, indexes and TOAST, without what the next vacuum would give back."""
    server.sql("VACUUM")
    return int(server.sql("""
        SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
        WHERE c.relnamespace = 'flowstate'::regnamespace AND c.relkind = 'r'"""))


def conversation(server, turns):
    """The points of one conversation: what each operation took, and by how much the tables grew."""
    before = disk_bytes(server)
    report = server.bench("conversation", 1, seconds=1, warmup=0, turns=turns)
    grown = disk_bytes(server) - before
    times = {name: report["operations"][name] for name in ("save", "load_version", "load_latest")}
    return [
        ("conversation", turns, {"disk_bytes": grown, "raw_bytes": report["conversation"]["raw_bytes"]}),
        *((f"conversation {name}", turns, {figure: measured[figure] for figure in ("mean_ms", "p50_ms", "p99_ms", "max_ms")})
          for name, measured in times.items())]


def conversations(is_quick):
    """On a server without anything else, so that no page is shared and no free room is filled."""
    def take(bed, seconds, warmup):
        with Server(bed.server.binaries) as server:
            return [point for turns in (TURNS[-1:] if is_quick else TURNS) for point in conversation(server, turns)]

    return Measurement("conversation", take)
