"""`make bench-peers`: makes an environment for each peer and the models they read; what cannot be made is named.

Runs that find everything made do nothing. Everything lies in .bench-venvs; the product's environment is not touched.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.bench.peers.install import install, is_installed
from tests.bench.peers.models import PEER_MODELS, make_model
from tests.bench.peers.places import PEERS, ROOT, log_path, models_dir
from tests.bench.peers.recipes import RECIPES
from tests.bench.report import print_table

_TORCH_INDEX = "https://download.pytorch.org/whl/cpu"


def main() -> None:
    """Make what is missing and print what is there; ends with 1 where something could not be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--model-dir", type=Path, default=ROOT / ".financellm" / "model", help="a prepared model")
    parser.add_argument("--only", nargs="+", choices=[recipe.name for recipe in RECIPES], help="only these")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="compilers at a time")
    parser.add_argument("--torch-index", default=os.environ.get("TORCH_INDEX", _TORCH_INDEX))
    arguments = parser.parse_args()
    model_dir = arguments.model_dir.resolve()
    wanted = arguments.only or [recipe.name for recipe in RECIPES]
    rows: list[tuple[str, str, float]] = []
    for recipe in RECIPES:
        if recipe.name not in wanted:
            continue
        start_s = time.monotonic()
        why = None
        if not is_installed(recipe):
            print(f"Installing {recipe.name}; the log is {log_path(recipe.name).relative_to(ROOT)}.", flush=True)
            why = install(recipe, arguments.torch_index, arguments.jobs)
        rows.append((recipe.name, why or "ready", time.monotonic() - start_s))
    for model in PEER_MODELS:
        if model.reader not in wanted:
            continue
        start_s = time.monotonic()
        why = make_model(model, model_dir)
        rows.append((f"model {model.name}", why or "ready", time.monotonic() - start_s))
    where = models_dir(model_dir).relative_to(ROOT)
    print_table(f"peers in {PEERS.name}, models in {where}", ["what", "state", "seconds"], rows)
    sys.exit(any(why != "ready" for _, why, _ in rows))


if __name__ == "__main__":
    main()
