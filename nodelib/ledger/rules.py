"""What every entry of the ledger obeys; a breach is a sentence."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from nodelib.ledger.entry import Entry, fingerprint
from nodelib.ledger.judging import summary, verdict

__all__ = ["breaches"]

_SCHEMA = json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))
_VALIDATOR = Draft202012Validator(_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def breaches(entry: Entry, identifier: str) -> list[str]:
    """What is wrong with the entry that lies in the file of this id; empty when nothing is.

    Its form is that of schema.json; a run has the fingerprint of its configuration and is there
    once; no paper-scale run is older than the protocol; the verdict is the one that the
    protocol's criteria give.
    """
    wrong = [
        f"At {'/'.join(map(str, error.absolute_path)) or 'the top'}: {error.message}."
        for error in _VALIDATOR.iter_errors(entry)
    ]
    if wrong:
        return wrong
    if entry["id"] != identifier:
        wrong.append(f"The entry calls itself {entry['id']}, its file {identifier}.")
    seen = set()
    configurations: dict[tuple[str, str], set[str]] = {}
    for run in entry["runs"]:
        name = f"{run['scale']} run {run['variant']}, seed {run['seed']}"
        key = run["scale"], run["variant"], run["seed"]
        if key in seen:
            wrong.append(f"There are two entries of the {name}.")
        seen.add(key)
        configurations.setdefault(key[:2], set()).add(run["config_sha256"])
        if run["config_sha256"] != fingerprint(run["config"]):
            wrong.append(f"The {name} has another configuration than its config_sha256 says.")
        if run["scale"] == "paper" and run["started"][:10] < entry["protocol"]["fixed"]:
            wrong.append(f"The {name} is older than the protocol.")
    wrong += [
        f"The {scale} runs of {variant} have different configurations."
        for (scale, variant), found in configurations.items()
        if len(found) > 1
    ]
    given = verdict(entry["protocol"], summary(entry))
    if entry["verdict"] != given:
        wrong.append(f"The verdict is {entry['verdict']!r}, but the criteria give {given!r}.")
    return wrong
