"""The command line: LightningCLI, argument links, and where a run's config, checkpoints and logs are saved."""

import contextlib
import shutil
import signal
import sys
import traceback
from dataclasses import asdict, dataclass
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, RichProgressBar
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, WandbLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException

import rrnet_lightning.candidates.classifiers
import rrnet_lightning.candidates.ratings
import rrnet_lightning.candidates.retrieval
import rrnet_lightning.datamodules
import rrnet_lightning.module  # noqa: F401  (so that classes are found by their short names)
from rrnet_lightning.checkpoints import trained_config
from rrnet_lightning.cli.callbacks import SaveConfig
from rrnet_lightning.cli.checkpoint import BestCheckpoint
from rrnet_lightning.cli.configs import with_config_files
from rrnet_lightning.cli.devices import check_accelerator
from rrnet_lightning.cli.parser import Parser, check_class, check_group
from rrnet_lightning.cli.predictions import PredictionTable, PredictionWriter
from rrnet_lightning.cli.runs import WIDTHS, check_same_data, find_checkpoint, run_folder
from rrnet_lightning.cli.threads import Threads
from rrnet_lightning.cli.typed import check_own_options, check_run_folder, check_used, nulls, typed
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import OptionError, RRNetError, RunError


@dataclass
class Wandb:
    """Weights & Biases: offline unless asked otherwise; ``wandb sync`` sends an offline run later.

    Args:
        offline: keep everything on this machine; no account, no prompt.
        project: where runs are listed.
        name: of the run; None lets W&B choose one.
        group: give the runs of one experiment (its folds, say) one group.
        entity: account or team; None for your own.
    """

    offline: bool = True
    project: str = "rrnet_lightning"
    name: str | None = None
    group: str | None = None
    entity: str | None = None


USER_ERRORS = (
    RRNetError,
    MisconfigurationException,
    OSError,  # a place that cannot be read or written; its message names it
)


class RRNetCLI(LightningCLI):
    """``fit | validate | test | predict`` with data and model by class name; runs live under ``default_root_dir``."""

    def __init__(self, args: ArgsType = None) -> None:
        self._words = sys.argv[1:] if args is None else args if isinstance(args, list) else []
        super().__init__(
            save_config_callback=SaveConfig,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            parser_class=Parser,
            args=args,
        )

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # looked up on the object
        """Return the subcommand asked for alone: to build a parser takes a quarter of a second."""
        known = LightningCLI.subcommands()
        first = next(iter(self._words), None)
        return {first: known[first]} if first in known else known

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link the data's widths to the model and add checkpoints, predictions and W&B."""
        for width in WIDTHS:
            parser.link_arguments(f"data.{width}", f"model.init_args.{width}", apply_on="instantiate")
        parser.add_lightning_class_args(BestCheckpoint, "checkpoint")
        parser.set_defaults({"checkpoint.filename": "best", "checkpoint.enable_version_counter": False})
        parser.add_lightning_class_args(PredictionWriter, "predictions")
        parser.add_class_arguments(Wandb, "wandb")
        parser.add_argument("--threads", type=int | None, help="threads to use; null: as the graph wants")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Choose the run folder: that of the checkpoint to resume or test, else a new one."""
        if args is None or isinstance(args, list):
            self.config = parser.parse_args(with_config_files(nulls(self._words)))
        else:
            super().parse_arguments(parser, args)
        config = self.config[self.config.subcommand]
        for group in ("trainer", "checkpoint", "predictions", "wandb"):
            check_group(group, config[group])
        if not isinstance(config.seed_everything, int) or not 0 <= config.seed_everything < 2**32:
            raise OptionError(f"--seed_everything: found {config.seed_everything}, wanted 0 to {2**32 - 1}")
        if config.threads is not None and config.threads < 1:
            raise OptionError(f"--threads: found {config.threads}, wanted at least 1")
        check_accelerator(config.trainer.accelerator)
        for part in ("model", "data"):
            check_class(part, config[part] and config[part].as_dict())
        by_hand = typed(self._words)
        check_used(config.as_dict(), by_hand)
        root = user_path(config.trainer.default_root_dir or "runs")
        if self.config.subcommand != "fit" and not config.ckpt_path:
            raise RunError("--ckpt_path: none given, the weights would be random. Give a file, or `best` or `last`")
        checkpoint = find_checkpoint(config.ckpt_path, root) if config.ckpt_path else None
        self.folder = run_folder(root, checkpoint)
        if checkpoint:
            check_run_folder(self.folder, root, by_hand)
            check_same_data(checkpoint, config.data.as_dict())
            asked = {"model": config.model.as_dict()}
            asked |= {"seed_everything": config.seed_everything} if self.config.subcommand == "fit" else {}
            check_own_options(checkpoint, asked, by_hand)
        config.ckpt_path = checkpoint and str(checkpoint)
        config.trainer.default_root_dir = str(self.folder)
        config.checkpoint.dirpath = str(self.folder / "checkpoints")
        if self.config.subcommand == "predict":
            config.return_predictions = False  # they are streamed to a file instead

    def _parse_ckpt_path(self) -> None:
        """Take the model's options from the checkpoint of a run; one made in Python leaves them to the config."""
        checkpoint = self.config[self.config.subcommand].ckpt_path
        if checkpoint and trained_config(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)):
            super()._parse_ckpt_path()

    def before_instantiate_classes(self) -> None:
        """Set the number of threads before data are read."""
        self.threads = Threads(self.config[self.config.subcommand].threads)
        self.threads.start()

    def instantiate_classes(self) -> None:
        """Build data, model and trainer; what one of them refuses is said in its own words, not in the parser's."""
        try:
            super().instantiate_classes()
        except (TypeError, ValueError) as error:
            cause: BaseException = error
            while cause.__cause__ is not None and not isinstance(cause, USER_ERRORS):
                cause = cause.__cause__
            raise OptionError(str(cause)) from error

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """Add the callbacks of every run, and the loggers unless the user chose others."""
        trainer = self._get(self.config_init, "trainer")
        chosen = trainer.callbacks or []
        trainer.callbacks = [*(chosen if isinstance(chosen, list) else [chosen]), self.threads]
        if trainer.logger is None or trainer.logger is True:
            options = {
                name: value for name, value in asdict(self._get(self.config_init, "wandb")).items() if value is not None
            }
            dashboard = WandbLogger(save_dir=self.folder, id=self.folder.name, **options)
            kwargs["logger"] = [dashboard, CSVLogger(self.folder, name="metrics")]
        if trainer.logger is not False:
            trainer.callbacks += [LearningRateMonitor(), PredictionTable()]
        if trainer.enable_progress_bar is not False:
            trainer.callbacks += [RichProgressBar()]
        built = super().instantiate_trainer(**kwargs)
        # `save_last` saves only where the best was beaten; put after "best", so that it holds that one's state too
        last = ModelCheckpoint(
            self.folder / "checkpoints", filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        )
        built.callbacks.append(last)  # type: ignore[attr-defined]
        return built

    def fit(self, **kwargs: Any) -> None:
        """Train; a run that is refused before its first checkpoint leaves nothing, not even the logs of a start."""
        try:
            self.trainer.fit(**kwargs)
        except Exception as error:
            if is_users(error) and not any(self.folder.glob("checkpoints/*.ckpt")):
                if "wandb" in sys.modules:  # else it was never used, and loading it takes a second
                    sys.modules["wandb"].finish(exit_code=1)
                shutil.rmtree(self.folder, ignore_errors=True)
                with contextlib.suppress(OSError):  # other runs lie there
                    self.folder.parent.rmdir()
            raise


def is_users(error: Exception) -> bool:
    """Tell whether the user's input caused an error: ours, Lightning's of options, the system's of files, W&B's."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    lightning = isinstance(error, ValueError) and frame.f_globals.get("__name__", "").startswith("lightning.")
    return lightning or isinstance(error, USER_ERRORS) or from_wandb(error)


def from_wandb(error: Exception) -> bool:
    """Tell whether W&B refused something: a project's name, a missing key."""
    return type(error).__module__.startswith("wandb.")


def main(args: ArgsType = None) -> None:
    """Run the command line.

    Errors in the user's input end with a message and status 2, not with a traceback; SIGTERM ends with 143 = 128 + 15.
    """
    try:
        RRNetCLI(args)
    except SIGTERMException:
        sys.exit(128 + signal.SIGTERM)
    except BrokenPipeError:  # nobody reads on: no error of a file
        raise
    except Exception as error:
        if not is_users(error):
            raise
        message = str(error) if isinstance(error, RRNetError) else " ".join(str(error).split())
        print(f"error: {'--wandb: ' * from_wandb(error)}{message}", file=sys.stderr)
        sys.exit(2)
