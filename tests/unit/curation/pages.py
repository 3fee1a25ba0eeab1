"""A page with a table and a paragraph, and TAT-QA contexts over it."""

from typing import Any

GRID = [
    ["", "Years ended December 31,", ""],
    ["(in thousands)", "2019", "2018"],
    ["Net sales", "$1,200", "$1,000"],
    ["Cost of sales", "(700)", "(640)"],
    ["Research", "90", "55"],
    ["Tax", "200", "—"],
]
TEXT = "Net sales rose because of the acquisition of Acme in March, and prices were stable through the year."


def context(question: dict[str, Any]) -> dict[str, Any]:
    base = {"uid": "q", "order": 1, "derivation": "", "answer_from": "table", "scale": "", "rel_paragraphs": []}
    return {
        "table": {"uid": "t", "table": GRID},
        "paragraphs": [{"uid": "p", "order": 1, "text": TEXT}],
        "questions": [{**base, **question}],
    }
