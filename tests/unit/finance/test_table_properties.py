"""Tables and contexts from anybody: any grid and any text is read."""

from hypothesis import given
from hypothesis import strategies as st

from common.contexts import parse_context
from common.evidence import select_evidence
from common.finance_requests import context_request
from common.finance_tasks import Task
from common.tables import Table

CELLS = st.text(alphabet="0123456789.,()$%- |\tabcYZ\u2013\u00a0\n", max_size=12) | st.text(max_size=8)
GRIDS = st.lists(st.lists(CELLS, max_size=6), max_size=8)
CONTEXTS = st.text(alphabet="ab 0123456789.,|-\n$()", max_size=300) | st.text(max_size=100)


@given(GRIDS)
def test_any_grid_is_a_table(grid: list[list[str]]) -> None:
    """Given any grid, when read either way, then every row has a cell for each column and the text can be made."""
    for table in (Table.from_cells(grid), Table.with_header(grid)):
        assert all(len(row.cells) == len(table.columns) for row in table.rows)
        assert isinstance(table.text(), str)
        assert table.text(frozenset()) == table.title


@given(st.text(max_size=60), CONTEXTS)
def test_any_context_gives_a_prompt(question: str, context: str) -> None:
    """Given any question and context, when evidence is selected and a prompt made, then nothing is raised."""
    document = parse_context(context)
    assert isinstance(select_evidence(question, document).text, str)
    for task in Task:
        assert context_request(question, context, task, 16).messages
