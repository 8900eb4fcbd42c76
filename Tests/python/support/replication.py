"""A primary and its standby."""

import socket

from processes import eventually


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def make_pair(postgresql, **settings):
    """A primary and its standby, on TCP; a URL that names both, the primary first; their ports."""
    ports = [free_port(), free_port()]
    common = {"listen_addresses": "127.0.0.1", "wal_level": "replica", "fsync": "off", **settings}
    primary = postgresql(settings={**common, "port": ports[0]}, start=False)
    primary.url = f"host={primary.directory} port={ports[0]} user=postgres dbname=postgres"
    primary.start()
    standby = postgresql(settings={**common, "port": ports[1], "synchronous_standby_names": ""}, primary=primary, start=False)
    standby.url = f"host={standby.directory} port={ports[1]} user=postgres dbname=postgres"
    standby.start()
    url = f"postgresql://postgres@127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}/postgres"
    return primary, standby, url, ports


def caught_up(primary, standby):
    position = primary.execute("SELECT pg_current_wal_insert_lsn()")[0]
    eventually(lambda: standby.execute(f"SELECT pg_last_wal_replay_lsn() >= '{position}'") == ["t"], what="the standby's replay")
