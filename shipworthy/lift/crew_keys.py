"""CrewAI's keys that no step of a program stands for, each with the reason in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .names import word_set

CARRIED = {
    "agent": word_set("role goal backstory tools name type"),
    "task": word_set(
        "description expected_output agent context tools output_pydantic output_json response_model "
        "guardrail guardrails markdown name"
    ),
    "crew": word_set("agents tasks name inputs process"),
}
LM = word_set("llm function_calling_llm manager_llm planning_llm chat_llm max_tokens temperature")
RUN = word_set(
    "verbose max_iter max_rpm max_execution_time max_retry_limit cache respect_context_window "
    "output_log_file share_crew full_output language stream tracing security_config id usage_metrics "
    "guardrail_max_retries prompt_file create_directory use_system_prompt code_execution_mode "
    "agent_executor executor_class"
)
LOOKED_UP = word_set(
    "memory knowledge knowledge_sources knowledge_config embedder short_term_memory long_term_memory "
    "entity_memory external_memory user_memory memory_config skills input_files multimodal "
    "inject_date date_format"
)
PLANNED = word_set("planning planning_config reasoning max_reasoning_attempts")
CODE = word_set(
    "callback callbacks step_callback task_callback before_kickoff_callbacks after_kickoff_callbacks "
    "condition converter_cls"
)
TEMPLATES = word_set("system_template prompt_template response_template")
REMOTE = word_set("mcps apps a2a from_repository allow_code_execution")
WHY: Mapping[str, str] = {
    **dict.fromkeys(LM, "which LM answers is chosen when the program is compiled"),
    **dict.fromkeys(RUN, "it says how CrewAI runs, and nothing about the answer"),
    **dict.fromkeys(LOOKED_UP, "a step knows its inputs alone; give it what it needs as one of them"),
    **dict.fromkeys(PLANNED, "a step is asked once, without a plan beforehand"),
    **dict.fromkeys(CODE, "code is not carried over"),
    **dict.fromkeys(TEMPLATES, "the steps are worded as CrewAI words them without a template of one's own"),
    **dict.fromkeys(REMOTE, "a step reaches nothing outside; make it a tool"),
    "allow_delegation": "no step hands its task to another agent",
    "manager_agent": "no agent hands out the tasks; they run in their order",
    "manager_callbacks": "no agent hands out the tasks; they run in their order",
    "output_file": "the answer is returned; write the file where the program is called",
    "human_input": "no person is asked on the way; an answer that is not sure says so",
    "async_execution": "steps that do not need each other run at the same time anyway",
    "allow_crewai_trigger_context": "a trigger's payload is given as an input",
    "config": "settings made in code are not carried over",
    "cls": "another class runs it; its code is not carried over",
}
OFF: tuple[Any, ...] = (None, False, "", [], {})


def why_left_out(kind: str, key: str, value: Any) -> str:
    """Why a key of an "agent", a "task" or the "crew" is not carried over; empty where nothing is lost."""
    if key == "process":
        sequential = "sequential" in str(value).lower()
        return (
            ""
            if sequential
            else "no agent hands out the tasks; they run in their order, each with its own agent"
        )
    if key == "type" and kind == "task":
        plain = str(value).lower() in ("task", "crewai.task")
        return "" if plain else "a task of another kind always runs here; its condition is not carried over"
    if key in CARRIED[kind] or (key != "config" and value in OFF):
        return ""
    return WHY.get(key, f"CrewAI has no such key of a {kind}")
