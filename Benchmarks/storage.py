"""What a conversation takes on disk, turn after turn, and which part of the tables takes it."""

from runner import Measurement
from server import Server

TURNS = (100, 200, 300, 400, 500)
#: The longest conversation is held once more with words of random letters, of which only repetitions can be packed.
RANDOM_WORDS = "conversation of random words"


def disk(server):
    """Bytes of all of Flowstate's tables, without what the next vacuum would give back: heap, indexes, and states that lie
    apart (TOAST), each with its free room; and of what is in them, the states."""
    server.sql("VACUUM")
    total, heap, indexes, states = map(int, server.sql("""
        SELECT sum(pg_total_relation_size(c.oid)), sum(pg_relation_size(c.oid)), sum(pg_indexes_size(c.oid)),
            (SELECT coalesce(sum(octet_length(v.state)), 0) FROM flowstate.flow_version v)
        FROM pg_class c WHERE c.relnamespace = 'flowstate'::regnamespace AND c.relkind = 'r'""").split("|"))
    return {"disk_bytes": total, "heap_bytes": heap, "index_bytes": indexes, "toast_bytes": total - heap - indexes,
            "state_bytes": states}


def conversation(server, turns, series="conversation", **options):
    """The points of one conversation: what each operation took, and by how much the tables grew."""
    before = disk(server)
    report = server.bench("conversation", 1, seconds=1, warmup=0, turns=turns, **options)
    grown = {name: size - before[name] for name, size in disk(server).items()}
    times = {name: report["operations"][name] for name in ("save", "load_version", "load_latest")}
    return [
        (series, turns, {**grown, "raw_bytes": report["conversation"]["raw_bytes"]}),
        *((f"{series} {name}", turns, {figure: measured[figure] for figure in ("mean_ms", "p50_ms", "p99_ms", "max_ms")})
          for name, measured in times.items())]


def conversations(is_quick):
    """On a server without anything else, so that no page is shared and no free room is filled."""
    def take(bed, seconds, warmup):
        with Server(bed.server.binaries) as server:
            points = [point for turns in (TURNS[-1:] if is_quick else TURNS) for point in conversation(server, turns)]
            return points + conversation(server, TURNS[-1], RANDOM_WORDS, random_words=True)

    return Measurement("conversation", take)
