"""Fixtures that several test files share."""

import contextlib
import gc
from pathlib import Path

import pytest

import models
from bgrl import tasks
from bgrl.backends import cpp
from tests.generator import Generator

FIXTURES = Path(__file__).parent / "fixtures"


def pytest_collection_finish():
    """What was imported stays, and need not be looked at whenever garbage is collected."""
    gc.collect()
    gc.freeze()
    # A network is thousands of small objects that live on: looking through them more rarely pays.
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="session", autouse=True)
def _generator():
    """C++ is generated in forks of one process."""
    with pytest.MonkeyPatch.context() as patch, contextlib.closing(Generator()) as generator:
        patch.setattr(cpp, "run_generator", generator)
        yield


@pytest.fixture(scope="session")
def small_agent():
    """A small float64 agent in a short memory task, two replicates."""

    def make(
        task="memory_chain", replicates=2, units=5, dtype="float64", settings=None, **learning
    ):
        settings = {"length": 3} if task == "memory_chain" and settings is None else settings or {}
        return models.agent(
            "rtrrl", tasks.make(task, **settings), units, replicates, dtype, **learning
        )

    return make
