"""What is asked on the page, and how."""

from playwright.sync_api import Page

KEY = "correct-horse"
QUESTION = "By how much did revenue grow?"
CONTEXT = "Revenue was $120.5 million in 2023 and $100.0 million in 2022."


def ask(page: Page, question: str, context: str = "") -> None:
    page.get_by_label("Question").fill(question)
    page.get_by_label("Text to answer from").fill(context)
    page.get_by_role("button", name="Ask", exact=True).click()
