"""Every sentence of a comment that names a code, a limit or a default is held by a test, here or elsewhere."""

import ast
import pathlib
import re

import pytest

from promises import promise, sentences
from service_methods import BUILT

HERE = pathlib.Path(__file__).resolve().parent
TESTABLE = re.compile(
    r"\b[A-Z]+_[A-Z_]+\b|ABORTED|\bKiB|\bMiB|at most|[Nn]ewest first|\b[Dd]efault|Not set:|[Ee]mpty:|\b0:|never\b|[Rr]equired")
# Of these the server has nothing yet but the names.
TO_COME = {
    "CreateTenant", "ListTenants", "UpdateTenant", "CreateApiKey", "ListApiKeys", "RevokeApiKey"}
TO_COME_MESSAGES = {"Tenant", "ApiKey", "ApiKeyRole"}

# Sentences that tests outside of this folder hold.
HELD = {
    "types": {
        "The task that wrote; required.": "state/test_writes.py::test_what_cannot_be_a_write",
        "The channel written to; required.": "state/test_writes.py::test_what_cannot_be_a_write",
        "The task's path in a nested flow, 1 KiB of UTF-8": "state/test_writes.py::test_what_cannot_be_a_write",
        "The tenant and the actor come from the caller's credential, never from a message.": "state/test_lists.py::test_tenant_and_actor_have_defaults",
        "An `idempotency_key` makes a retry safe:": "state/test_idempotency.py::test_a_retry_answers_the_same_and_changes_nothing",
        "0: always the latest, since the type had no definition when the flow was made.": "definitions/test_pinned.py",
        "When the flow is to have left its phase or its status, whichever is due first:": "lifecycle/test_overdue.py::test_when_a_flow_is_due",
        "Not set when neither has one.": "lifecycle/test_overdue.py::test_a_flow_that_ends_is_not_due",
        "A version with a checkpoint is never pruned.": "admin/test_retention.py::test_versions_beyond_the_policy_go_and_the_rest_stays",
        "Unique within the flow; empty: the checkpoint is known by its generated id only.": "state/test_history.py::test_checkpoints_name_versions"},
    "errors": {
        "The label that the request expected of the latest version; empty: it expected a number.":
            "state/test_lineage.py::test_the_latest_version_has_the_label_expected",
        "reason                     gRPC code": "contract/test_errors_proto.py::test_the_table_is_the_one_of_the_server",
        "ABORTED, reason VERSION_CONFLICT:": "contract/test_errors_proto.py::test_conflicts_name_both_versions",
        "INVALID_ARGUMENT, reason STATE_INVALID:": "contract/test_errors_proto.py::test_rules_are_named",
        "INVALID_ARGUMENT, reason DEFINITION_INVALID:": "definitions/test_definitions.py::test_put_says_what_is_wrong",
        "JSON Pointer (RFC 6901) into the state; empty: the state as a whole.": "contract/test_errors_proto.py::test_rules_are_named",
        "JSON Pointer (RFC 6901) into the document; empty: the document as a whole.": "definitions/test_definitions.py::test_put_says_what_is_wrong",
        "FAILED_PRECONDITION, reason TRANSITION_NOT_ALLOWED:": "contract/test_errors_proto.py::test_a_transition_without_a_way",
        "FAILED_PRECONDITION, reason RECOVERY_FAILED:": "contract/test_errors_proto.py::test_recovery_that_fails_tells_what_was_tried",
        "RESOURCE_EXHAUSTED, reason STATE_TOO_LARGE:": "contract/test_errors_proto.py::test_a_message_too_large"},
    "lease": {},
    "state": {
        "The first message is the header, every other one a chunk; anything else answers INVALID_ARGUMENT.": "state/test_uploads.py::test_what_is_no_upload",
        "The next bytes of the state, in order; 1 byte to 16 MiB.": "state/test_uploads.py::test_what_is_no_upload",
        "The state's length in bytes; 0: not known in advance.": "state/test_uploads.py::test_what_goes_up_comes_down",
        "A stream that ends with another length answers INVALID_ARGUMENT and saves nothing.": "state/test_uploads.py::test_what_is_not_as_announced_is_not_saved",
        "Another digest answers INVALID_ARGUMENT and saves nothing.": "state/test_uploads.py::test_what_is_not_as_announced_is_not_saved",
        "Names the upload within its flow, so that it can be resumed; empty: it cannot.": "state/test_uploads.py::test_an_upload_that_breaks_off_is_resumed",
        "0: the upload begins, and what an earlier one with this id has left is given up.": "state/test_uploads.py::test_one_that_begins_at_0_is_another_one",
        "Above 0: it is resumed, at most at": "state/test_uploads.py::test_what_is_no_upload",
        "UPLOAD_NOT_FOUND when there is no such upload.": "state/test_uploads.py::test_what_is_no_upload",
        "A call that resumes an upload ends one that still sends (ABORTED, UPLOAD_CONTINUED); one that is being saved already is saved.": "state/test_uploads.py::test_of_two_calls_the_later_one_has_the_upload",
        "Bytes of the state to leave out at the beginning, to resume a download; 0: none.": "state/test_uploads.py::test_what_goes_up_comes_down",
        "Bytes a chunk at most; 0: the server's choice (64 KiB).": "state/test_uploads.py::test_chunks",
        "At most 4 MiB.": "state/test_uploads.py::test_chunks",
        "itself answers RESOURCE_EXHAUSTED (STATE_TOO_LARGE).": "state/test_uploads.py::test_what_goes_up_comes_down",
        "NOT_FOUND (UPLOAD_NOT_FOUND) when there is none with this id: it begins at offset 0.": "state/test_uploads.py::test_what_is_no_upload",
        "The version as which the state was saved; 0: it was not yet, or nothing is known of it.": "state/test_uploads.py::test_an_upload_that_breaks_off_is_resumed",
        "SaveState for a state larger than one message (up to 256 MiB)": "state/test_uploads.py::test_the_limit",
        "For clients that cannot stream; else INVALID_ARGUMENT.": "state/test_watch.py::test_a_load_waits_for_the_next_version",
        "Not set: the answer comes at once.": "state/test_watch.py::test_a_load_waits_for_the_next_version",
        "How long after its last save the flow is deleted by itself": "state/test_ttl.py::test_what_it_may_be",
        "How long after this save the flow is deleted by itself": "state/test_ttl.py::test_what_it_may_be",
        "Not set: as before.": "state/test_ttl.py::test_each_save_renews_it_until_one_says_otherwise",
        "Only these flows, 1,000 at most, whether they exist yet or not; empty: every flow that the filter matches.":
            "state/test_watch.py::test_of_named_flows_also_those_that_do_not_exist_yet",
        "0: with the first that is left.": "state/test_watch.py::test_removed_versions_are_not_sent_later",
        "Not set: every flow.": "state/test_watch.py::test_every_version_of_every_flow",
        "Time fields and `overdue` answer INVALID_ARGUMENT here.": "lifecycle/test_overdue.py::test_watches_do_not_filter_by_it",
        "Only flows whose `due_at` has passed:": "lifecycle/test_overdue.py::test_it_is_notified_of_once",
        "Pending writes to store with the new version, which needs a `version_label` then; 1,000 at most.":
            "state/test_writes.py::test_what_cannot_be_a_write",
        "NOT_FOUND (VERSION_NOT_FOUND) when no version has a label.": "state/test_version_lists.py::test_a_new_life_has_its_own_labels",
        "Required unless `flow_labels` are given; a deleted flow's history can be read too.":
            "state/test_history.py::test_history_of_a_deleted_flow_is_readable",
        "Only the writes of these channels; empty: every channel's.": "state/test_version_lists.py::test_only_the_writes_of_some_channels",
        "FAILED_PRECONDITION (TOO_MANY_FLOWS) when they are more than 1,000.": "state/test_version_lists.py::test_too_many_flows",
        "All of these labels; required.": "state/test_removal.py::test_flows_by_their_labels",
        "When more flows have them, none is deleted: FAILED_PRECONDITION (TOO_MANY_FLOWS).": "state/test_removal.py::test_flows_by_their_labels",
        "0: 1,000, which is also the most.": "state/test_removal.py::test_flows_by_their_labels",
        "FAILED_PRECONDITION (TOO_MANY_FLOWS) when they are more than 1,000": "state/test_removal.py::test_more_flows_than_a_call_may_have",
        "Numbers are never used twice.": "state/test_removal.py::test_random_removals_against_an_oracle",
        "1 to 1,000 saves, each flow at most once.": "state/test_batches.py::test_sizes",
        "Default: atomic.": "state/test_batches.py::test_all_are_saved",
        "The same as BATCH_MODE_ATOMIC.": "state/test_batches.py::test_all_are_saved",
        "8 entries at most, 256 bytes each key and value at most.": "state/test_lineage.py::test_tags",
        "ABORTED (VERSION_CONFLICT) when it has not.": "state/test_lineage.py::test_the_latest_version_has_the_label_expected",
        "ALREADY_EXISTS (FLOW_ALREADY_EXISTS) when it is taken.": "state/test_fork.py::test_the_new_id_must_be_new",
        "JSON to keep with the new flow's latest version, 64 KiB at most; empty: with history that of the source, else none.":
            "state/test_fork.py::test_what_is_forked",
        "Labels of the new flow; empty: the labels of the source's head.": "state/test_fork.py::test_what_is_forked",
        "The flow to fork; required.": "state/test_fork.py::test_a_deleted_flow_is_forked_by_version",
        "The new flow's id; empty: a UUIDv7.": "state/test_fork.py::test_what_is_forked",
        "Empty: these were all.": "state/test_writes.py::test_many_writes_of_a_version",
        "NOT_FOUND (FLOW_NOT_FOUND) when it is deleted.": "state/test_writes.py::test_writes_of_a_deleted_flow",
        "Only this version's; empty: every version's.": "state/test_writes.py::test_filters_of_lists",
        "Only this channel's; empty: every channel's.": "state/test_writes.py::test_filters_of_lists",
        "Only this task's; empty: every task's.": "state/test_writes.py::test_filters_of_lists",
        "The version's label; required.": "state/test_writes.py::test_what_cannot_be_a_write",
        "A call that ends with an error changed nothing": "server/test_crash.py",
        "DEADLINE_EXCEEDED, CANCELLED and UNAVAILABLE leave open": "recovery/test_recovery_policy.py",
        "ABORTED (VERSION_CONFLICT) when the precondition does not hold.": "contract/test_state_proto.py::test_preconditions",
        "The state's media type; empty:": "contract/test_state_proto.py::test_what_is_not_json",
        "Empty: a retry is a new": "state/test_idempotency.py::test_a_retry_answers_the_same_and_changes_nothing",
        "Not set: the same as any_version.": "contract/test_state_proto.py::test_preconditions",
        "Unique within the flow; empty: the checkpoint is known by its generated id only.": "state/test_history.py::test_checkpoints_name_versions"},
    "lifecycle": {
        "Not set: the same as any_version.": "contract/test_lifecycle_proto.py::test_preconditions",
        "Empty: a retry is a new": "state/test_idempotency.py::test_a_retry_answers_the_same_and_changes_nothing",
        "JSON to keep in the state for the new phase": "lifecycle/test_lifecycle.py::test_phase_data_goes_where_the_definition_says",
        "The phase that is complete; empty: the one the flow is in.": "contract/test_lifecycle_proto.py::test_phases",
        "JSON to keep in the state as the phase's results": "lifecycle/test_lifecycle.py::test_a_flow_goes_through_its_phases",
        "Default: every rule.": "definitions/test_definitions.py::test_the_minimal_depth_reads_what_its_rules_look_at",
        "Empty: all.": "contract/test_lifecycle_proto.py::test_history"},
    "recovery": {
        "Lists quarantined states, newest first.": "contract/test_recovery_proto.py::test_recovery",
        "DATA_LOSS when the quarantined state cannot be read:": "recovery/test_restore_quarantined.py::test_what_cannot_be_read_cannot_be_restored",
        "Default: by the definition's policy.": "contract/test_recovery_proto.py::test_recovery",
        "Empty: a retry is a new": "contract/test_recovery_proto.py::test_arguments",
        "Default 50, maximum 1,000.": "contract/test_types_proto.py::test_pages",
        "Empty: the first page.": "recovery/test_notifications.py::test_pages_and_filters",
        "Empty: this was the last page.": "recovery/test_notifications.py::test_pages_and_filters",
        "Newest first; empty when there was none.": "contract/test_recovery_proto.py::test_recovery",
        "Only this flow's; empty: every flow's.": "recovery/test_notifications.py::test_pages_and_filters",
        "Newest first.": "contract/test_recovery_proto.py::test_notifications",
        "Not set: the same as any_version.": "recovery/test_restore_quarantined.py::test_preconditions",
        "The flow must be at this version, 1 or more.": "recovery/test_restore_quarantined.py::test_preconditions",
        "ABORTED (VERSION_CONFLICT) when it is not.": "recovery/test_restore_quarantined.py::test_preconditions",
        "`false` answers INVALID_ARGUMENT.": "recovery/test_restore_quarantined.py::test_preconditions"},
    "definition": {
        "NOT_FOUND (DEFINITION_NOT_FOUND) when there is none.": "contract/test_definition_proto.py::test_revisions",
        "Not set: whatever the flow's version is.": "contract/test_definition_proto.py::test_moving",
        "Empty: a retry moves the flow again.": "definitions/test_pinned.py",
        "Not set: whatever is there is replaced.": "contract/test_definition_proto.py::test_revisions"},
    "admin": {
        "PERMISSION_DENIED without it.": "contract/test_admin_proto.py::test_tenants",
        "Only flows of this type; empty: all.": "contract/test_admin_proto.py::test_cleaning_up",
        "The tenant whose flows are counted; empty: the caller's.": "contract/test_admin_proto.py::test_tenants",
        "By type, the most frequent first, 100 at most.": "admin/test_statistics.py::test_what_is_there_and_what_was_done",
        "Flows by status, the most frequent first, 100 at most.": "admin/test_statistics.py::test_what_is_there_and_what_was_done",
        "The rules that saves broke in the window": "admin/test_statistics.py::test_violations_are_counted_by_rule",
        "Share of the flows that were counted, more than 0:": "contract/test_admin_proto.py::test_figures",
        "The type; empty: flows without one.": "admin/test_statistics.py::test_what_is_there_and_what_was_done",
        "By phase, the one with most flows first, 100 at most.": "admin/test_statistics.py::test_what_is_there_and_what_was_done",
        "Phases marked complete": "admin/test_statistics.py::test_what_is_there_and_what_was_done",
        "Errors reported": "admin/test_statistics.py::test_what_is_there_and_what_was_done",
        "Recoveries": "admin/test_statistics.py::test_what_is_there_and_what_was_done",
        "Violations in saves that were refused": "admin/test_statistics.py::test_violations_are_counted_by_rule"}}


def calls_of_promise():
    """What tests of this folder say that they hold."""
    for file in HERE.glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "promise":
                name, *told = (ast.literal_eval(argument) for argument in node.args)
                yield from ((name, sentence) for sentence in told)


def is_to_come(scope):
    return scope in TO_COME_MESSAGES or scope in TO_COME or scope.removesuffix("Request").removesuffix("Response") in TO_COME


def test_what_is_to_come_is_not_there():
    assert not TO_COME & BUILT


@pytest.mark.parametrize("file", HELD)
def test_every_promise_is_held(file):
    held = [sentence for name, sentence in calls_of_promise() if name == file] + list(HELD[file])
    loose = {sentence for scope, sentence in sentences(file) if TESTABLE.search(sentence) and not is_to_come(scope)
             and not any(one in sentence or sentence in one for one in held)}
    assert not loose


def test_the_tests_named_are_there():
    for place in {place for tests in HELD.values() for place in tests.values()}:
        file, _, test = place.partition("::")
        text = (HERE.parent / file).read_text()
        assert not test or f"def {test}(" in text, place


def test_what_is_not_said_cannot_be_promised():
    with pytest.raises(AssertionError):
        promise("state", "Something that no comment says.")
