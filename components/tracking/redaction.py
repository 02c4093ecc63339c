"""Keeps credentials out of what is logged: a password once in a run's tags stays there for all who read the store.

It rather blanks too much than too little: a line of a diff such as `token = read_token()` is blanked too.
"""

from __future__ import annotations

import re

HIDDEN = "***"

_WORDS = r"(?:pass(?:word|wd|phrase)?|pwd|secrets?|credentials?|(?:api|access|private)[_-]?key|x-(?:amz|goog)-signature)"
# A secret's name may go on (password_2); but text models have token_ids, so there the word must end the name.
_KEY = rf"(?:[\w.-]*?[_.-])?(?:{_WORDS}(?:[_-][\w.-]*?)?|[a-z]*token)"
_EQUALS = r"""["']?[ \t]*(?::=|=>|[:=])[ \t]*"""
# YAML may put the value on the next line, deeper.
_NEXT_LINE = r"(?:[|>][+-]?)?[ \t]*\n[+-]?[ \t]+"
_VALUE = r"""(?:"[^"\n]*"|'[^'\n]*'|[^\s,;&"'})\]]+)"""
_FLAGS = re.IGNORECASE | re.MULTILINE

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_URI_LOGIN = re.compile(r"\b([a-z][a-z0-9+.-]{0,30}://)[^\s/@'\"]+@", _FLAGS)
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", _FLAGS)
_OPTION = re.compile(rf"(--{_KEY}[ =]){_VALUE}", _FLAGS)
_WHOLE_LINE = re.compile(rf"^([+-]?[ \t]*(?:-[ \t]+)?(?:export )?[\"']?({_KEY}){_EQUALS}(?:{_NEXT_LINE})?)(\S.*)$", _FLAGS)
_WITHIN_LINE = re.compile(rf"((?<=[\s,;&?{{(\[\"'])({_KEY}){_EQUALS})({_VALUE})", _FLAGS)
_KNOWN_FORMS = re.compile(
    r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"  # GitHub, GitLab
    r"|xox[abeoprs]-[\w-]{10,}|hf_[A-Za-z0-9]{20,}|sk-[\w-]{20,}|AIza[\w-]{35}"  # Slack, Hugging Face, OpenAI, Google
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+)"  # JSON Web Tokens
)
# Nothing, what was blanked already, and what in YAML announces a value on the next line.
_NO_VALUES = {"", HIDDEN, "|", "|-", "|+", ">", ">-", ">+"}
_SECRET_KEY = re.compile(rf"(?:.*[^\w-])?{_KEY}", re.IGNORECASE | re.DOTALL)
# Text models have start tokens, padding tokens and numbers of them.
_HARMLESS = re.compile(r"""["']?(?:-?\d{1,5}(?:\.\d+)?|true|false|null|none|\[\w+\]|<\w+>|\*\*\*)?["']?\s*,?""", re.IGNORECASE)


def redact(text: str) -> str:
    """Blanks logins in URIs, private keys, well-known forms of keys, and values whose key looks like a secret's.

    >>> redact("postgresql://ann:hunter2@db/mlflow password=hunter2")
    'postgresql://***@db/mlflow password=***'
    """
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _URI_LOGIN.sub(rf"\1{HIDDEN}@", text)
    text = _KNOWN_FORMS.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _OPTION.sub(rf"\1{HIDDEN}", text)
    return _WITHIN_LINE.sub(_blank, _WHOLE_LINE.sub(_blank, text))


def redact_value(key: str, value: str) -> str:
    """`value`, blanked wholly if `key` (dotted, as a parameter's name) looks like a secret's."""
    return HIDDEN if _SECRET_KEY.fullmatch(key) and not _is_harmless(key, value) else redact(value)


def _blank(match: re.Match[str]) -> str:
    start, key, value = match.groups()
    return match[0] if _is_harmless(key, value) else f"{start}{HIDDEN}"


def _is_harmless(key: str, value: str) -> bool:
    return value in _NO_VALUES or ("token" in key.lower() and _HARMLESS.fullmatch(value) is not None)
