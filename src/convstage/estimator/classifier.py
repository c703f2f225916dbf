"""A network as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, assert_all_finite, check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ..calibration import softmax
from ..computing import quiet_torch
from ..config import Config, make_config
from ..data.augment import Flip
from ..data.images import Channels, Resize
from ..data.pixel_rows import Images, PixelRows
from ..errors import ConfigError, DataError
from ..pattern import Pattern
from ..predict import batch_for, forward
from ..recipe import default_batch, default_pattern
from ..shifts import choose_shifts
from ..text import size
from .fitting import train_in_memory
from .inputs import Array, as_files, geometry_of, read, shape_of, wanted_shape
from .labels import labelled
from .samples import Samples, in_memory
from .state import from_plain, load_file, save_file, to_plain

Floats = npt.NDArray[np.float64]

#: The parameters that are settings of a training under the same name; `convstage.Config` has their limits.
SETTINGS = (
    *("epochs", "batch_size", "learning_rate", "weight_decay", "clip_norm", "label_smoothing", "ema", "tta"),
    *("augment", "shift", "rotate", "zoom", "brightness", "contrast", "flip"),
    *("channels", "resize", "val", "monitor", "patience", "device", "threads"),
)


class ConvNetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A convolutional network as a scikit-learn classifier.

    It is trained by the recipe of `convstage.train`, in memory. Parameters that
    `convstage.Config` has as well mean the same, and have the same defaults and limits.

    Parameters
    ----------
    pattern : str or Pattern, optional
        Layer pattern; chosen from the image size when not given.
    image_shape : (int, int) or (int, int, int), optional
        Height and width, and perhaps channels, of the images in the rows of a 2-D `X`, or
        that files are brought to. Not given, it is what the pattern's ``INPUT(…)`` says; or
        a row of 9, 16, 25, … features is a square image, and any other an image of
        one row; files keep a common size up to 64, others become square, 224 at most.
    epochs : int
        Passes over the training images.
    batch_size : int, optional
        Images per step; 64 for small images, else 32.
    learning_rate : float
        Largest learning rate of the schedule.
    weight_decay : float
        Decoupled weight decay; biases have none.
    clip_norm : float
        Gradients longer than this are shortened to it.
    label_smoothing : float
        Share of the target spread evenly over all classes.
    ema : float
        Decay per step of a moving average of the weights, kept in their place; 0: none.
    tta : int
        Views of an image in prediction, each shifted a little; 5 or 9; 1: as it is.
    augment : bool
        Vary the training images a little, as the next parameters say; for rows of features that
        are no images, False.
    shift, rotate, zoom, brightness, contrast : float
        Largest shift, as a share of the side; turn, in degrees; change of scale; of brightness, in
        standard deviations; of contrast.
    flip : {"none", "horizontal", "vertical", "both"}
        Mirror half of the images.
    class_weight : dict or "balanced", optional
        Factor of each class's loss; balanced: in inverse proportion to the sum of its sample weights.
    early_stopping : bool
        Hold out a share of the images, stratified by class; keep the epoch that is best on them,
        and stop when none is better any more. Otherwise all images are trained with, in all epochs.
    val : float
        The share that is held out.
    monitor : {"balanced_accuracy", "accuracy", "loss"}
        Figure of the held-out images that picks the best epoch; ties go to the lower loss.
    patience : int
        Epochs without a better figure until training stops.
    channels : {"auto", "binary", "grey", "colour"}
        How files are read.
    resize : {"stretch", "crop", "pad"}
        What happens to files of other proportions.
    random_state : int, RandomState or None
        Fixes the weights, the order and variation of the images, and what is held out; an int is the
        seed of `convstage.train`.
    device : str
        cpu, cuda, or auto: cuda where there is one.
    threads : int, optional
        Processor threads; all when not given.
    verbose : bool
        Show a progress bar and a line per epoch, on stderr.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        The labels, sorted.
    n_features_in_ : int
        Height × width × channels of an image.
    feature_names_in_ : ndarray of str
        Names of the columns, where `X` was a table that has them.
    image_shape_ : (int, int, int)
        Height, width, channels.
    geometry_ : Geometry or None
        How files become images; None where it was fitted to arrays.
    standardisation_ : Standardisation
        What values are shifted and scaled by, per channel, measured on the training images.
    plan_ : Plan
        The account of the network: every layer's size, parameters and cost.
    network_ : Network
        The trained network, a `torch.nn.Module`.
    history_ : list of dict
        One line per epoch.
    best_epoch_ : int
        The epoch that is kept; without early stopping the last.

    Notes
    -----
    Rows that are the same, with the same label, are one image with the sum of their weights;
    the order of the rows makes no difference to the result.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = ConvNetClassifier("INPUT -> CONV(8) -> RELU -> POOL -> CLASSIFIER", epochs=4, augment=False,
    ...                           learning_rate=0.02, random_state=0).fit(X[:400], y[:400])
    >>> model.image_shape_, model.predict(X[-3:]).shape
    ((8, 8, 1), (3,))
    >>> model.score(X[400:800], y[400:800]) > 0.8
    True
    """

    def __init__(
        self,
        pattern: str | Pattern | None = None,
        *,
        image_shape: tuple[int, ...] | None = None,
        epochs: int = 30,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        clip_norm: float = 1.0,
        label_smoothing: float = 0.0,
        ema: float = 0.0,
        tta: int = 1,
        augment: bool = True,
        shift: float = 0.08,
        rotate: float = 8.0,
        zoom: float = 0.1,
        brightness: float = 0.1,
        contrast: float = 0.1,
        flip: Flip = "none",
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        early_stopping: bool = False,
        val: float = 0.15,
        monitor: Literal["balanced_accuracy", "accuracy", "loss"] = "balanced_accuracy",
        patience: int = 12,
        channels: Channels | Literal["auto"] = "auto",
        resize: Resize = "stretch",
        random_state: Any = None,
        device: str = "auto",
        threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.pattern = pattern
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.label_smoothing = label_smoothing
        self.ema = ema
        self.tta = tta
        self.augment = augment
        self.shift = shift
        self.rotate = rotate
        self.zoom = zoom
        self.brightness = brightness
        self.contrast = contrast
        self.flip = flip
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.val = val
        self.monitor = monitor
        self.patience = patience
        self.channels = channels
        self.resize = resize
        self.random_state = random_state
        self.device = device
        self.threads = threads
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Train a network.

        Parameters
        ----------
        X : array, shape (n, features), (n, height, width) or (n, height, width, channels), or list of paths
            Numbers of any type and range, none of them missing; or image files, which are read and
            brought to one size.
        y : array, shape (n,)
            Labels: texts, numbers, …
        sample_weight : array, shape (n,), optional
            Each image's loss is multiplied by its weight.

        Returns
        -------
        ConvNetClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            What scikit-learn demands of `X`, `y` and weights is not so; its subclasses:
        ConfigError, PatternError
            A parameter that is impossible, or a pattern that does not fit the images.
        DataError
            A file that cannot be read; images of another shape; fewer than two classes, or too few images.
        TrainingError
            A loss that is not finite.
        """
        config = self.settings(self._seed())
        pattern = self.pattern if isinstance(self.pattern, Pattern) else None
        if pattern is None and config.pattern is not None:
            pattern = Pattern(config.pattern)
        images, y = self._read(X, y, config, pattern)
        known = labelled(y, images, sample_weight, self.class_weight)
        self.classes_ = known.classes

        height, width, _ = self.image_shape_
        pattern = pattern or Pattern(default_pattern(height, width))
        plan = pattern.plan(self.image_shape_, len(known.classes))
        config = config.model_copy(update={"batch_size": config.batch_size or default_batch(height, width)})
        dataset = in_memory(
            images,
            Samples.of(images, known.labels, known.weights),
            tuple(map(str, known.classes)),
            val=config.val if self.early_stopping else None,
            seed=config.seed,
        )
        fitted = train_in_memory(dataset, plan, config, verbose=bool(self.verbose))
        self.plan_ = plan
        self.network_ = fitted.network
        self.standardisation_ = dataset.standardisation
        self.shifts_ = choose_shifts(config.tta, height, width)
        self.history_ = fitted.history
        self.best_epoch_ = fitted.best_epoch
        return self

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return the label of each image, shape (n,)."""
        logits = self._logits(X)
        return np.asarray(self.classes_[logits.argmax(axis=1)])

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """Return the probability of every class, shape (n, classes), in the order of `classes_`."""
        return softmax(self._logits(X))

    def decision_function(self, X: Any) -> Floats:  # noqa: N803
        """Return the logits, shape (n, classes); of two classes the second's log-odds, shape (n,)."""
        logits = self._logits(X)
        return np.asarray(logits[:, 1] - logits[:, 0]) if len(self.classes_) == 2 else logits

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator into one file: safetensors, with a digest.

        Raises
        ------
        ConfigError
            Labels or parameters that are neither texts nor numbers.
        WriteError
            It cannot be written; the old file stays.
        """
        check_is_fitted(self)
        save_file(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> Self:
        """Return an estimator that `save` has written.

        Parameters
        ----------
        path : path
        device : str
            Where to compute.

        Raises
        ------
        RunError
            The file is missing, damaged, or another one.
        """
        return load_file(cls, Path(path), device)

    def settings(self, seed: int = 0) -> Config:
        """Return the parameters as the settings of a training; of `random_state` comes the seed.

        Raises
        ------
        ConfigError
            One that is impossible.
        """
        chosen = {name: getattr(self, name) for name in SETTINGS}
        # Numbers as NumPy has them, which a search over parameters may propose, are as good as Python's.
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in chosen.items()}
        return make_config(**plain, pattern=self.pattern, seed=seed, balance="off")

    def _seed(self) -> int:
        if not isinstance(self.random_state, Integral):
            return int(check_random_state(self.random_state).randint(2**31 - 1))
        if not 0 <= int(self.random_state) < 2**32:
            raise ConfigError(f"random_state = {self.random_state}: expected 0 to 2**32 - 1, a RandomState, or None.")
        return int(self.random_state)

    def _read(self, X: Any, y: Any, config: Config, pattern: Pattern | None) -> tuple[Array, Array]:  # noqa: N803
        """Return images, shape (n, height, width, channels), and labels; note what the images are like."""
        wanted = wanted_shape(self.image_shape) or (pattern.image if pattern else None)
        paths = as_files(X)
        if paths is None:
            images, y = validate_data(self, X, y, allow_nd=True)
            self.geometry_ = None
            self.image_shape_ = shape_of(images, wanted)
            images = images.reshape(len(images), *self.image_shape_)
        else:
            y = column_or_1d(y, warn=True)
            check_consistent_length(paths, y)
            if y.dtype.kind == "f":
                assert_all_finite(y, input_name="y")
            channels = None if config.channels == "auto" else config.channels
            self.geometry_ = geometry_of(paths, wanted, channels, config.resize)
            self.image_shape_ = self.geometry_.shape
            images = read(paths, self.geometry_)
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        self.n_features_in_ = int(np.prod(self.image_shape_))
        return images, y

    def _logits(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        images = self._images(X)
        pixels = PixelRows(cast(Images, images), np.arange(len(images)))
        with quiet_torch(self.threads):
            batch = batch_for(self.plan_)
            return np.concatenate(list(forward(self.network_, self.standardisation_, pixels, batch, self.shifts_)))

    def _images(self, X: Any) -> Array:  # noqa: N803
        """Return images to predict, shape (n, height, width, channels)."""
        paths = as_files(X)
        if paths is not None:
            if self.geometry_ is None:
                raise DataError("X is a list of files, and the estimator was fitted to arrays.\nGive it arrays.")
            return read(paths, self.geometry_)
        given = X if hasattr(X, "ndim") else np.asarray(X)
        if given.ndim <= 2:
            images = validate_data(self, given, reset=False)
        else:
            images = check_array(given, allow_nd=True, estimator=self, input_name="X")
            if (shape := shape_of(images, None)) != self.image_shape_:
                raise DataError(
                    f"X has images of {size(shape)}, and the estimator was fitted to images of "
                    f"{size(self.image_shape_)}.\nArrays are not resized: give it images of that shape."
                )
        return np.asarray(images.reshape(len(images), *self.image_shape_))

    def __getstate__(self) -> dict[str, Any]:
        return to_plain(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(from_plain(state))
