"""The phrases by which prompts say what an answer is, by language.

One table a language; a further one is one more `Phrases` in `LANGUAGES`. Every entry is a list
of alternatives, each a regular expression over text in small letters, split by ` | `. All of
them hold at once, because prompts mix languages. A blank stands for any run of blanks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache

from .names import word_set


@dataclass(frozen=True)
class Phrases:
    """What one language says.

    Attributes:
        answer: verbs that ask for the answer itself.
        judge: verbs that ask for a decision or a value.
        only: words that say that nothing else is wanted.
        one_of: what stands before the labels of which one is wanted.
        fillers: words between that and the labels, or before a noun.
        either: what joins the last two labels.
        also: what joins the last two keys.
        yes_no: pairs of words, for a question.
        true_false: pairs of words, for a boolean.
        nothing: what says that a value may be missing.
        scale: what stands before a range.
        until: what stands between its ends.
        stars: ratings.
        listed: says that a value is a list.
        list_of: stands before what a list holds.
        keys: stands before the names of JSON keys.
        integer, number, boolean, date, moment, text: words for types.
        lengths: units of text; a range of them is no value.
        lines: ordinals of a line of the answer, in order, split by ` / `.
    """

    answer: str
    judge: str
    only: str
    one_of: str
    fillers: str
    either: str
    also: str
    yes_no: str
    true_false: str
    nothing: str
    scale: str
    until: str
    stars: str
    listed: str
    list_of: str
    keys: str
    integer: str
    number: str
    boolean: str
    date: str
    moment: str
    text: str
    lengths: str
    lines: str


ENGLISH = Phrases(
    answer="answer | reply | respond | return | output | say | print | write | give | respond | provide",
    judge="classify | categori[sz]e | sort | label | tag | rate | score | grade | assess | judge | assign | "
    "choose | pick | select | decide | determine | tell | state | indicate | set | evaluate | identify | "
    "detect | estimate | mark | route | rank | include | add | predict | specify",
    only="only | just | exactly | nothing but | simply | either | strictly",
    one_of="(?:exactly |only )?one (?:and only one )?(?:(?:of|from|out of)\\b|(?=\\w+ from\\b)) | "
    "any of | either of | (?:choose|decide|pick|select) between",
    fillers="the | these | this | those | following | available | possible | allowed | valid | "
    "predefined | exact | "
    "below | single | listed | given | its | a | an | most | appropriate | best | fitting | our | "
    "your | set of | "
    "list of | values? | options? | words? | two | three | four | five | six | seven | correct | name of",
    either="or | and",
    also="and",
    yes_no="yes/no | y/n",
    true_false="true/false",
    nothing="or null | or none | null if | none if | if any | if there (?:is|are) (?:none|any) | "
    "if present | "
    "if (?:not )?(?:found|available|given|mentioned|stated|known|specified|provided) | if missing | "
    "optional | "
    "nullable | or empty if | if applicable | else null | otherwise null | null when",
    scale="(?:on|using) an? (?:\\w+ )?scale (?:of|from) | scale (?:of|from) | from | between | "
    "in the range (?:of|from)?",
    until="to | and | through | up to",
    stars="stars?",
    listed="lists? | arrays? | comma[- ]separated | separated by commas",
    list_of="(?:lists?|arrays?) of",
    keys="keys | fields | properties | attributes | entries",
    integer="integers? | int | whole numbers? | counts? | number of | how many",
    number="numbers? | numeric | float | floating[- ]point(?: number)? | decimals? | double",
    boolean="bool(?:ean)?",
    date="yyyy-mm-dd | iso(?:[- ]?8601)? (?:format(?:ted)? )?dates? | "
    "dates? in iso(?:[- ]?8601)?(?: format)? | "
    "dates? \\(iso(?:[- ]?8601)?\\)",
    moment="iso[- ]?8601 (?:timestamp|date-?time) | date-?time | timestamp",
    text="strings? | text",
    lengths="words? | sentences? | characters? | chars | letters? | lines? | paragraphs? | bullets? | "
    "bullet points? | "
    "items? | tokens? | tweets? | steps? | points? | minutes? | hours? | days? | weeks? | months? | "
    "years? | examples?",
    lines="(?:the )?(?:first|1st) line|line 1|(?:on )?line one / (?:the )?(?:second|2nd) line|line 2|"
    "line two / "
    "(?:the )?(?:third|3rd) line|line 3|line three / (?:the )?(?:fourth|4th) line|line 4",
)
GERMAN = Phrases(
    answer="antworte | antworten sie | gib | geben sie | schreibe? | liefere | nenne | gebe | erwidere",
    judge="klassifiziere | ordne | sortiere | bewerte | beurteile | wähle | entscheide | bestimme | "
    "sage? | schätze | "
    "vergib | kategorisiere | ermittle",
    only="nur | ausschließlich | genau | lediglich | entweder",
    one_of="(?:genau )?einer? (?:der|von|aus) | einem (?:der|von|aus) | eines (?:der|von|aus) | "
    "einen (?:der|von|aus) | "
    "eine[rms]?(?= folgenden)",
    fillers="folgenden | folgende | folgender | diesen | dieser | diese | den | der | die | das | "
    "möglichen | "
    "vorgegebenen | werten? | wörtern? | wort | passenden",
    either="oder",
    also="und",
    yes_no="ja/nein",
    true_false="wahr/falsch",
    nothing="oder null | sonst null | falls vorhanden | wenn vorhanden | oder leer | "
    "falls nicht vorhanden | null,? wenn | "
    "null,? falls",
    scale="auf einer skala von | von | zwischen",
    until="bis | und",
    stars="sternen? | sterne",
    listed="listen? | kommagetrennte? | durch kommas? getrennt",
    list_of="(?:kommagetrennte )?liste (?:von|der|mit|aller)",
    keys="schlüsseln? | feldern? | keys | felder | attributen?",
    integer="ganze zahl | ganzzahl | anzahl | ganzen zahl",
    number="zahl | dezimalzahl | betrag | kommazahl",
    boolean="wahrheitswert",
    date="jjjj-mm-tt | iso-datum | datum im iso-format",
    moment="zeitstempel",
    text="text | zeichenkette",
    lengths="wörtern? | wörter | sätzen? | sätze | zeichen | zeilen | absätzen? | stichpunkten? | "
    "minuten | tagen? | jahren?",
    lines="erste zeile|zeile 1 / zweite zeile|zeile 2 / dritte zeile|zeile 3 / vierte zeile|zeile 4",
)
FRENCH = Phrases(
    answer="réponds | répondez | répondre | renvoie | renvoyez | retourne | retournez | donne | "
    "donnez | écris | écrivez",
    judge="classe | classez | classifie[zr]? | évalue[zr]? | note[zr]? | choisis | choisissez | "
    "indique[zr]? | "
    "détermine[zr]? | attribue[zr]? | décide[zr]?",
    only="seulement | uniquement | exactement | rien que | juste | soit",
    one_of="(?:l'|l’)?une? (?:des|de|parmi)",
    fillers="suivante?s? | ces | les | la | le | des | mots? | valeurs? | possibles?",
    either="ou",
    also="et",
    yes_no="oui/non",
    true_false="vrai/faux",
    nothing="ou null | si présente? | le cas échéant | sinon null | s'il y en a | ou vide | null si",
    scale="sur une échelle (?:de|allant de) | de | entre",
    until="à | et",
    stars="étoiles?",
    listed="listes? | tableau | séparée?s? par des virgules",
    list_of="(?:liste|tableau) (?:de|des|d')",
    keys="clés | champs | propriétés | attributs",
    integer="entiers? | nombre entier | nombre de",
    number="nombres? | décimal | montant",
    boolean="booléen",
    date="aaaa-mm-jj | date (?:au format )?iso",
    moment="horodatage",
    text="texte | chaîne(?: de caractères)?",
    lengths="mots? | phrases? | caractères? | lignes? | paragraphes? | minutes? | jours? | ans",
    lines="première ligne|ligne 1 / (?:deuxième|seconde) ligne|ligne 2 / troisième ligne|ligne 3 / "
    "quatrième ligne|ligne 4",
)
SPANISH = Phrases(
    answer="responde | responda | contesta | conteste | devuelve | devuelva | escribe | da | di | "
    "proporciona",
    judge="clasifica | clasifique | evalúa | califica | puntúa | elige | elija | escoge | indica | indique | "
    "determina | asigna | decide | valora",
    only="solo | sólo | solamente | únicamente | exactamente",
    one_of="una? (?:de|entre)",
    fillers="las | los | estas | estos | siguientes | siguiente | la | el | palabras? | valores | "
    "opciones | posibles",
    either="o | u",
    also="y | e",
    yes_no="sí/no | si/no",
    true_false="verdadero/falso",
    nothing="o null | si existe | si lo hay | si no hay | o vacío | si está presente | null si",
    scale="en una escala (?:de|del) | escala (?:de|del) | del? | entre",
    until="al? | y",
    stars="estrellas?",
    listed="listas? | arreglo | separad[oa]s? por comas",
    list_of="(?:lista|arreglo) de",
    keys="claves | campos | propiedades | atributos",
    integer="enteros? | número entero | número de | cantidad de",
    number="números? | decimal | importe | monto",
    boolean="booleano",
    date="aaaa-mm-dd | fecha (?:en formato )?iso",
    moment="marca de tiempo",
    text="texto | cadena",
    lengths="palabras? | frases? | caracteres? | líneas? | párrafos? | minutos? | días? | años?",
    lines="primera línea|línea 1 / segunda línea|línea 2 / tercera línea|línea 3 / cuarta línea|línea 4",
)
LANGUAGES = (ENGLISH, GERMAN, FRENCH, SPANISH)

QUALITIES = {
    "urgent": "urgency", "likely": "likelihood", "severe": "severity", "serious": "severity",
    "confident": "confidence", "certain": "confidence", "sure": "confidence", "relevant": "relevance",
    "important": "importance", "satisfied": "satisfaction", "difficult": "difficulty", "hard": "difficulty",
    "toxic": "toxicity", "similar": "similarity", "helpful": "helpfulness", "useful": "usefulness",
    "complex": "complexity", "angry": "anger", "happy": "happiness", "clear": "clarity",
    "accurate": "accuracy", "good": "quality", "well": "quality", "risky": "risk", "polite": "politeness",
    "formal": "formality", "complete": "completeness", "readable": "readability", "positive": "positivity",
    "dringend": "dringlichkeit", "wichtig": "wichtigkeit", "wahrscheinlich": "wahrscheinlichkeit",
    "zufrieden": "zufriedenheit", "sicher": "sicherheit", "schwer": "schwere", "urgente": "urgencia",
    "importante": "importancia", "probable": "probabilidad", "grave": "gravedad",
}  # fmt: skip
"""What "how urgent" asks for."""

LABEL_NOUNS = word_set(
    "categor(?:y|ies) labels? class(?:es)? queues? topics? intents? departments? teams? sentiments? "
    "types? tags? domains? priorit(?:y|ies) levels? status(?:es)? genres? languages? emotions? moods? "
    "tones? severit(?:y|ies) urgenc(?:y|ies) options? choices? values? kategorien? klassen? themen? thema "
    "abteilung(?:en)? stimmung(?:en)? catégories? classes étiquettes? sentiments? services? categorías? "
    "clases? etiquetas? sentimientos? temas? departamentos? verdicts? outcomes? actions? routes? buckets? "
    "groups? stages? risks? skills? products? reasons?"
)
"""Nouns of which a prompt lists the values."""

TEXTS = word_set(
    "summary reply response email message title headline translation description tagline caption "
    "explanation haiku poem letter post tweet subject slogan abstract report article story rewrite"
)
"""What a prompt asks to be written."""

UNNAMED = word_set(
    "answer output response reply result json text word words number value values option options choice "
    "choices following label_name name one it this that list format line string integer items thing "
    "antwort ausgabe ergebnis réponse sortie respuesta salida resultado wert werte"
)
"""Nouns that name no output, because any answer is one."""


@cache
def any_of(name: str) -> str:
    """All alternatives of an entry as one group of a regular expression, the longest first."""
    found: list[str] = []
    for language in LANGUAGES:
        found += [part.strip() for part in getattr(language, name).split(" | ")]
    unique = sorted(dict.fromkeys(found), key=len, reverse=True)
    return "(?:" + "|".join(part.replace(" ", r"\s+") for part in unique if part) + ")"


@cache
def pairs(name: str) -> tuple[tuple[str, str], ...]:
    """The pairs of words of an entry."""
    return tuple(
        (first.strip(), second.strip())
        for language in LANGUAGES
        for first, _, second in (part.partition("/") for part in getattr(language, name).split(" | "))
    )


def ordinals() -> list[str]:
    """For each line of an answer, what prompts call it."""
    by_line = zip(*(language.lines.split(" / ") for language in LANGUAGES), strict=True)
    return ["|".join(part.strip().replace(" ", r"\s+") for part in parts) for parts in by_line]


@cache
def words(name: str) -> re.Pattern[str]:
    """An entry as whole words, whatever their case."""
    return re.compile(rf"(?i)(?<!\w){any_of(name)}(?!\w)")


ENTRIES = tuple(entry.name for entry in fields(Phrases))
