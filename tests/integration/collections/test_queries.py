"""From files to a table of answers, through real processes."""

import csv
import io
import json
import signal

import httpx_sse

from tests.integration.collections.conftest import CollectionClient, report
from tests.support.pdf_files import pdf, statement_page
from tests.support.stack import Stack

QUESTIONS = ["What was revenue in 2022?", "What were capital expenditures?", "How high were total assets in 2022?"]
ERROR_PAGE = b"<html><head><title>Rate Threshold Exceeded</title></head><body>Slow down.</body></html>"


def test_a_folder_of_reports_becomes_a_table(collection: CollectionClient) -> None:
    """Given reports and awkward files, when asked, then every row is there, awkward ones with the reason."""
    collection.upload(
        acme_pdf=report("ACME", 120),
        beta_pdf=report("Beta", 90),
        broken_pdf=report("Gamma", 50)[:-200],
        locked_pdf=pdf([statement_page()], encrypt=True),
        scan_pdf=pdf([[]]),
        error_html=ERROR_PAGE,
        empty_txt=b"",
    )
    query = collection.ask(questions=QUESTIONS)
    ended = collection.wait_ended(query)
    documents = {document["name"]: document for document in collection.get(f"{collection.path}/documents")["data"]}
    assert {name: (document["error"] or {}).get("code") for name, document in documents.items()} == {
        "acme.pdf": None,
        "beta.pdf": None,
        "broken.pdf": "document_damaged",
        "locked.pdf": "document_password",
        "scan.pdf": "document_without_text",
        "error.html": "document_not_a_report",
        "empty.txt": "document_empty",
    }
    assert documents["acme.pdf"]["pages"] == 3
    assert documents["acme.pdf"]["period"] == "FY2022"
    assert ended["status"] == "completed"
    assert (ended["counts"]["total"], ended["counts"]["succeeded"], ended["counts"]["failed"]) == (21, 6, 15)
    rows = collection.rows(query)
    assert [row["index"] for row in rows] == list(range(21))
    assert len({(row["document_id"], row["question_id"]) for row in rows}) == 21
    for row in rows:
        error = documents[row["document"]]["error"]
        assert row["error"] == error, row
        if error is None:
            assert row["status"] == "succeeded"
            assert row["evidence"]["pages"]
            assert row["timings"]["prompt_tokens"] > 0
    for row in rows:
        for citation in row["citations"]:
            page = collection.get(f"{collection.path}/documents/{row['document_id']}/pages/{citation['page']}")
            assert citation["quote"] in page["text"]


def test_rows_over_the_same_pages_follow_each_other_and_share_their_prompt(collection: CollectionClient) -> None:
    """Given one report and questions on the same pages, when asked, then later rows find most of the prompt cached."""
    collection.upload(acme_pdf=report("ACME", 120))
    query = collection.ask(questions=[f"What was revenue in 2022, version {number}?" for number in range(8)])
    assert collection.wait_ended(query)["counts"]["succeeded"] == 8
    rows = collection.rows(query)
    assert len({json.dumps(row["evidence"]["pages"]) for row in rows}) == 1
    cached = sorted(row["timings"]["cached_prompt_tokens"] / row["timings"]["prompt_tokens"] for row in rows)
    assert cached[4] > 0.5


def test_equal_questions_are_computed_once(collection: CollectionClient) -> None:
    """Given the same file under two names, when both are asked the same, then all rows are answered."""
    collection.upload(a_pdf=report("ACME", 120), b_pdf=report("ACME", 120))
    query = collection.ask(questions=QUESTIONS[:1])
    assert collection.wait_ended(query)["counts"]["succeeded"] == 2
    assert [row["document"] for row in collection.rows(query)] == ["a.pdf", "b.pdf"]


def test_events_bring_every_row_once_and_go_on_where_they_were(collection: CollectionClient) -> None:
    """Given a query, when its events are read, and again from the middle, then no row is missed or doubled."""
    collection.upload(acme_pdf=report("ACME", 120), broken_pdf=b"%PDF-1.4 broken")
    query = collection.ask(questions=QUESTIONS)
    events = _events(collection, f"{query}/events")
    rows = [json.loads(event.data) for event in events if event.event == "row"]
    assert sorted(row["index"] for row in rows) == list(range(6))
    assert events[-1].event == "completed"
    assert json.loads(events[-1].data)["counts"]["failed"] == 3
    assert {json.loads(event.data)["status"] for event in events if event.event == "document"} >= {"ready", "failed"}
    middle = [event for event in events if event.event == "row"][1]
    later = _events(collection, f"{query}/events", {"Last-Event-ID": middle.id})
    assert [json.loads(event.data) for event in later if event.event == "row"] == rows[2:]


def test_exports_hold_every_row_and_no_formula(collection: CollectionClient) -> None:
    """Given a query with a template, when exported, then rows and wide tables are whole and formulas are defused."""
    collection.upload(acme_pdf=report("ACME", 120))
    question = {"id": "evil", "text": "=HYPERLINK(1)?"}
    query = collection.ask(questions=[question], template="signals")
    ended = collection.wait_ended(query)
    table = collection.http.get(f"{query}/export", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert table.headers["content-type"].startswith("text/csv")
    assert len(rows) == ended["counts"]["total"] == 16
    assert [row["question"] for row in rows if row["question_id"] == "evil"] == ["'=HYPERLINK(1)?"]
    lines = collection.http.get(f"{query}/export", params={"format": "jsonl"}).text.splitlines()
    assert [json.loads(line) for line in lines] == collection.rows(query)
    wide = list(csv.DictReader(io.StringIO(collection.http.get(f"{query}/export", params={"layout": "wide"}).text)))
    assert len(wide) == 1
    assert {"document", "evil", "revenue", "revenue_value", "revenue_scale", "revenue_page", "revenue_quote"} <= set(
        wide[0]
    )
    assert wide[0]["sentiment"]


def test_failed_rows_alone_are_asked_again(collection: CollectionClient) -> None:
    """Given a query in which some rows failed, when retried, then a new query holds just these."""
    collection.upload(acme_pdf=report("ACME", 120))
    query = collection.ask(questions=["What was revenue?", "What of <<row-error>> revenue?"])
    assert collection.wait_ended(query)["counts"]["failed"] == 1
    response = collection.http.post(f"{query}/retry")
    assert response.status_code == 202
    assert response.json()["retry_of"] == query.rpartition("/")[2]
    collection.wait_ended(response.headers["Location"])
    assert [row["question_id"] for row in collection.rows(response.headers["Location"])] == ["q2"]


def test_a_cancelled_query_keeps_its_rows(collection: CollectionClient) -> None:
    """Given a long query, when cancelled midway, then finished rows stay and every other is accounted for."""
    collection.upload(acme_pdf=report("ACME", 120))
    collection.wait_ready()
    query = collection.ask(questions=[f"Question <<long>> {number} on revenue?" for number in range(150)])
    with collection.http.stream("GET", f"{query}/events") as response:
        for event in httpx_sse.EventSource(response).iter_sse():
            if event.event == "row":
                break
    collection.http.post(f"{query}/cancel")
    counts = collection.wait_ended(query)["counts"]
    assert counts["succeeded"] > 0
    assert counts["cancelled"] > 0
    assert counts["succeeded"] + counts["failed"] + counts["cancelled"] == counts["total"] == 150


def test_one_question_over_the_whole_collection(collection: CollectionClient) -> None:
    """Given two reports, when a question names one company, then the one row is about its report."""
    collection.upload(ACME_2022_10K_pdf=report("ACME", 120), BETA_2022_10K_pdf=report("Beta", 90))
    query = collection.ask(questions=["What was Beta's revenue in 2022?"], scope="collection")
    assert collection.wait_ended(query)["counts"]["total"] == 1
    row = collection.rows(query)[0]
    assert row["document"].startswith("BETA")
    assert {page["document"] for page in row["evidence"]["pages"]} == {row["document"]}


def test_killed_workers_lose_no_row_and_double_none(own_stack: Stack) -> None:
    """Given workers killed while they read and answer, when others go on, then all rows are there once."""
    collection = CollectionClient(own_stack.url)
    collection.upload(**{f"report{number}_pdf": report(f"Company{number}", 100 + number) for number in range(6)})
    own_stack.workers[0].send_signal(signal.SIGKILL)
    own_stack.workers[0].wait()
    own_stack.start_worker()
    collection.wait_ready()
    query = collection.ask(questions=[f"What was revenue <<long>> {number}?" for number in range(10)])
    with collection.http.stream("GET", f"{query}/events") as response:
        for event in httpx_sse.EventSource(response).iter_sse():
            if event.event == "row":
                break
    own_stack.workers[1].send_signal(signal.SIGKILL)
    own_stack.workers[1].wait()
    own_stack.start_worker()
    counts = collection.wait_ended(query)["counts"]
    assert counts["succeeded"] == counts["total"] == 60
    events = _events(collection, f"{query}/events")
    indices = [json.loads(event.data)["index"] for event in events if event.event == "row"]
    assert sorted(indices) == list(range(60))
    collection.http.close()


def _events(
    collection: CollectionClient, path: str, headers: dict[str, str] | None = None
) -> list[httpx_sse.ServerSentEvent]:
    with collection.http.stream("GET", path, headers=headers) as response:
        return list(httpx_sse.EventSource(response).iter_sse())
