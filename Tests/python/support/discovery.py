"""Flows of the built-in type `unified_discovery`: a state to begin with, and the state that one has."""

import json
import uuid

TENANT_ID = str(uuid.uuid4())
PHASES = [
    "initialization", "data_import", "field_mapping", "data_cleansing", "asset_creation", "asset_inventory",
    "dependency_analysis", "tech_debt_analysis", "completed"]


def discovery(flow_id, **changes):
    state = {
        "flow_id": flow_id, "client_account_id": TENANT_ID, "current_phase": "initialization", "status": "running",
        "progress_percentage": 0, "phase_completion": {phase: False for phase in PHASES[1:-1]}, "raw_data": [{"a": 1}],
        "errors": [], "workflow_log": [], "created_at": "2026-11-25T10:00:00Z", "updated_at": "2026-11-25T10:00:00Z"}
    return json.dumps({**state, **changes}).encode()


def state(flows, flow_id="d", **fields):
    return json.loads(flows.state(flow_id, **fields))
