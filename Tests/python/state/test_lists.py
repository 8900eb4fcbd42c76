"""Lists of flows: filters, orders, pages; and what tenants see of each other."""

import grpc
import pytest
from flowstate.v1 import state_pb2, state_pb2_grpc

from errors import invalid, not_found, refused
from postgresql import Session

ORDERS = state_pb2.FlowOrder


def names(flows, **fields):
    return [flow.flow_id for flow in flows.ListFlows(**fields).flows]


@pytest.fixture
def stock(flows):
    """Four flows; `b` was changed last, `d` is deleted."""
    flows.save("a", flow_type="order", phase="draft", status="new", labels={"team": "blue", "prio": "1"})
    flows.save("b", flow_type="order", phase="review", status="new", labels={"team": "blue"})
    flows.save("c/1", flow_type="mail", phase="draft", status="old", labels={"team": "red"})
    flows.save("d", flow_type="mail")
    flows.DeleteFlow(flow_id="d")
    flows.save("b", b"[2]")
    return flows


@pytest.mark.parametrize("wanted, filter", [
    (["b", "c/1", "a"], {}),
    (["b", "a"], {"flow_type": "order"}),
    (["c/1", "a"], {"phase": "draft"}),
    (["c/1"], {"status": "old"}),
    (["b", "a"], {"labels": {"team": "blue"}}),
    (["a"], {"labels": {"team": "blue", "prio": "1"}}),
    ([], {"labels": {"team": "blue", "prio": "2"}}),
    (["c/1"], {"flow_id_prefix": "c/"}),
    (["b", "d", "c/1", "a"], {"include_deleted": True}),
    (["a"], {"flow_type": "order", "phase": "draft"}),
    ([], {"flow_type": "none"}),
])
def test_filters(stock, wanted, filter):
    assert names(stock, filter=filter) == wanted


def test_filters_by_time(stock):
    head = {flow.flow_id: flow for flow in stock.ListFlows(filter={"include_deleted": True}).flows}
    assert set(names(stock, filter={"created_after": head["b"].created_at})) == {"b", "c/1"}
    assert names(stock, filter={"created_before": head["b"].created_at}) == ["a"]
    assert names(stock, filter={"updated_after": head["b"].updated_at}) == ["b"]
    assert set(names(stock, filter={"updated_before": head["b"].updated_at})) == {"a", "c/1"}


@pytest.mark.parametrize("order, wanted", [
    (ORDERS.FLOW_ORDER_UNSPECIFIED, ["b", "c/1", "a"]), (ORDERS.FLOW_ORDER_UPDATED_DESC, ["b", "c/1", "a"]),
    (ORDERS.FLOW_ORDER_UPDATED_ASC, ["a", "c/1", "b"]), (ORDERS.FLOW_ORDER_CREATED_DESC, ["c/1", "b", "a"]),
    (ORDERS.FLOW_ORDER_CREATED_ASC, ["a", "b", "c/1"]), (ORDERS.FLOW_ORDER_FLOW_ID_ASC, ["a", "b", "c/1"])])
def test_orders_and_pages(stock, order, wanted):
    assert names(stock, order=order) == wanted
    seen, token = [], ""
    for _ in wanted:
        page = stock.ListFlows(order=order, page_size=1, page_token=token)
        seen += [flow.flow_id for flow in page.flows]
        token = page.next_page_token
    assert seen == wanted
    if token:  # "may be more": then the next page is empty
        assert names(stock, order=order, page_size=1, page_token=token) == []


def test_ids_are_ordered_by_bytes(flows):
    ids = ["a", "B", "é", "z", "ab", "日本", "a-b", "a_b", "A", "😀", "~"]
    for flow_id in ids:
        flows.save(flow_id)
    wanted = sorted(ids, key=str.encode)
    assert names(flows, order=ORDERS.FLOW_ORDER_FLOW_ID_ASC) == wanted
    for prefix in ("a", "é", "日", "%", "_", "a_"):
        found = names(flows, order=ORDERS.FLOW_ORDER_FLOW_ID_ASC, filter={"flow_id_prefix": prefix})
        assert found == [flow_id for flow_id in wanted if flow_id.startswith(prefix)]


def test_page_sizes(flows):
    for number in range(55):
        flows.save(f"f{number:02}")
    assert len(names(flows)) == 50, "the default"
    assert len(names(flows, page_size=2_000)) == 55, "more than the maximum is lowered to it"
    with invalid() as refusal:
        names(flows, page_size=-1)
    assert refusal.fields() == ["page_size"]


def test_a_page_token_is_good_for_its_list_only(stock):
    token = stock.ListFlows(page_size=1).next_page_token
    versions = stock.ListVersions(flow_id="b", page_size=1).next_page_token
    for fields in (
        {"page_token": "made-up"}, {"page_token": token + "A"}, {"page_token": token[:-1]}, {"page_token": versions},
        {"page_token": token, "filter": {"flow_type": "order"}},
        {"page_token": token, "order": ORDERS.FLOW_ORDER_CREATED_ASC},
    ):
        with invalid() as refusal:
            stock.ListFlows(page_size=1, **fields)
        assert refusal.fields() == ["page_token"]


def test_an_unknown_order_is_refused(flows):
    with invalid() as refusal:
        names(flows, order=77)
    assert refusal.fields() == ["order"]


def test_tenants_do_not_see_each_other(server):
    one, two = server.flows(), server.flows()
    one.save("f", b"1", checkpoint={"name": "c"}, idempotency_key="key")
    with not_found():
        two.load("f")
    with not_found():
        two.ListVersions(flow_id="f")
    with not_found():
        two.DeleteFlow(flow_id="f")
    with not_found():
        two.RestoreCheckpoint(flow_id="f", checkpoint="c")
    assert names(two) == []
    saved = two.save("f", b"2", expected_version=0, idempotency_key="key")
    assert (saved.version, saved.replayed) == (1, False), "keys belong to the tenant"
    assert (one.state("f"), two.state("f")) == (b"1", b"2")
    token = one.ListFlows(page_size=1)
    two.save("g")
    page = two.ListFlows(page_size=1)
    assert page.next_page_token
    with invalid():
        one.ListFlows(page_size=1, page_token=page.next_page_token)
    assert [flow.flow_id for flow in token.flows] == ["f"]


def test_tenant_and_actor_have_defaults(server):
    nobody = server.flows()
    nobody.metadata = []
    flow_id = nobody.CreateFlow(state=b"{}").flow_id
    assert nobody.load(flow_id).version.actor == "anonymous"
    assert server.flows("default").load(flow_id).flow.flow_id == flow_id


def test_pages_are_bounded_in_bytes(flows):
    """Stock clients take messages of 4 MiB; a version's metadata may have 64 KiB."""
    metadata = b'"' + b"m" * 60_000 + b'"'
    for number in range(80):
        flows.save("f", b"%d" % number, metadata=metadata)
    flows.CreateCheckpoint(flow_id="f", name="last")
    for method, entries in (("ListVersions", "versions"), ("GetHistory", "entries")):
        found, token = [], ""
        while True:
            page = getattr(flows, method)(flow_id="f", page_size=1000, page_token=token)
            assert page.ByteSize() < 4 << 20
            found += getattr(page, entries)
            token = page.next_page_token
            if not token:
                break
        versions = [entry for entry in found if entry.metadata] if method == "ListVersions" else [
            entry.version for entry in found if entry.HasField("version")]
        assert [version.version for version in versions] == list(range(80, 0, -1)), method


def test_a_page_ends_where_a_stock_client_could_not_read_it(flows):
    labels = {f"label-{number:02}": "x" * 256 for number in range(64)}
    wanted = [f"f{number:03}" for number in range(400)]
    for flow_id in wanted:
        flows.save(flow_id, labels=labels)
    seen, token, pages = [], "", 0
    while token or not pages:
        page = flows.ListFlows(order=ORDERS.FLOW_ORDER_FLOW_ID_ASC, page_size=1000, page_token=token)
        assert page.ByteSize() < 4 << 20
        seen, token, pages = seen + [flow.flow_id for flow in page.flows], page.next_page_token, pages + 1
    assert (seen, pages) == (wanted, 3)


def test_a_neighbour_does_not_wait_behind_somebody_elses_lists(server):
    """Callers take turns; of many large lists those that would wait for long are refused with a delay."""
    flows, neighbour = server.flows(), server.flows()
    neighbour.save("f")
    with Session(f"host={server.data}/socket port=5432 user=flowstate dbname=flowstate") as session:
        session.execute(f"""
            INSERT INTO flowstate.flow (tenant, flow_id, version, flow_type, phase, status, labels, created_at, updated_at)
            SELECT '{flows.tenant}', 'f' || i, 1, '', '', '', l.labels, now(), now() FROM generate_series(1, 1000) i, (
                SELECT jsonb_object_agg(lpad(n::text, 256, 'k'), repeat('x', 256)) AS labels FROM generate_series(1, 64) n) l""")
    requests = [flows.message("ListFlows", page_size=1000 - number) for number in range(60)]
    calls = [flows.stub.ListFlows.future(request, metadata=flows.metadata, timeout=60) for request in requests]
    other = grpc.insecure_channel(server.endpoint)
    try:
        answer = state_pb2_grpc.FlowStateServiceStub(other).ListFlows(
            neighbour.message("ListFlows", page_size=10), metadata=neighbour.metadata, timeout=60)
    finally:
        other.close()
    assert [flow.flow_id for flow in answer.flows] == ["f"]
    for call in calls:
        if call.exception() is None:
            assert 0 < len(call.result().flows) < 900 and call.result().ByteSize() < 4 << 20
        else:
            with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"):
                call.result()


def test_many_who_ask_for_the_same_page_share_its_memory(server):
    """A page of fifty flows might be megabytes; as long as it is not known how large it is, that is set aside once for an answer."""
    flows = server.flows(tenant="shared-pages")
    for number in range(60):
        flows.save(f"f{number:02}")
    stub = state_pb2_grpc.FlowStateServiceStub(server.channel())
    metadata = [("flowstate-tenant", flows.tenant)]
    calls = [stub.ListFlows.future(state_pb2.ListFlowsRequest(page_size=50), metadata=metadata, timeout=60) for _ in range(400)]
    codes = {call.code() for call in calls}
    assert codes == {grpc.StatusCode.OK}
    assert {len(call.result().flows) for call in calls} == {50}


def test_states_come_along(flows):
    for number in range(7):
        flows.save(f"f{number}", b'{"n": %d}' % number, labels={"even": str(number % 2 == 0)}, content_type="application/json")
    flows.save("text", b"not JSON", content_type="text/plain")
    flows.DeleteFlow(flow_id="f6")
    found, token = [], ""
    while True:
        page = flows.ListFlows(order=state_pb2.FLOW_ORDER_FLOW_ID_ASC, include_states=True, page_size=3, page_token=token,
                               filter={"include_deleted": True})
        assert len(page.flows) == len(page.contents) <= 3
        found += [(flow.flow_id, content.state, content.content_type) for flow, content in zip(page.flows, page.contents)]
        token = page.next_page_token
        if not token:
            break
    json = "application/json"
    assert found == [*((f"f{number}", b'{"n": %d}' % number, json) for number in range(6)), ("f6", b"", ""), ("text", b"not JSON", "text/plain")]
    even = flows.ListFlows(filter={"labels": {"even": "True"}}, include_states=True)
    assert {content.state for content in even.contents} == {b'{"n": 0}', b'{"n": 2}', b'{"n": 4}'}
    assert not flows.ListFlows().contents


def test_a_page_with_states_ends_by_bytes(flows):
    """A stock client takes 4 MiB at a time."""
    state = b'"%s"' % (b"x" * 1_500_000)
    for number in range(7):
        flows.save(f"f{number}", state)
    flows.save("large", b'"%s"' % (b"y" * 6_000_000))
    seen, token, sizes = [], "", []
    while True:
        page = flows.ListFlows(order=state_pb2.FLOW_ORDER_FLOW_ID_ASC, include_states=True, page_token=token)
        seen += [flow.flow_id for flow in page.flows]
        sizes.append(sum(len(content.state) for content in page.contents))
        token = page.next_page_token
        if not token:
            break
    assert seen == [*(f"f{number}" for number in range(7)), "large"]
    assert all(size < 3 << 20 for size in sizes[:-1]) and len(sizes) == 5
