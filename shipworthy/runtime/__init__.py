"""The executor: the one place where a program's prompts are rendered, asked and read.

Compiling, scoring, `run`, the MLflow pyfunc and `.as_dspy()` all come through here, so
that a head meets the same bytes that it was fitted on. Nothing here needs dspy, mlflow
or scikit-learn; `dspy_bridge` imports dspy, and only when it is asked for.
"""

from .admission import Admission
from .artifact import MANIFEST, check_manifest, read_artifact, root_of, write_artifact
from .conditions import both, condition, holds, needs_of, read_by
from .contract import Contract, Field, label_text, object_schema, plain_value, value_text
from .executor import Answer, StepTrace, read_features, reading_mode, run_step, student_text, wire_schema
from .flow import Flow, ReadyStep
from .functions import Code, Function, function_contract, load_function, packages_of, read_code
from .lines import error_line, line_of
from .parallel import Outcome, ordered_map
from .program import Program, load_artifact
from .progress import STANDING_HEADERS, Pace, Progress, standing_cells
from .readout import DecisionHead, Heads, ReadoutHead, StudentHead, log_softmax
from .render import opening_of, render_decide, render_extract, render_generate
from .spans import blanks, may_be_null, may_stand_in_text, typed
from .spec import (
    READ_NOTES,
    Decide,
    Demo,
    Extract,
    FunctionSpec,
    Generate,
    HeadSpec,
    LMSpec,
    Probe,
    ProgramSpec,
    PromptSpec,
    Read,
    SpanSpec,
    StepSpec,
    value_digest,
)
from .tagger import OUTSIDE, Found, Tagger, tags_for, word_features, words_of
from .tfidf import Tfidf
from .wiring import Node, Wired, nullable, wire

__all__ = [
    "MANIFEST",
    "OUTSIDE",
    "READ_NOTES",
    "STANDING_HEADERS",
    "Admission",
    "Answer",
    "Code",
    "Contract",
    "Decide",
    "DecisionHead",
    "Demo",
    "Extract",
    "Field",
    "Flow",
    "Found",
    "Function",
    "FunctionSpec",
    "Generate",
    "HeadSpec",
    "Heads",
    "LMSpec",
    "Node",
    "Outcome",
    "Pace",
    "Probe",
    "Program",
    "ProgramSpec",
    "Progress",
    "PromptSpec",
    "Read",
    "ReadoutHead",
    "ReadyStep",
    "SpanSpec",
    "StepSpec",
    "StepTrace",
    "StudentHead",
    "Tagger",
    "Tfidf",
    "Wired",
    "blanks",
    "both",
    "check_manifest",
    "condition",
    "error_line",
    "function_contract",
    "holds",
    "label_text",
    "line_of",
    "load_artifact",
    "load_function",
    "log_softmax",
    "may_be_null",
    "may_stand_in_text",
    "needs_of",
    "nullable",
    "object_schema",
    "opening_of",
    "ordered_map",
    "packages_of",
    "plain_value",
    "read_artifact",
    "read_by",
    "read_code",
    "read_features",
    "reading_mode",
    "render_decide",
    "render_extract",
    "render_generate",
    "root_of",
    "run_step",
    "standing_cells",
    "student_text",
    "tags_for",
    "typed",
    "value_digest",
    "value_text",
    "wire",
    "wire_schema",
    "word_features",
    "words_of",
    "write_artifact",
]
