"""LIMITS: how much of everything the server takes, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from ..data.decoding import MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of everything the server takes; what is more is refused before it costs memory or time.

    Attributes
    ----------
    body_bytes : int
        Bytes of a form with images, counted as they arrive, whatever the headers say.
    body_seconds : float
        Time that a body may take to arrive.
    json_bytes, json_depth : int
        Bytes of any other body, and brackets within brackets.
    images : int
        Images in one request.
    fields : int
        Parts of a form that are no images.
    image_pixels : int
        Pixels of an uploaded image, as its headers declare them; decoding takes at most 24 bytes for each.
    request_pixels : int
        Pixels of all images of one request together.
    drawn_side, matrix_side : int
        Height and width of a drawing, and of a matrix that a filter is laid on.
    kernel_side, kernel_characters : int
        Height and width of a filter, and the length of its text.
    filtered_pixels : int
        Cells of a picture that a filter is laid on; larger ones are made smaller first.
    values_side : int
        Height and width of the part of a map whose numbers are sent at once.
    vector_values : int
        Longer vectors are sent without their numbers.
    pattern_characters : int
        Length of a pattern.
    members : int
        Members of a family that are listed.
    planned_layers : int
        Layers of all patterns that are planned for one request.
    page_images : int
        Images of the run's data that are listed at once.
    thumbnail_side : int
        Height and width of a preview.
    walks, walk_bytes : int
        Walks that are kept, and the memory that they may take; the one that was not looked at for longest goes first.
    workers, waiting : int
        Requests that are worked on at once beside predictions, and those that may wait for their turn.
    queue : int
        Images that may wait for their prediction.
    retry_seconds : int
        When somebody who was refused may come again.
    """

    body_bytes: int = 32 * 2**20
    body_seconds: float = 20.0
    json_bytes: int = 2 * 2**20
    json_depth: int = 8
    images: int = 64
    fields: int = 0
    image_pixels: int = MAX_PIXELS
    request_pixels: int = 200_000_000
    drawn_side: int = 512
    matrix_side: int = 512
    kernel_side: int = 15
    kernel_characters: int = 4000
    filtered_pixels: int = 512 * 512
    values_side: int = 64
    vector_values: int = 4096
    pattern_characters: int = 4000
    members: int = 200
    planned_layers: int = 20_000
    page_images: int = 200
    thumbnail_side: int = 96
    walks: int = 16
    walk_bytes: int = 512 * 2**20
    workers: int = 2
    waiting: int = 32
    queue: int = 256
    retry_seconds: int = 1
