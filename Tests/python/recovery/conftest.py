"""Flows that can be broken."""

import json

import pytest


@pytest.fixture
def lax(flows):
    """The discovery definition for flows whose saves are not validated, so that they can be broken."""
    definition = json.loads(flows.GetDefinition(flow_type="unified_discovery").definition.document)
    flows.PutDefinition(document=json.dumps({**definition, "flow_type": "lax", "on_save": "off"}).encode())
    return flows
