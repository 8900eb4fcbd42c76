"""Recovering flows, and the notifications that tell of it."""

import json

from flowstate.v1 import recovery_pb2

REPAIR, CHECKPOINT, VERSION, RESET = (
    recovery_pb2.RECOVERY_STRATEGY_REPAIR, recovery_pb2.RECOVERY_STRATEGY_ROLLBACK_CHECKPOINT,
    recovery_pb2.RECOVERY_STRATEGY_ROLLBACK_VERSION, recovery_pb2.RECOVERY_STRATEGY_RESET)
INFO, WARNING, ERROR = (
    recovery_pb2.NOTIFICATION_LEVEL_INFO, recovery_pb2.NOTIFICATION_LEVEL_WARNING, recovery_pb2.NOTIFICATION_LEVEL_ERROR)


def put(flows, triggers, **more):
    """A definition like the built-in one, whose saves are not validated, so that flows can be broken."""
    definition = json.loads(flows.GetDefinition(flow_type="unified_discovery").definition.document)
    definition["recovery"]["automatic"] = triggers
    flows.PutDefinition(document=json.dumps({**definition, "flow_type": "lax", "on_save": "off", **more}).encode())
    return flows


def recover(flows, **fields):
    return flows.RecoverFlow(flow_id="d", **fields).recovery


def notifications(flows, **fields):
    return list(flows.ListNotifications(**fields).notifications)
