"""Watches, as a client reads them."""

import collections
import threading

import grpc

from processes import eventually


class Watch:
    """Reads a watch in a thread, and goes on from the last cursor after `reconnect`.

    `changes` are (flow id, version) in the order in which they came, with all repeats.
    """

    def __init__(self, flows, timeout=None, **fields):
        self.fields, self.timeout = fields, timeout
        self.changes, self.snapshots, self.bookmarks, self.cursor, self.error = [], [], [], None, None
        self.condition = threading.Condition()
        self.connect(flows)

    def connect(self, flows):
        fields = dict(self.fields)
        if self.cursor is not None:
            fields.pop("after_version", None)
            fields["cursor"] = self.cursor
        self.error = None
        self.call = flows.WatchFlows(timeout=self.timeout, **fields)
        self.thread = threading.Thread(target=self._read, args=(self.call,), daemon=True)
        self.thread.start()

    def _read(self, call):
        try:
            for message in call:
                with self.condition:
                    if message.WhichOneof("event") == "change":
                        self.changes.append((message.change.flow.flow_id, message.change.version.version))
                        self.snapshots.append(message.change)
                    else:
                        self.bookmarks.append(message.bookmark)
                    self.cursor = message.cursor
        except grpc.RpcError as error:
            self.error = error

    def wait_until_begun(self):
        eventually(lambda: self.bookmarks or self.error, what="the first bookmark")
        assert self.error is None, self.error
        return self

    def wait_for(self, count, timeout=30):
        """Until so many different versions have come."""
        eventually(lambda: len(set(self.changes)) >= count or self.error, timeout=timeout, what=f"{count} changes, not {len(set(self.changes))}")
        assert self.error is None, self.error
        return self

    def wait_for_error(self):
        eventually(lambda: self.error, what="the end of the watch")
        return self.error

    def break_off(self):
        self.call.cancel()
        self.thread.join(timeout=30)
        self.error = None

    stop = break_off

    def versions(self):
        """By flow, without repeats; those of a flow must have come in order."""
        versions = collections.defaultdict(list)
        for flow_id, version in self.changes:
            if version not in versions[flow_id][-1000:]:
                assert not versions[flow_id] or version > versions[flow_id][-1], f"{flow_id}: {version} after {versions[flow_id][-1]}"
                versions[flow_id].append(version)
        return versions
