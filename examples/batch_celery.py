"""Athletes as Celery tasks.

    pip install edn360-chatkit "celery[redis]"
    celery --app batch_celery worker --concurrency 8 --loglevel info
    python -c "from batch_celery import run; run.delay('athlete-1', {...})"

The broker is ``$CELERY_BROKER_URL``, the journals are in ``$JOURNALS``. At the level ``info``
the worker's log says why a task is started again; a missing API key is one of the reasons.
"""

# pyright: basic, reportMissingImports=false
import os
from typing import Any

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from one_athlete import run_athlete

from edn360_chatkit import APIConnectionError, ConfigurationError, WorkflowTimeoutError

app = Celery("athletes", result_backend=os.environ.get("CELERY_RESULT_BACKEND"))
# A task is acknowledged after the answer, so that the task of a killed worker is started again.
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)


@app.task(
    # These end the task and not the run: the next attempt takes it up. The journal is in use while
    # another worker still has the task, which is a ConfigurationError.
    autoretry_for=(
        SoftTimeLimitExceeded,
        APIConnectionError,
        ConfigurationError,
        WorkflowTimeoutError,
    ),
    retry_backoff=True,
    max_retries=20,
    soft_time_limit=int(os.environ.get("SOFT_TIME_LIMIT", "600")),
)
def run(key: str, edn360_input: dict[str, Any]) -> dict[str, Any]:
    """Run the workflow for one athlete."""
    return run_athlete(key, edn360_input, os.environ["JOURNALS"], {})
