"""Archives and what belongs in them: flows of many kinds, all that is known of a flow, files that no server wrote."""

import json
import subprocess

import xxhash
from flowstate.v1 import archive_pb2, types_pb2

ORIGIN = "flowstate_archive"


def history(flows, flow_id):
    """Everything of a flow that an import brings along, by version number."""
    checkpoints = {}
    for checkpoint in flows.ListCheckpoints(flow_id=flow_id, page_size=1000).checkpoints:
        checkpoints.setdefault(checkpoint.version, []).append((checkpoint.name, checkpoint.description))
    found = []
    for info in flows.versions(flow_id):
        metadata = json.loads(info.metadata) if info.metadata else {}
        if isinstance(metadata, dict) and ORIGIN in metadata:
            metadata = metadata.pop(ORIGIN).get("metadata", metadata)
        found.append((
            info.version, info.parent_version, info.content_type, info.phase, info.status, info.version_label, metadata,
            info.parent_version_label, dict(info.version_tags),
            info.WhichOneof("progress_value") and info.progress, sorted(checkpoints.get(info.version, [])),
            flows.state(flow_id, version=info.version)))
    return found


def head(flows, flow_id):
    flow = flows.load(flow_id).flow
    return (flow.flow_id, flow.flow_type, flow.version, flow.phase, flow.status, flow.progress, dict(flow.labels))


def make_many_kinds(flows):
    """Flows with everything that a flow can have."""
    flows.save("order-é", b'{"a": 1.50,\n "\\u0000": "\\ud800"}', flow_type="order", expected_version=0, phase="cart", status="open", progress=0,
               labels={"customer": "acme", "é": ""}, version_label="first", metadata=b'{"why": [1.0, 1e400]}',
               checkpoint=types_pb2.CheckpointSpec(name="start", description="the beginning"))
    flows.save("order-é", b'{"a": 2}', phase="paid", progress=12.5, metadata=b'"no object"')
    flows.CreateCheckpoint(flow_id="order-é", name="paid", description="all of it")
    flows.CreateCheckpoint(flow_id="order-é", name="second name", version=2)
    flows.CreateCheckpoint(flow_id="order-é", version=1, description="without a name")
    flows.RestoreCheckpoint(flow_id="order-é", checkpoint="start")
    flows.save("order-é", b"[]", parent_version=2, labels={"customer": "acme", "n": "2"}, version_label="first")
    flows.SetStatus(flow_id="order-é", status="closed", progress=100)
    flows.DeleteCheckpoint(flow_id="order-é", checkpoint="second name")
    flows.save("bytes", bytes(range(256)) * 40, content_type="application/octet-stream")
    flows.save("bytes", b"", content_type="text/plain; charset=utf-8")
    flows.save("plain", b"{}")
    return ["order-é", "bytes", "plain"]


def varint(value):
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def packed(content, path):
    """Compresses it as any tool would."""
    path.write_bytes(subprocess.run(["zstd", "-c"], input=content, check=True, capture_output=True).stdout)
    return str(path)


def made_by_hand(path, *records):
    """An archive of these records that is sealed as it should be."""
    records = [archive_pb2.ArchiveRecord(header={"format": "flowstate-archive", "format_version": 1}), *records]
    content = b"".join(varint(record.ByteSize()) + record.SerializeToString() for record in records)
    versions = [record.version for record in records if record.HasField("version")]
    trailer = archive_pb2.ArchiveRecord(trailer={
        "flows": sum(record.HasField("flow") for record in records), "versions": len(versions),
        "checkpoints": sum(len(version.checkpoints) for version in versions), "state_bytes": sum(len(version.state) for version in versions),
        "events": sum(record.HasField("event") for record in records), "digest": xxhash.xxh3_128_digest(content)})
    return packed(content + varint(trailer.ByteSize()) + trailer.SerializeToString(), path)


def record(flow_id, *states, **fields):
    """A flow with these states, as records."""
    yield archive_pb2.ArchiveRecord(flow={"flow_id": flow_id, "version": len(states)})
    for number, state in enumerate(states, 1):
        info = {"version": number, "content_type": "text/plain", "size_bytes": len(state), "digest": xxhash.xxh3_128_digest(state), **fields}
        yield archive_pb2.ArchiveRecord(version={"info": info, "state": state})
