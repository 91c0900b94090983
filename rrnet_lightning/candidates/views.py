"""Feature files become views: each says who is asked and who is evidence in the space of one backbone.

A backbone has seen the labels of its training samples, so their scores are better than those of new samples. Stage two
must not learn from them as questions, only as evidence, as at test. So it is asked about samples of folds that the
backbone was trained without. To test on fold t:

    the final view, backbone trained without t: fold t is asked (TEST), all other folds are evidence (TRAIN);
    a training view, backbone trained without t and f: fold f is asked (HELD), the folds seen are evidence (TRAIN), and
    fold t is in none of it.

All features and scores of a view come from one backbone. Spaces of different backbones do not mix: neighbours are
sought inside a view only. Scores and similarities mean the same in all views, so what is learnt in one holds in the
others. Where one backbone leaves out several folds (CIFAR: one each to train on, to validate and to test), one view
holds them all.

This is the mechanism of :mod:`.contract`, with a file for the output of each fitted generator.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from rrnet_lightning.candidates.features import Features, read_features
from rrnet_lightning.candidates.samples import HELD, MIN_LOG_PROB, TEST, TRAIN, UNLABELLED, VAL, ScoredSamples
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import DataError, program

BACKBONES = {  # options of the command that makes features of a data set
    "esc10": "--config backbone_logmel_esc10",
    "esc50": "--config backbone_logmel_esc50",
    "cifar10": "--config backbone_small_cifar10 --sets 1,2,3",
    "cifar100": "--config backbone_small_cifar10 --data.dataset cifar100 --model.backbone.classes 100 --sets 1,2,3",
}
SHARED = ("dataset", "backbone", "recipe", "names", "ids", "label", "fold")  # by all files of one cross-fitting


def feature_views(
    folder: str | Path,
    test_fold: int,
    val_fold: int | None = None,
    *,
    transductive: bool = False,
    cross_fit: bool = True,
    backbone: str | None = None,
    checksum: str | None = None,
) -> list[ScoredSamples]:
    """Read the views for one test fold from the feature files of a cross-fitting; the final view comes last.

    A sample has a role only in the views that may use it. In training views the test fold and, where the backbone saw
    it, the validation fold are UNLABELLED: neither asked nor evidence. The final view holds all samples.

    Args:
        folder: holds feature files, ``.npy`` with ``.json``, as ``predict`` and ``crossfit`` write them.
        test_fold: asked in test.
        val_fold: asked in validation; None for no validation.
        transductive: keep UNLABELLED samples in training views, as possible neighbours; else their rows are dropped.
        cross_fit: False is the paper's setting: the final view alone, whose TRAIN samples ask themselves, although
            their scores come from a backbone that saw their labels.
        backbone: class name that the files must be of; None for any.
        checksum: digest of the weights that the final view must be of; None for any.

    Raises:
        DataError: no files, one without its other half, or none without the test fold (the command to run is
            named); files of different cross-fittings; another backbone or checksum than wanted; a fold that is not
            there, or none to train or to validate on; a class without evidence.
    """
    files = test_files(folder, test_fold, backbone=backbone, checksum=checksum)
    return views_of(files, test_fold, val_fold, transductive=transductive, cross_fit=cross_fit)


def views_of(
    files: Mapping[Path, Features],
    test_fold: int,
    val_fold: int | None = None,
    *,
    transductive: bool = False,
    cross_fit: bool = True,
) -> list[ScoredSamples]:
    """Make the views of :func:`feature_views` from files that :func:`test_files` has read."""
    folder, final = next(iter(files)).parent, list(files.values())[-1]
    folds = final.fold.unique().tolist()
    if val_fold is not None and (val_fold not in folds or val_fold == test_fold):
        raise DataError(f"val_fold: found {val_fold}, wanted one of {folds} other than fold {test_fold}, the test's")
    used = list(files.items())[0 if cross_fit else -1 :]
    views = [
        _view(path, features, test_fold, val_fold, transductive, cross_fit, features is final)
        for path, features in used
    ]
    if cross_fit and not any((view.role == HELD).any() for view in views):
        raise DataError(
            f"{folder}: found no features of a backbone trained without fold {test_fold} and another, wanted some to "
            f"train on. Run: {make(folder, final.dataset)}; or set cross_fit to false, the paper's setting"
        )
    if val_fold is not None and not any((view.role == VAL).any() for view in views):
        raise DataError(
            f"val_fold: found {val_fold}, which every backbone without fold {test_fold} has seen, wanted a fold left "
            "out with it. Set val_fold to null, or cross_fit to true with files of pairs of folds"
        )
    return views


def make(folder: str | Path, dataset: str | None) -> str:
    """Return a command that makes feature files: of a shipped backbone where the data set has one."""
    return f"{program()} crossfit {BACKBONES.get(dataset or '', '--config <your backbone>')} --out {folder}"


def test_files(
    folder: str | Path,
    test_fold: int,
    *,
    dataset: str | None = None,
    backbone: str | None = None,
    checksum: str | None = None,
) -> dict[Path, Features]:
    """Read the feature files of backbones trained without the test fold, the final view's last; see `feature_views`.

    The data set is for the message where there are no files.
    """
    files = _read_folder(user_path(folder), dataset)
    first = next(iter(files.values()))
    folds, dataset = first.fold.unique().tolist(), first.dataset
    if test_fold not in folds:
        raise DataError(f"fold: found {test_fold}, wanted one of {folds}, the folds of the features in {folder}")
    without = {path: features for path, features in files.items() if test_fold in features.left_out}
    if not without:
        raise DataError(
            f"{folder}: found no features of a backbone trained without fold {test_fold}. Run: {make(folder, dataset)}"
        )
    order = sorted(without, key=lambda path: (-len(without[path].left_out), without[path].left_out))
    path, final = order[-1], without[order[-1]]
    if len(order) > 1 and len(without[order[-2]].left_out) == len(final.left_out):
        raise DataError(
            f"{folder}: found {order[-2].name} and {path.name} without fold {test_fold} and equally many others, "
            f"wanted one file with the fewest folds left out, to test on. Run: {make('<new folder>', dataset)}"
        )
    for field, wanted, found in (("backbone", backbone, final.backbone), ("checksum", checksum, final.checksum)):
        if wanted is not None and found != wanted:
            raise DataError(
                f"{path}: features made by another backbone than the config names: found {field} {found}, wanted "
                f"{wanted}. Correct --data.{field} or --data.features, or make features of that backbone"
            )
    return {path: without[path] for path in order}


def _read_folder(folder: Path, dataset: str | None) -> dict[Path, Features]:
    paths = sorted({path.with_suffix(".npy") for path in folder.glob("*") if path.suffix in (".npy", ".json")})
    if not paths:
        found = "no feature files (.npy with .json)" if folder.is_dir() else "no such folder"
        raise DataError(f"features: {folder}: {found}. Run: {make(folder, dataset)}; or correct --data.features")
    files = {path: read_features(path) for path in paths}
    first = files[paths[0]]
    for path, features in files.items():
        for field in SHARED:
            if not _same(getattr(first, field), getattr(features, field)):
                raise DataError(
                    f"{folder}: {paths[0].name} and {path.name} differ in {field}, wanted the files of one "
                    "cross-fitting. Move the others into a folder of their own"
                )
    return files


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.equal(other)
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return list(one) == list(other)
    return one == other


def _view(
    path: Path,
    features: Features,
    test_fold: int,
    val_fold: int | None,
    transductive: bool,
    cross_fit: bool,
    final: bool,
) -> ScoredSamples:
    fold, left_out = features.fold, features.left_out
    role = torch.full_like(fold, TRAIN)
    for number in left_out:
        role[fold == number] = HELD if cross_fit else UNLABELLED
    role[fold == test_fold] = TEST if final else UNLABELLED
    if val_fold in left_out:
        role[fold == val_fold] = VAL
    elif val_fold is not None and (role == HELD).any():  # training must not learn from the answers that choose weights
        role[fold == val_fold] = UNLABELLED
    without = set(range(len(features.names))) - set(features.label[role == TRAIN].tolist())
    if without:
        name = features.names[min(without)]
        raise DataError(
            f"{path}: found no sample of class {name!r} to be evidence ({len(without)} such classes), wanted at "
            "least one of each. Choose other folds, or complete the data"
        )
    view = ScoredSamples(
        features=features.features,
        log_probs=features.logits.float().log_softmax(1).clamp(min=MIN_LOG_PROB),
        label=features.label,
        role=role,
        names=features.names,
        ids=features.ids,
        row=torch.arange(len(fold)),
        space=features.checksum,
    )
    return view if final or transductive else view.without_unlabelled()
