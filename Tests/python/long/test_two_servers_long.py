"""Two servers on one PostgreSQL, saves of every kind at once: no deadlock, no save lost, made twice or out of order."""

import collections

from flowstate_server import Server
from long_run import SECONDS, SEED, Callers, percentile
from postgresql import Session
from two_servers import DEFINITION, Caller, Table, check

TENANTS = ["one", "two"]
FLOWS_OF_A_TENANT = 8
CALLERS = 64
#: PostgreSQL looks for a deadlock after this time. Statements give up a lock after 20 ms or more (`BatchPlan.LockWait`), which hides a
#: deadlock from the default of a second.
SETTINGS = {"deadlock_timeout": "10ms", "log_parameter_max_length_on_error": "200"}


def test_saves_of_every_kind_through_two_servers(flowstate_bin, scratch, postgresql, report):
    database = postgresql(settings=SETTINGS)
    servers = [Server(flowstate_bin, scratch(), database_url=database.url) for _ in range(2)]
    try:
        for server in servers:
            server.start()
        for tenant in TENANTS:
            servers[0].flows(tenant).PutDefinition(document=DEFINITION)
        # Channels are few: a client with threads shares one.
        channels = [[server.channel() for _ in range(4)] for server in servers]
        table, times, refusals = Table(TENANTS, FLOWS_OF_A_TENANT), [], collections.Counter()

        def caller(number):
            own = [of_server[number % len(of_server)] for of_server in channels]
            clients = [
                {tenant: server.flows(tenant, channel=channel) for tenant in TENANTS} for server, channel in zip(servers, own)]
            return Caller(number, table, clients, times, refusals)

        Callers(SECONDS, [caller(number) for number in range(CALLERS)]).run()
        with Session(database.url) as session:
            session.execute("SELECT pg_stat_clear_snapshot()")
            [deadlocks] = session.execute("SELECT sum(deadlocks) FROM pg_stat_database")
        logged = database.logged("deadlock detected")
        report(
            f"two servers: {len(times)} calls in {SECONDS:.0f} s, p50 {percentile(times, 0.5)} ms, p99 {percentile(times, 0.99)} ms, "
            f"longest {percentile(times, 1)} ms; {max(int(deadlocks), len(logged))} deadlocks; "
            f"refused: {dict(refusals.most_common(5)) or 'none'}")
        reader = {tenant: servers[1].flows(tenant) for tenant in TENANTS}
        checked = sum(check(flow, reader[flow.tenant]) for flow in table.all)
        report(f"two servers: {checked} versions of {len(table.all)} flows read back")
        told = "\n\n".join(logged)
        assert max(int(deadlocks), len(logged)) == 0, f"{deadlocks} deadlocks, {len(logged)} in the log (seed {SEED}):\n{told}"
        assert not refusals, f"{dict(refusals.most_common(10))} (seed {SEED})"
        for server in servers:
            server.stop()
    finally:
        for server in servers:
            server.destroy()
