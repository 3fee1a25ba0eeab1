"""`python -m tests.bench.evidence --data DATA`: tokens a prompt and TAT-QA dev scores at each level of evidence.

The model was trained on prompts of the level `balanced`; the others show what selecting less or more costs it.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from tests.bench.dev_scores import COLUMNS, LEVELS, MODEL_DIR, dev_questions, dev_scores
from tests.bench.report import print_line, print_table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Folder with tatqa/dev.json.")
    parser.add_argument("--model-dir", type=Path, default=MODEL_DIR)
    parser.add_argument("--questions", type=int, default=324)
    options = parser.parse_args()
    scores = {
        name: dev_scores(options.model_dir, dev_questions(options.data, options.questions, budget), budget)
        for name, budget in LEVELS.items()
    }
    rows = [(name, *score.cells()) for name, score in scores.items()]
    print_table(f"TAT-QA dev, {options.questions} questions, by level of evidence", ("level", *COLUMNS), rows)
    print_line("evidence", questions=options.questions, levels={name: asdict(score) for name, score in scores.items()})


if __name__ == "__main__":
    main()
