"""Errors as clients see them: code, message and typed details."""

import contextlib

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


class Refusal:
    """Filled when the block ends."""

    def __init__(self):
        self.message = None
        self.details = []

    def detail(self, message_type):
        """The one detail of this type."""
        found = [any_ for any_ in self.details if any_.Is(message_type.DESCRIPTOR)]
        assert len(found) == 1, f"{len(found)} details of {message_type.DESCRIPTOR.full_name}"
        message = message_type()
        found[0].Unpack(message)
        return message

    def fields(self):
        """The fields that google.rpc.BadRequest names."""
        return [violation.field for violation in self.detail(error_details_pb2.BadRequest).field_violations]


@contextlib.contextmanager
def refused(code, reason=None):
    """The block's call must fail with this code, and with this reason in its details."""
    refusal = Refusal()
    try:
        yield refusal
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()}: {error.details()}"
        refusal.message = error.details()
        assert refusal.message, "an error says what to do"
        status = rpc_status.from_call(error)
        if status is not None:
            assert (status.code, status.message) == (code.value[0], refusal.message)
            refusal.details = status.details
        if reason is not None:
            info = refusal.detail(error_details_pb2.ErrorInfo)
            assert (info.reason, info.domain) == (reason, "flowstate")
    else:
        raise AssertionError(f"the call was answered; expected {code}")


def reason(error):
    """Of an error of the services."""
    for detail in rpc_status.from_call(error).details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            return info.reason


def invalid(reason="INVALID_REQUEST"):
    return refused(grpc.StatusCode.INVALID_ARGUMENT, reason)


def not_found(reason="FLOW_NOT_FOUND"):
    return refused(grpc.StatusCode.NOT_FOUND, reason)


def conflict():
    return refused(grpc.StatusCode.ABORTED, "VERSION_CONFLICT")
