"""One athlete as a task of an engine, such as Dask or Celery, which may start it again.

Each athlete has a journal, in a folder that all workers share. A task that is started again finds
there what the killed one had begun: it sends nothing a second time, and takes the run up.
"""

from pathlib import Path
from typing import Any

from edn360_chatkit import ChatKitClient


def run_athlete(
    key: str, edn360_input: dict[str, Any], journals: str, settings: dict[str, Any]
) -> dict[str, Any]:
    """Run the workflow for one athlete, and return the program as JSON data.

    Args:
        key: The athlete's key, which names the journal.
        edn360_input: The athlete's data.
        journals: The folder of the journals.
        settings: The client's settings. The key is not among them: each worker has it in its
            environment, as ``$EDN360_OPENAI_API_KEY``.

    Raises:
        ChatKitError: The run failed, or can't be continued now.
    """
    Path(journals).mkdir(parents=True, exist_ok=True)
    with ChatKitClient(**settings) as client:
        journal = Path(journals) / f"{key}.db"
        (result,) = client.run_many([(key, edn360_input)], journal=journal)
    if result.response is None:
        assert result.error is not None
        raise result.error
    return result.response.program.model_dump(mode="json", exclude_unset=True)
