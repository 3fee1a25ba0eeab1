"""What one script prints in processes whose environment differs in one variable."""

import os
import subprocess
import sys
from collections.abc import Sequence


def script_outputs(script: str, arguments: Sequence[str], variable: str, values: Sequence[str]) -> set[bytes]:
    """Run the script once for each value; return the different outputs. Raises CalledProcessError where one fails."""
    return {
        subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env=os.environ | {variable: value},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for value in values
    }
