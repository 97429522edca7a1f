"""Colours after Okabe and Ito, told apart by the colour-blind and readable on light and on dark."""

from typing import Final

LINE: Final = "#2B8CC4"
BAND: Final = "#7F8FA0"
BAD: Final = "#D55E00"
WARN: Final = "#E69F00"
GOOD: Final = "#009E73"
SHORT: Final = "#B4689A"
GREY: Final = "#8A8F98"
