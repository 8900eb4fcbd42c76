"""Where the services are, and which of their methods the server has."""

from repository import ROOT

MODULES = ["state", "lifecycle", "recovery", "lease", "definition", "admin"]
# A method has a file of its name in the folder of its service.
BUILT = {path.stem for path in (ROOT / "Sources" / "FlowService").glob("*/*.swift")}
