"""An attacking process: takes orders as lines of JSON, and answers each with what it did.

`{"do": "attack", "name": "rapid_reset", "endpoint": "127.0.0.1:7420", "seconds": 2, "share": 0}`
"""

import json
import os
import sys

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from collections import namedtuple  # noqa: E402

import compressed  # noqa: E402, F401
import computing  # noqa: E402, F401
import frames  # noqa: E402, F401
import messages  # noqa: E402, F401
import streams  # noqa: E402
from raw import TENANT, Closed, Peer  # noqa: E402
from registry import ATTACKS  # noqa: E402

Endpoint = namedtuple("Endpoint", "endpoint channels")
#: Seconds more that an attack goes on when the server must close its connections and has not.
PATIENCE = 10


def prepare(order):
    """Stores what the attack needs."""
    from flowstate_server import Flows, Server
    channel = Server.channel(Endpoint(order["endpoint"], []))
    try:
        ATTACKS[order["name"]].prepare(Flows(channel, TENANT, "attacker"))
    finally:
        channel.close()


def obey(order):
    if order["do"] == "prepare":
        return prepare(order)
    if order["do"] == "hold":
        return streams.release_times(Peer(order["endpoint"], order["seconds"], 0))
    attack = ATTACKS[order["name"]]
    peer = Peer(order["endpoint"], order["seconds"], order["share"], PATIENCE if attack.closes else 0)
    try:
        attack.run(peer)
    except Closed:
        pass
    return peer.figures()


if __name__ == "__main__":
    for line in sys.stdin:
        try:
            answer = {"answer": obey(json.loads(line))}
        except Exception as error:
            answer = {"error": repr(error)[:2_000]}
        print(json.dumps(answer), flush=True)
