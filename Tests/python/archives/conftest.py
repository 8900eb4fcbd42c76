"""Two tenants, and a file between them."""

import pytest

from command_line import Cli


@pytest.fixture
def flows(cli, server):
    """The services in the tenant of `cli`."""
    return server.flows(cli.environment["FLOWSTATE_TENANT"], actor="ada")


@pytest.fixture
def other(flowstate_bin, server):
    """Another tenant of the same server: its command line and its services."""
    other = Cli(flowstate_bin, server.endpoint)
    return other, server.flows(other.environment["FLOWSTATE_TENANT"])


@pytest.fixture
def archive(tmp_path):
    return str(tmp_path / "flows.fsa")
