"""The certificate as one HTML page: no network, no script, personal data masked.

This module turns the certificate's data into plain words and numbers; the template
beside it, with autoescape on, is the only place where markup is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .page_batteries import attacks_section, brittleness_section
from .page_contents import contents
from .page_faults import faults_section, load_section
from .page_readiness import cost_section, questions_section, rubric_section
from .page_steps import steps_shown
from .sheet import round_marks, template
from .words import SPACE, count, interval, listed, moment, percent, sentence, shown

RIGHT = {True: "right", False: "wrong", None: "not scored"}
KEPT_RAW = 400
"""The certificate keeps so many characters of a raw text."""
NAMES = {
    "compiled": "the compiled program",
    "prototype": "the prototype",
    "constrained": "the prompt, constrained to its labels",
    "dspy_few_shot": "plain DSPy few-shot",
    "tfidf_lr": "TF-IDF + logistic regression",
    "embedding_lr": "embeddings + logistic regression",
    "crf": "conditional random field over the words",
    "majority": "always the commonest label",
}
BATTERIES = {"brittleness": "Brittleness", "attacks": "Attacks", "faults": "Faults", "load": "Load"}
VERDICTS = {
    "pass": ("✓", "Pass", "The evidence holds. The program may take the prototype's place."),
    "fail": ("✕", "Fail", "The evidence speaks against the program. It should not take over."),
    "inconclusive": (
        "?",
        "Inconclusive",
        "The evidence does not decide. Until it does, the program is held.",
    ),
}


def render(data: Mapping[str, Any]) -> str:
    """The page for `Certificate.data`, or for the same read back from JSON."""
    contenders = _contenders(data)
    command = data["facts"].get("command")
    remarks = data.get("remarks") or []
    batteries = data.get("batteries") or {}
    measured = {name: batteries.get(name) for name in BATTERIES}
    toc = contents(data, measured, _failures(data), reproducible=bool(command))
    anchors = [entry["anchor"] for entry in toc]
    asked, readiness = data.get("questions"), data.get("rubric")
    page = template("page.html.j2").render(
        data=data,
        verdict=VERDICTS.get(data["verdict"], ("?", str(data["verdict"]), "")),
        reasons=[_in_words(reason) for reason in data["reasons"] if reason not in remarks],
        remarks=[_in_words(remark) for remark in remarks],
        made=moment(data["made"]),
        contents=toc,
        contenders=contenders,
        plot=_score_plot(contenders),
        curve=_curve(data["selective"]),
        brittle=brittleness_section(measured["brittleness"]) if measured["brittleness"] else None,
        attacked=attacks_section(measured["attacks"]) if measured["attacks"] else None,
        faulty=faults_section(measured["faults"]) if measured["faults"] else None,
        loaded=load_section(measured["load"]) if measured["load"] else None,
        unmeasured=[title for name, title in BATTERIES.items() if not measured[name]],
        readiness=rubric_section(readiness, anchors) if readiness else None,
        by_output=_by_output(data),
        questions=questions_section(asked, anchors) if asked else [],
        cost=cost_section(contenders, asked),
        cards=[_card(row) for row in data["worst"]],
        failures=_failures(data),
        left_out=_left_out(data, contenders, measured),
        lineage=_lineage(data),
        command=" ".join(map(str, command)) if isinstance(command, list | tuple) else command,
    )
    return page.encode("utf-8", "replace").decode("utf-8")


def _contenders(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table's rows: the program, the prototype, then every baseline, measured or not."""
    summaries = {"compiled": data["compiled"], "prototype": data["prototype"], **data["baselines"]}
    names = [name for name in NAMES if name in summaries]
    names += [name for name in summaries if name not in NAMES]
    return [
        {
            "key": name,
            "name": sentence(NAMES.get(name, name), ""),
            "summary": summaries[name],
            "why": _why_not(name, data),
            "difference": data["difference"] if name == "prototype" else data["against"].get(name),
        }
        for name in names
    ]


def _why_not(name: str, data: Mapping[str, Any]) -> str:
    """Why a contender was not measured, in words that follow its name."""
    if not data["rows"]["test"]:
        return "not measured, as there are no test rows"
    if data["metric"] is None:
        return "not measured, as no metric can score the answers"
    if name == "prototype":
        return "not measured, as there is none, or no answer of it was recorded for these rows"
    if name == "constrained":
        return "not measured, as there is no prompt to run"
    if name in ("majority", "tfidf_lr") and not data["rows"]["train"]:
        return "not measured, as there are no rows to learn from"
    if name == "embedding_lr" and not data["quick"]:
        return "not measured, as this LM gives no embeddings or nothing is decided"
    if name == "crf":
        return "not measured, as no value is looked for in the text word for word"
    return "not measured in the quick certificate" if data["quick"] else "not measured"


def _score_plot(contenders: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Geometry of the dot-and-interval plot; x in per cent of the width, y in pixels."""
    measured = [entry for entry in contenders if entry["summary"] is not None]
    if not measured:
        return None
    bounds = [bound for entry in measured for bound in entry["summary"]["ci"]]
    ticks = round_marks(min(bounds), max(bounds))

    def x(share: float) -> float:
        return round(3 + 94 * (share - ticks[0]) / (ticks[-1] - ticks[0]), 2)

    rows = []
    for number, entry in enumerate(measured):
        summary = entry["summary"]
        low, high = summary["ci"]
        words = f"{percent(summary['score'])}, interval {interval(summary['ci'])}"
        rows.append(
            {
                "key": entry["key"],
                "name": entry["name"],
                "words": words,
                "x": x(summary["score"]),
                "low": x(low),
                "high": x(high),
                "y": 34 + 42 * number,
            }
        )
    return {
        "rows": rows,
        "ticks": [{"x": x(tick), "text": f"{100 * tick:.0f}{SPACE}%"} for tick in ticks],
        "foot": 42 * len(rows) + 12,
    }


def _curve(selective: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Geometry of the risk-coverage curve; x and y in per cent of width and height."""
    if selective is None or not selective["curve"]:
        return None
    target, accuracy = selective["target"], selective["accuracy"]
    seen = [point[1] for point in selective["curve"]]
    seen += [share for share in (target, accuracy) if share is not None]
    ticks = round_marks(min(seen), 1.0)

    def x(share: float) -> float:
        return round(10 + 86 * share, 2)

    def y(share: float) -> float:
        return round(84 - 78 * (share - ticks[0]) / (ticks[-1] - ticks[0]), 2)

    first, last = selective["curve"][0], selective["curve"][-1]
    return {
        "line": " ".join(f"{x(share)},{y(right)}" for share, right in selective["curve"]),
        "across": [{"y": y(tick), "text": f"{100 * tick:.0f}"} for tick in ticks],
        "along": [{"x": x(share / 4), "text": f"{25 * share}"} for share in range(5)],
        "target": None if target is None else y(target),
        "here": None if accuracy is None else {"x": x(selective["coverage"]), "y": y(accuracy)},
        "words": f"From {percent(first[1])} accuracy for the most confident {percent(first[0])} of rows "
        f"to {percent(last[1])} for {percent(last[0])} of rows.",
    }


def _card(row: Mapping[str, Any]) -> dict[str, Any]:
    """One failure: what came in, what was right, and what either contender said."""
    compiled, prototype = row["said"].get("compiled"), row["said"].get("prototype")
    raw = (prototype or {}).get("raw")
    labels, beside = row["labels"], row.get("beside") or {}
    said = (compiled or {}).get("outputs") or {} if beside else {}
    return {
        "digest": str(row["digest"])[:12],
        "inputs": [(name, shown(value)) for name, value in row["inputs"].items()],
        "beside": [(name, shown(value)) for name, value in beside.items() if value],
        "outputs": [
            {
                "name": name,
                "label": shown(labels.get(name, "no label")),
                "compiled": _answer(compiled, name, labels),
                "prototype": _answer(prototype, name, labels),
            }
            for name in dict.fromkeys([*labels, *said])
        ],
        "confidence": (compiled or {}).get("confidence"),
        "prototype": None if prototype is None else RIGHT[prototype["right"]],
        "errors": [
            (NAMES[name], shown(said["error"].get("message", "")))
            for name, said in (("compiled", compiled), ("prototype", prototype))
            if said and said["error"]
        ],
        "raw": None if raw is None else shown(raw),
        "raw_kept": KEPT_RAW if raw is not None and len(raw) >= KEPT_RAW else None,
        "steps": steps_shown(compiled),
    }


def _answer(said: Mapping[str, Any] | None, name: str, labels: Mapping[str, Any]) -> dict[str, Any]:
    """What a contender said for one output: a text, a remark in place of it, and whether it differs."""
    if said is None:
        return {"text": None, "remark": "not run on this row", "differs": False}
    outputs = said["outputs"] or {}
    if name not in outputs:
        return {"text": None, "remark": "an error" if said["error"] else "not said", "differs": True}
    texts = [str(value).strip().casefold() for value in (outputs[name], labels.get(name))]
    differs = name in labels and texts[0] != texts[1]
    return {"text": shown(outputs[name]), "remark": None, "differs": differs}


def _failures(data: Mapping[str, Any]) -> int:
    compiled = data["compiled"]
    return round(compiled["n"] * (1 - compiled["score"])) if compiled else 0


def _by_output(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    beside = data.get("difference_by_output") or {}
    return [
        {"name": name, "share": share, "difference": beside.get(name)}
        for name, share in data["by_output"].items()
    ]


def _left_out(
    data: Mapping[str, Any], contenders: Sequence[Mapping[str, Any]], measured: Mapping[str, Any]
) -> list[str]:
    """What this page does not show, a sentence each."""
    rows = data["rows"]
    found = [sentence(f"{entry['name']}: {entry['why']}") for entry in contenders if entry["summary"] is None]
    if rows["free"] < rows["test"]:
        found.append(
            f"What generates freely ran on {count(rows['free'])} of {count(rows['test'])} test rows. "
            "The other rows were left out for it."
        )
    if data["selective"] is None:
        found.append("Selective prediction: no confidence was measured, so nothing can be guaranteed.")
    if data.get("out_of_scope") is None:
        found.append("Out-of-scope rows: none were given, so nothing is said of inputs that no label fits.")
    if _failures(data) > len(data["worst"]):
        found.append(f"{count(_failures(data) - len(data['worst']))} more failures are not shown.")
    missing = [title for name, title in BATTERIES.items() if not measured[name]]
    if missing:
        found.append(
            f"{listed(missing)}: this page says nothing about {'it' if len(missing) == 1 else 'them'}."
        )
    if not data.get("rubric"):
        found.append("Readiness: the rubric was not scored.")
    return [
        *found,
        "Personal data: e-mail addresses, phone numbers, card numbers and IBANs are masked in the rows. "
        "Names and postal addresses are not recognised. Read the page before you pass it on.",
    ]


def _lineage(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    metric = data["metric"]
    own = {
        "program": data["name"],
        "digest": data["digest"],
        "metric": f"{metric['name']}, version {metric['version']}" if metric else "none",
        "training rows": count(data["rows"]["train"]),
        "test rows": count(data["rows"]["test"]),
        **_leaks(data.get("leaks")),
        "look at these rows": data["look"],
        **({"gate": data["gate"]} if data.get("gate") else {}),
        "LM of the compiled program": data["lm"] or "none: it calls no LM",
        "made": moment(data["made"]),
    }
    facts = {name: value for name, value in data["facts"].items() if name != "command"}
    return [(sentence(str(name), ""), _fact(value)) for name, value in {**own, **facts}.items()]


def _leaks(leaks: Mapping[str, int] | None) -> dict[str, str]:
    if leaks is None:
        return {}
    said = f"{count(leaks['exact'])}, and {count(leaks['near'])} nearly so"
    return {"test rows that are training rows": said}


def _fact(value: Any) -> str:
    if value is None:
        return "not recorded"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _in_words(reason: str) -> str:
    """A reason as a sentence, with baselines named in words."""
    for name, words in NAMES.items():
        reason = reason.replace(f"the simple baseline {name} ", f"the simple baseline “{words}” ")
    return sentence(reason)
