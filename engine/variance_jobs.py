"""Estimators measured one after the other, or in processes side by side."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import torch

from engine.checkpoints import load_checkpoint
from engine.datasets.learned import learned_dataset
from engine.estimators.variants import build_variant
from engine.evaluation.bias import Truths
from engine.evaluation.variance import fixed_minibatches, measure, prepare

__all__ = ["Job", "Result", "run_job", "run_jobs"]

_queue: Any = None  # of a worker: gradients drawn


@dataclass(frozen=True)
class Job:
    """One estimator at one checkpoint; the fields are the options of `python -m engine variance`.

    Attributes:
        oracle_draws: gradients that stand in for the truth where it cannot be enumerated; 0 for
            none.
        data: where the user's own data are that the checkpoint learned from, if it did.
    """

    checkpoint: str
    key: str
    draws: int
    minibatches: int
    batch_size: int
    split: str
    fit_steps: int
    seed: int
    device: str
    oracle_draws: int
    data: str | None = None


@dataclass(frozen=True)
class Result:
    """What came of a job.

    Attributes:
        rows: of `measure`.
        summary: objective, unbiased, evaluations, fit_steps, seconds_per_draw, truth (what the
            bias is measured against, or None).
    """

    job: Job
    rows: list[dict[str, Any]]
    summary: dict[str, Any]


def run_job(job: Job, progress: Callable[[int], object] | None = None) -> Result:
    """Fit the estimator's state, then measure it.

    Raises:
        EngineError: there is no such checkpoint or data set, or one is broken.
        ValueError: the model's latents do not suit the estimator, or an option is out of range.
    """
    loaded = load_checkpoint(job.checkpoint, job.device)
    model = loaded.model
    estimator = build_variant(job.key, model)
    dataset = learned_dataset(loaded.card, job.data).to(job.device)
    batches = fixed_minibatches(dataset, job.minibatches, job.batch_size, job.seed, job.split)
    fitted = prepare(
        model,
        estimator,
        dataset,
        batch_size=job.batch_size,
        steps=job.fit_steps,
        seed=job.seed,
        split=job.split,
    )
    truths = Truths(model, job.oracle_draws, job.seed)
    seconds: dict[str, float] = {}
    rows = measure(
        model,
        {job.key: estimator},
        batches,
        draws=job.draws,
        seed=job.seed,
        progress=progress,
        seconds=seconds,
        truth=lambda _, one, x: truths.of(one, x),
    )
    summary = {
        "objective": estimator.objective,
        "unbiased": estimator.unbiased,
        "evaluations": estimator.evaluations,
        "fit_steps": fitted,
        "seconds_per_draw": seconds[job.key] / (job.draws * job.minibatches),
        "truth": truths.source or None,
    }
    return Result(job, rows, summary)


def run_jobs(
    jobs: Sequence[Job], processes: int, progress: Callable[[int], object]
) -> Iterator[Result]:
    """Each result when it is there.

    Args:
        jobs: in the order in which they are begun.
        processes: at a time, of one thread each; with 1 all happens in this one.
        progress: called with the number of gradients drawn.
    """
    if processes == 1:
        for job in jobs:
            yield run_job(job, progress)
        return
    context = multiprocessing.get_context("spawn")
    drawn = context.Queue()
    with ProcessPoolExecutor(
        min(processes, len(jobs)),
        context,
        initializer=_start,
        initargs=(drawn, torch.get_float32_matmul_precision()),
    ) as pool:
        waiting: set[Future[Result]] = {pool.submit(_work, job) for job in jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.25, return_when=FIRST_COMPLETED)
                _drain(drawn, progress)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _drain(drawn: Any, progress: Callable[[int], object]) -> None:
    while True:
        try:
            progress(drawn.get_nowait())
        except queue.Empty:
            return


def _start(drawn: Any, precision: str) -> None:
    """The arithmetic of the command itself: on some processors its matrix products differ."""
    global _queue
    _queue = drawn
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision(precision)
    torch.set_num_threads(1)  # two threads in two processes spin on each other's cores


def _work(job: Job) -> Result:
    return run_job(job, _queue.put)
