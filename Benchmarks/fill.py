"""Makes many flows or many versions, faster than clients would: what is there when scale.py measures."""

import shutil
import sys

from peers.h2load import call_once
from programs import Failed, run
from server import SERVICE

#: Those that the server makes itself.
ACTIVE = 1_000
TENANT = "bench"
#: The tenant of one flow with one version, which is never saved again.
TEMPLATE = "template"
CHUNK = 200_000
#: Heap and indexes of a flow with one version, beside its state, and what PostgreSQL's log may take beside all of them.
FLOW_BYTES, LOG_BYTES = 1_500, 4 << 30
USUAL_BYTES = 2_048


def columns(server, table):
    """What can be inserted: all columns but those that PostgreSQL makes."""
    return server.sql(f"""
        SELECT string_agg(quote_ident(attname), ',' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = 'flowstate.{table}'::regclass AND attnum > 0 AND NOT attisdropped
            AND attgenerated = '' AND attidentity = ''""").split(",")


def copies(server, table, first, last, size=USUAL_BYTES):
    """The row of the template as the server stored it, once for each number from `first` to `last`."""
    names = columns(server, table)
    own = {"tenant": f"'{TENANT}'", "flow_id": f"'bench-{size}-' || n"}
    values = [own.get(name, f"row.{name}") for name in names]
    return f"""
        INSERT INTO flowstate.{table} ({', '.join(names)}) SELECT {', '.join(values)}
        FROM flowstate.{table} row, generate_series({first}, {last}) n
        WHERE row.tenant = '{TEMPLATE}'"""


def make_flows(server, flows, size=USUAL_BYTES, beside=0):
    """So many in all: the active ones by the server, the others as copies of a row that it wrote, in the same form.

    `beside` is how many bytes on disk each flow takes elsewhere."""
    for tenant, made in ((TENANT, ACTIVE), (TEMPLATE, 1)):
        server.bench("load", 128, seconds=0.1, warmup=0, flows=made, tenant=tenant, state_size=size)
    needed = flows * (FLOW_BYTES + size + beside) + LOG_BYTES
    if (free := shutil.disk_usage(server.directory).free) < needed:
        raise Failed(f"{flows:,} flows need {needed >> 30} GiB on disk, {free >> 30} are free at {server.directory}")
    for first in range(count(server), flows, CHUNK):
        last = min(first + CHUNK, flows) - 1
        # Durability matters to what is measured, and that comes later.
        server.sql("SET synchronous_commit = off;" + ";".join(
            copies(server, table, first, last, size) for table in ("flow", "flow_version")))
        print(f"{last + 1:,} of {flows:,} flows made", file=sys.stderr, flush=True)
    server.sql("VACUUM ANALYZE")
    if (made := count(server)) != flows:
        raise Failed(f"there are {made:,} flows, not {flows:,}")
    check(server, f"bench-{size}-{flows - 1}")


def count(server):
    return int(server.sql(f"SELECT count(*) FROM flowstate.flow WHERE tenant = '{TENANT}'"))


def check(server, flow):
    """That the server can read what it did not write."""
    body = server.directory / "copied"
    body.write_bytes(run([server.binaries / "flowstate-bench", "encode", "load", "--flow", flow]))
    call_once(f"http://{server.endpoint}/{SERVICE}/LoadState", body, "-H", f"flowstate-tenant: {TENANT}")


def make_versions(server, tenant, versions):
    """As many a flow on average; all of them saved by the server."""
    options = {"tenant": tenant, "flows": ACTIVE}
    server.bench("load", 128, seconds=0.1, warmup=0, **options)  # makes the flows
    while (average := float(server.sql(f"SELECT avg(version) FROM flowstate.flow WHERE tenant = '{tenant}'"))) < versions:
        rate = server.bench("save", 256, seconds=1, warmup=0, **options)["operations"]["save"]["rate"]
        left = (versions - average) * ACTIVE / rate - 1
        print(f"{average:,.0f} of {versions:,} versions a flow made", file=sys.stderr, flush=True)
        if left > 1:
            server.bench("save", 256, seconds=round(min(left, 30), 1), warmup=0, **options)
    server.sql("VACUUM ANALYZE")
