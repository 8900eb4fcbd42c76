"""Go packages from Debian in the place of Go modules, which a machine for tests may not reach."""

import json
import pathlib

PACKAGES = pathlib.Path("/usr/share/gocode")
GRPC = PACKAGES / "src" / "google.golang.org" / "grpc"
#: What grpc-go has had since its releases 1.34 and 1.63, in terms of the 1.33 of Debian 12.
LATER = {
    "credentials/insecure/insecure.go": """\
package insecure

import (
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/local"
)

func NewCredentials() credentials.TransportCredentials { return local.NewCredentials() }
""",
    "new_client.go": """\
package grpc

func NewClient(target string, options ...DialOption) (*ClientConn, error) { return Dial(target, options...) }
""",
}


def environment(path, cache):
    """With these variables `go` finds Debian's packages, and those in the folder `src` of this path."""
    variables = {"GO111MODULE": "off", "GOPATH": f"{path}:{PACKAGES}", "GOCACHE": str(cache)}
    if not (GRPC / "credentials" / "insecure").exists():
        variables["GOFLAGS"] = f"-overlay={overlay(path / 'later')}"
    return variables


def overlay(directory):
    """Writes what `go build -overlay` needs to add `LATER` to Debian's grpc-go."""
    replaced = {}
    for name, text in LATER.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        replaced[str(GRPC / name)] = str(path)
    listing = directory / "overlay.json"
    listing.write_text(json.dumps({"Replace": replaced}))
    return listing
