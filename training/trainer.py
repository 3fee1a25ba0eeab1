"""One training run: steps, learning rate, checkpoints and the adapter it ends with."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from training.adapter_export import RunSummary, current_revision, export_adapter
from training.adapter_start import load_adapter
from training.batches import Step, StepPlan
from training.examples import Example, ExampleSet
from training.loss_curve import draw_loss_curve
from training.loss_log import LossLog, StepRecord
from training.packed_model import PackedQwen2
from training.recipe import OptimizerSettings, Recipe, Schedule
from training.run_state import CHECKPOINTS_FOLDER, Checkpoints, RunIdentity, RunPosition

ADAPTER_FOLDER = "adapter"
CURVE_NAME = "loss.png"


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Says when to stop before the end: at a deadline (monotonic seconds) or when asked to."""

    deadline_s: float
    is_stopped: Callable[[], bool]

    def reached(self) -> bool:
        """Tell whether no further step may begin."""
        return self.is_stopped() or time.monotonic() >= self.deadline_s


class Trainer:
    """Trains a model's adapter on planned steps; two runs of the same identity on one machine give equal losses."""

    def __init__(
        self,
        recipe: Recipe,
        rows: ExampleSet,
        examples: list[Example],
        model: PackedQwen2,
        identity: RunIdentity,
        out: Path,
    ) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._recipe = recipe
        self._rows = rows
        self._examples = examples
        self._model = model
        self._identity = identity
        self._out = out
        # Of the code that runs: a tree may be edited while a run of hours goes on.
        self._git_revision = current_revision()
        self._plan = StepPlan(examples, recipe.packing, recipe.seed, recipe.source_repeats)
        self._epochs = [self._plan.steps(epoch) for epoch in range(recipe.epochs)]
        self._checkpoints = Checkpoints(out / CHECKPOINTS_FOLDER, identity)
        self._log = LossLog(out)
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimizer = _optimizer(self._parameters, recipe.optimizer)
        torch.manual_seed(recipe.seed)
        model.reset_adapter(recipe.seed)
        if recipe.start_folder is not None:
            scale = recipe.adapter.alpha / recipe.adapter.rank
            load_adapter(model, recipe.start_folder, scale, identity.base_sha256)
        position = self._checkpoints.restore(model, self._optimizer)
        self.steps_done = position.steps_done
        self._records = self._log.cut(self.steps_done)
        self._elapsed_before_s = position.elapsed_s
        self._started_s = time.monotonic()

    @property
    def planned_steps(self) -> int:
        """Return the optimiser steps of the whole run."""
        return sum(len(epoch) for epoch in self._epochs)

    @property
    def records(self) -> list[StepRecord]:
        """Return every step so far, those before a resume included."""
        return list(self._records)

    def run(self, limits: RunLimits, report: Callable[[StepRecord], None]) -> RunSummary:
        """Train to the end or to a limit, leave a checkpoint, the curve and the adapter, and say what was done."""
        saved_s = time.monotonic()
        while self.steps_done < self.planned_steps and not limits.reached():
            record = self._step()
            self._records.append(record)
            self._log.append(record)
            report(record)
            if time.monotonic() - saved_s >= self._recipe.checkpoint_minutes * 60:
                self._save()
                saved_s = time.monotonic()
        self._save()
        summary = self._summary()
        export_adapter(
            self._out / ADAPTER_FOLDER, self._model, self._recipe, self._identity, summary, self._git_revision
        )
        return summary

    def _step(self) -> StepRecord:
        epoch, step = self._locate(self.steps_done)
        packs = self._plan.build(step)
        rate = learning_rate(self._recipe.optimizer, self.steps_done, self.planned_steps)
        loss = self._accumulate(packs)
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self._recipe.optimizer.max_grad_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._model.refresh_adapter()
        self.steps_done += 1
        trees = [tree for pack in packs for tree in pack]
        return StepRecord(
            step=self.steps_done,
            epoch=epoch,
            loss=loss,
            learning_rate=rate,
            grad_norm=float(norm),
            rows=sum(len(tree) for pack in step for tree in pack),
            example_tokens=sum(tree.example_tokens for tree in trees),
            computed_tokens=sum(tree.tokens for tree in trees),
            answer_tokens=sum(len(tree.label_ids) for tree in trees),
            elapsed_s=round(self._elapsed_s(), 3),
        )

    def _accumulate(self, packs: Step) -> float:
        answer_tokens = sum(len(tree.label_ids) for pack in packs for tree in pack)
        total = 0.0
        for pack in packs:
            loss = self._model(pack, answer_tokens)
            loss.backward()
            total += loss.item()
        if not math.isfinite(total):
            raise FloatingPointError(f"The loss became {total} in step {self.steps_done + 1}; lower the learning rate.")
        return total

    def _locate(self, number: int) -> tuple[int, list[list[list[int]]]]:
        for epoch, steps in enumerate(self._epochs):
            if number < len(steps):
                return epoch, steps[number]
            number -= len(steps)
        raise IndexError(number)

    def _save(self) -> None:
        if self.steps_done:
            self._checkpoints.save(RunPosition(self.steps_done, self._elapsed_s()), self._model, self._optimizer)
            draw_loss_curve([record.loss for record in self._records], self._out / CURVE_NAME)

    def _elapsed_s(self) -> float:
        return self._elapsed_before_s + time.monotonic() - self._started_s

    def _summary(self) -> RunSummary:
        last = self._records[-20:]
        answers = sum(record.answer_tokens for record in last)
        return RunSummary(
            completed=self.steps_done == self.planned_steps,
            steps=self.steps_done,
            planned_steps=self.planned_steps,
            rows=len(self._examples),
            rows_too_long=self._rows.rows_too_long,
            example_tokens=sum(record.example_tokens for record in self._records),
            computed_tokens=sum(record.computed_tokens for record in self._records),
            final_loss=sum(record.loss * record.answer_tokens for record in last) / answers if answers else math.nan,
            elapsed_s=round(self._elapsed_s(), 1),
        )


def learning_rate(settings: OptimizerSettings, step: int, steps: int) -> float:
    """Return the rate of a step counted from 0: linear warm-up, then a linear or cosine fall to `final_share`."""
    warmup = max(1, round(settings.warmup_share * steps))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - 1 - warmup)
    share = 1 - progress if settings.schedule is Schedule.LINEAR else (1 + math.cos(math.pi * progress)) / 2
    return settings.learning_rate * (settings.final_share + (1 - settings.final_share) * share)


def _optimizer(parameters: list[torch.nn.Parameter], settings: OptimizerSettings) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        parameters,
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
        fused=True,
    )
