"""Characters that matplotlib's font lacks: use an installed font, or replace them by numbers."""

import re
from functools import cache
from typing import Any

from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

OWN = "DejaVu Sans"
# Fonts with Chinese, Japanese or Korean characters on common systems, in order of preference.
OTHERS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Source Han Sans SC"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("Microsoft YaHei", "SimHei", "Yu Gothic", "Malgun Gothic"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
)


@cache
def families() -> list[str]:
    """matplotlib's default font, and the installed ones of `OTHERS`."""
    installed = {font.name for font in fontManager.ttflist}
    return [OWN, *(name for name in OTHERS if name in installed)]


@cache
def known() -> frozenset[int]:
    """The characters that these fonts have."""
    paths = [findfont(FontProperties(family=name)) for name in families()]
    return frozenset().union(*(FT2Font(path).get_charmap() for path in paths))


def is_unknown(letter: str) -> bool:
    """Whether none of the fonts has a character, so that matplotlib would draw a box."""
    return ord(letter) not in known() and letter.isprintable()


def number_unknown(figure: Any) -> dict[str, str]:
    """Replace words with characters that no font has by numbers such as [1].

    Returns:
        the words by number.
    """
    numbers: dict[str, str] = {}

    def replaced(text: str) -> str:
        letters = "".join({letter for letter in text if is_unknown(letter)})
        if not letters:
            return text
        return re.sub(
            f"[{re.escape(letters)}]+",
            lambda word: numbers.setdefault(word[0], f"[{len(numbers) + 1}]"),
            text,
        )

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            # matplotlib sets the texts of ticks again when it draws the figure.
            labels = [label.get_text() for label in axis.get_ticklabels()]
            if any(is_unknown(letter) for letter in "".join(labels)):
                axis.set_ticklabels([replaced(label) for label in labels])
    for text in figure.findobj(Text):
        text.set_text(replaced(text.get_text()))
    return {short: word for word, short in numbers.items()}
