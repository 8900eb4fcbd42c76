"""Java packages from Debian in the place of Maven's repository, which a machine for tests may not reach."""

import importlib.metadata
import pathlib
import subprocess

REPOSITORY = pathlib.Path("/usr/share/maven-repo")
GRPC = REPOSITORY / "io" / "grpc"
#: What docs/clients/java/pom.xml builds with.
PLUGINS = [
    REPOSITORY / "org" / "apache" / "maven" / "plugins" / "maven-resources-plugin" / "3.3.0",
    REPOSITORY / "org" / "apache" / "maven" / "plugins" / "maven-compiler-plugin" / "3.10.1",
    REPOSITORY / "org" / "codehaus" / "mojo" / "build-helper-maven-plugin" / "3.3.0",
    REPOSITORY / "org" / "codehaus" / "mojo" / "exec-maven-plugin" / "3.1.0",
]
SETTINGS = """\
<settings>
  <localRepository>{local}</localRepository>
  <mirrors>
    <mirror><id>debian</id><mirrorOf>central</mirrorOf><url>file://{debian}</url></mirror>
  </mirrors>
  <profiles>
    <profile>
      <id>added</id>
      <repositories><repository><id>added</id><url>file://{added}</url></repository></repositories>
    </profile>
  </profiles>
  <activeProfiles><activeProfile>added</activeProfile></activeProfiles>
</settings>
"""
COMMON_PROTOS = """\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.google.api.grpc</groupId>
  <artifactId>proto-google-common-protos</artifactId>
  <version>debian</version>
</project>
"""


def configure(project, directory):
    """Makes Maven build a project from Debian's packages, all of which have a version named `debian`."""
    added = directory / "added"
    add_common_protos(added / "com/google/api/grpc/proto-google-common-protos/debian", directory / "common-protos")
    settings = directory / "settings.xml"
    settings.write_text(SETTINGS.format(local=directory / "local", debian=REPOSITORY, added=added))
    (project / ".mvn").mkdir()
    (project / ".mvn" / "maven.config").write_text(f"--settings={settings}\n-Dgrpc.version=debian\n")


def add_common_protos(place, directory):
    """com.google.rpc, which Debian's gRPC Java refers to and Debian does not have, from the same files in a Python package."""
    sources, classes = directory / "sources", directory / "classes"
    for path in (sources, classes, place):
        path.mkdir(parents=True)
    files = [file.locate() for file in importlib.metadata.files("googleapis-common-protos")
             if file.match("google/rpc/*.proto")]
    root = files[0].parents[2]
    subprocess.run(["protoc", f"-I{root}", f"--java_out={sources}", *map(str, files)], check=True)
    subprocess.run(["javac", "-nowarn", "-d", classes, "-cp", "/usr/share/java/protobuf.jar", *sources.rglob("*.java")], check=True)
    subprocess.run(["jar", "--create", "--file", place / "proto-google-common-protos-debian.jar", "-C", classes, "."], check=True)
    (place / "proto-google-common-protos-debian.pom").write_text(COMMON_PROTOS)
