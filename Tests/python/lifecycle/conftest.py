"""A flow at the beginning of its life."""

import pytest

from discovery import discovery


@pytest.fixture
def flow(flows):
    flows.CreateFlow(flow_id="d", flow_type="unified_discovery", state=discovery("d"), phase="initialization", status="running")
    return flows
