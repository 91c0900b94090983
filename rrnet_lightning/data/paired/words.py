"""Text to words, in any script."""

import unicodedata


class _Apart(dict[int, str]):
    """What each character becomes before a text is split at white space; found when it is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if kind == "Cf" or 0xFE00 <= code <= 0xFE0F:  # marks of direction, joiners, how an emoji looks: not to be seen
            self[code] = ""
        elif kind[0] in "LMN":
            self[code] = character
        else:
            self[code] = f" {character} " if kind == "So" else " "
        return self[code]


_APART = _Apart()


def words(text: str) -> list[str]:
    """Words of a text in lower case: runs of letters, their marks and digits. An emoji or a like symbol is a word.

    Punctuation separates words and is left out. Right-to-left scripts need nothing special. Scripts that put no space
    between words, such as Chinese, give long words: split these texts by spaces before.
    """
    return unicodedata.normalize("NFKC", text).lower().translate(_APART).split()
