"""What is made of a picture besides the rows of the image encoder."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.features.pages import Paginate, cut_pages, no_pages
from sluice.features.pdq import TakePrints, no_prints, take_prints


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is made of a picture besides its rows.

    Attributes
    ----------
    paginate : callable
        Its pages, in which text is looked for.
    take_prints : callable
        What its looks are known by.
    """

    paginate: Paginate = no_pages
    take_prints: TakePrints = no_prints


ROWS = Wanted()
PAGES = Wanted(cut_pages)
PRINTS = Wanted(take_prints=take_prints)
PAGES_AND_PRINTS = Wanted(cut_pages, take_prints)
