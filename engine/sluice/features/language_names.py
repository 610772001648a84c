"""What languages and scripts are called in English, for people who read a verdict.

A table of our own: the libraries that know every language in every language (Babel, langcodes with its data) weigh ten
megabytes and more. The names are those of ISO 639.
"""

from __future__ import annotations

from collections.abc import Sequence

from sluice.features import UND

LANGUAGE_NAMES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "as": "Assamese", "az": "Azerbaijani", "ba": "Bashkir",
    "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "bo": "Tibetan", "ca": "Catalan", "cs": "Czech",
    "cy": "Welsh", "da": "Danish", "de": "German", "dv": "Divehi", "el": "Greek", "en": "English", "eo": "Esperanto",
    "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish",
    "gl": "Galician", "gu": "Gujarati", "ha": "Hausa", "he": "Hebrew", "hi": "Hindi", "ht": "Haitian Creole",
    "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "ig": "Igbo", "is": "Icelandic", "it": "Italian",
    "ja": "Japanese", "jv": "Javanese", "ka": "Georgian", "kk": "Kazakh", "km": "Khmer", "kn": "Kannada",
    "ko": "Korean", "ku": "Kurdish", "ky": "Kyrgyz", "lb": "Luxembourgish", "lo": "Lao", "lt": "Lithuanian",
    "lv": "Latvian", "mg": "Malagasy", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi",
    "ms": "Malay", "mt": "Maltese", "my": "Burmese", "ne": "Nepali", "nl": "Dutch", "no": "Norwegian", "or": "Odia",
    "pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
    "rw": "Kinyarwanda", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "so": "Somali", "sq": "Albanian",
    "sr": "Serbo-Croatian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "tg": "Tajik",
    "th": "Thai", "tk": "Turkmen", "tl": "Tagalog", "tr": "Turkish", "tt": "Tatar", "ug": "Uyghur", "uk": "Ukrainian",
    "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "xh": "Xhosa", "yo": "Yoruba", "zh": "Chinese", "zu": "Zulu",
}  # fmt: skip
SCRIPT_NAMES = {"Latn": "Latin", "Cyrl": "Cyrillic", "Arab": "Arabic", "Deva": "Devanagari", "Beng": "Bengali"}
"""Of the scripts that several languages are told apart in."""
LANGUAGE_CODES = frozenset({*LANGUAGE_NAMES, UND, *(f"{UND}-{script}" for script in SCRIPT_NAMES)})
"""All that a verdict's language may be."""


def name_language(code: str) -> str:
    """A language's name, or that of the script where only the script is sure (``und-Cyrl``)."""
    _, _, script = code.partition("-")
    return f"text in {SCRIPT_NAMES[script]} script" if script in SCRIPT_NAMES else LANGUAGE_NAMES.get(code, code)


def describe_unread(codes: Sequence[str]) -> str:
    """What a verdict says of languages that are not read: ``Thai is not read``.

    Parameters
    ----------
    codes : sequence of str
        At least one.
    """
    *others, last = [name_language(code) for code in codes]
    return f"{', '.join(others)} and {last} are not read" if others else f"{last} is not read"
