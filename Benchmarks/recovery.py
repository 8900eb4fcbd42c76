"""What it takes to recover a flow whose state is large and broken: repaired by its definition, checked, archived, saved."""

import json
import statistics
import time

from programs import Failed, run
from runner import Measurement

STATE_BYTES = 10_000_000
FLOWS = 5
TENANT = "recovery"
FLOW_TYPE = "broken"


def flowstate(server, *words, **options):
    return run([server.binaries / "flowstate", *words, "--endpoint", server.endpoint, "--tenant", TENANT], **options)


def broken_state(flow):
    """As the built-in `unified_discovery` has it, but for its phase and what the agents said."""
    record = {"host": "server-0001", "application": "billing", "owner": "finance", "cores": 8, "memory_gb": 32}
    records = STATE_BYTES // (len(json.dumps(record)) + 2)
    return json.dumps({"flow_id": flow, "current_phase": "nowhere", "agent_insights": 7, "raw_data": [record] * records}).encode()


def recovery():
    """Seconds of the whole command: starting the program and its connection are in them."""
    def take(bed, seconds, warmup):
        definition = json.loads(flowstate(bed.server, "definition", "get", "unified_discovery"))
        document = json.dumps({**definition, "flow_type": FLOW_TYPE, "on_save": "off"}).encode()
        flowstate(bed.server, "definition", "put", "-", input=document)
        took = []
        for number in range(FLOWS):
            flow = f"broken-{number}"
            flowstate(bed.server, "flow", "save", flow, "--type", FLOW_TYPE, "--state", "-", input=broken_state(flow))
            start = time.monotonic()
            answer = json.loads(flowstate(bed.server, "recover", flow, "--output", "json"))
            took.append(time.monotonic() - start)
            if answer["recovery"]["strategy"] != "RECOVERY_STRATEGY_REPAIR":
                raise Failed(f"a flow of {STATE_BYTES:,} bytes was not repaired: {answer}")
            flowstate(bed.server, "flow", "delete", flow)
        return [("recovery", STATE_BYTES, {"median_s": statistics.median(took), "max_s": max(took)})]

    return Measurement("recovery of 10 MB", take)
