"""Which names a message gives: what is written with a capital and is no ordinary word.

There is no dictionary. Ordinary are the words of the file, those that the text itself writes in lower case, and those
listed here. So a rare word with a capital in the middle of a sentence is taken for a name, and some names are missed:
one that opens a sentence and stands alone, one that is an ordinary word as well (`Rose`), and those in a heading or in
a text in capitals. After a title (`Dr`, `Mrs`) every word is a name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

ORDINARY = frozenset(
    """
    a about above academy act action actually add advice after again age agency air alert alive all almost also
    although always amazing among an and another answer any anybody anyone anything are area around as ask assembly
    association at attention authority available avenue award away back bad bank bargain bay be beautiful because
    become before being believe best better between beware big board bonus book boost both brave brigade brilliant
    bring building bureau bus business but buy by call can care careful cathedral celebrate center centre chair
    chairman chairwoman chance change chapel charge charming check chief choice choose church cinema city classic
    clean clear click climate close club collection college colour come comfort coming commission committee
    community company compare complete conference congratulations congress consider council councillor country
    county court cross daily date day days deal dear decide delightful department deputy design did director
    discover district do does don't door down dream east easy eat edition election embassy energy enjoy enough
    entire environment even evening event ever every everybody everyone everything exactly excellent exclusive
    experience expert explore extra face fact facts fair faith family fantastic far farewell fast feel festival few
    finally find fine fire first folk folks follow for forest forget forward foundation free fresh friend friends
    from full fun future garden gardens gate gentlemen get gift give glad go god good goodbye gorgeous got
    government governor grab great greetings ground group guarantee guess guests guide guys had hall halls happy
    harbour hard hardly have he headquarters heart hello help her here heroes hey hi high highly him his history
    hold holiday holidays home honest honestly honey hope hospital hot hotel hotline hour hours house how however
    huge hurry i idea if imagine important in incredible indeed info inn inside inspector institute introducing is
    island it its join journey joy judge just justice keep kids kind king know ladies lake lane last late latest law
    lead leader league learn leave less let library life light like limited line listen little live local long look
    lord love lovely low luck made magic make man many market maybe mayor me meanwhile meet meeting member members
    message mill minister ministry miss modern moment money month more morning most mother mountain move much museum
    must my nation national natural nature near need neighbour neighbours never new news next nice night no nobody
    nor normal north not note nothing notice now number of off offer office officer official often oh ok okay old on
    once one online only open opposite or order original other our out over own page palace parish park parliament
    part party past pay peace people perfect perhaps period person phone pier plan planet play please plus point
    police port post power premium present president press pretty price prime princess professor programme project
    promise proof proud public pure quality quarter queen question quick quickly quiet quite read reader readers
    ready real really region relax remember report representative request rescue rest rethink return ride right risk
    river road rule safe safely safety said sale same save saving savings say says school science sea second
    secretary see senate senator sergeant series service several share she shop should show sign simple simply since
    sir sister sisters small smart so society some somebody something soon sorry south special speech spring square
    stand star start state station stay step still stop store story straight street strong stunning such summer sun
    super support sure take talk team tell thank thanks that the theatre their them then there therefore these they
    thing things think this those though thought thousand through thus ticket time tip tired to today together
    tomorrow tonight too top total touch tower town trade trail train treat true trust truth try turn ultimate under
    union unique university until up update upgrade upon us use valley value very village visit vote voter voters
    wait walk want war ward warm warning warranty was watch water way we week weekend weir welcome well wellness
    were west what whatever when whenever where whether which while who whoever whole why will winter wise with
    within without woman women wonder wonderful word words work workshop world would wow yeah year years yes
    yesterday yet you young your yours zone
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december christmas easter mr mrs ms dr prof st ad am asap bc ca cd co diy eg etc faq fm
    fyi ie kg km led mm nb pm ps tv usb vat vip
    """.split()
)
"""Words that name nobody though they may have a capital: openers, greetings, what is shouted, offices, places, days."""
_TOKEN = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_TITLES = frozenset("dr mr mrs ms prof professor doctor sir dame".split())
_INSTITUTIONS = frozenset("who us it un".split())
"""Words that after `the` and in capitals are the name of an institution or a country."""
_ENDINGS = frozenset("s d m t ll re ve".split())
_NUMERAL = re.compile(r"[IVX]+")
_RUNNING = frozenset(",%)&")
"""What may stand before a word within a sentence, beside letters and digits; after anything else one begins."""
_HEADING = 0.5
"""Share of words with a capital above which a sentence is a heading, whose capitals name nobody."""
_SLOGAN = 4
"""Words of a heading that ends with a full stop, at most."""
_ACRONYM = 5
"""Letters of an acronym at most; longer words in capitals are shouted."""
_SHOUTS = 2
"""From how many ordinary words in capitals a text shouts."""


def shouts(text: str) -> bool:
    """Whether a text writes ordinary words in capitals, so that capitals name nobody."""
    loud = (each for each in re.findall(r"\b[A-Z]{2,}\b", text) if each.lower() in ORDINARY)
    return len(set(loud)) >= _SHOUTS


def in_lower_case(text: str) -> frozenset[str]:
    """The words that a text writes in lower case."""
    return frozenset(each for each in re.findall(r"[^\W\d_]+", text) if each.islower())


def names(sentence: str, known: Collection[str], ordinary: Collection[str], loud: bool = False) -> Iterator[str]:
    """The names of a sentence that are not known, neighbouring words as one.

    Args:
        sentence: Plain text.
        known: Words of the file, in lower case.
        ordinary: Other words that are no names, in lower case.
        loud: Whether words in capitals name nobody.
    """
    if sentence[1:].islower():
        return
    tokens = list(_TOKEN.finditer(sentence))
    raised = sum(each[0][0].isupper() for each in tokens)
    heading = raised > _HEADING * len(tokens) and not (sentence.endswith(".") and len(tokens) > _SLOGAN)
    found: list[str] = []
    end = -1
    for place, token in enumerate(tokens):
        if token[0].islower():
            continue
        before = tokens[place - 1][0].lower() if place else ""
        opens = _opens(sentence, token.start()) or (heading and before != "by")
        if _named(token[0], before, opens, heading or loud, known, ordinary):
            if found and sentence[end : token.start()] == " ":
                found[-1] += f" {token[0]}"
            else:
                found.append(token[0])
            end = token.end()
    yield from found


def _opens(sentence: str, start: int) -> bool:
    """Whether a word begins a sentence: first of all, in a new line, or after a colon, dash, quotation mark or sign."""
    before = sentence[max(start - 2, 0) : start]
    return not (len(before) > 1 and before[1] == " " and (before[0].isalnum() or before[0] in _RUNNING))


def _named(word: str, before: str, opens: bool, loud: bool, known: Collection[str], ordinary: Collection[str]) -> bool:
    base = word.partition("'")[0] if word.rpartition("'")[2].lower() in _ENDINGS else word
    parts = [each for each in re.split("['-]", base) if not each.islower()]
    if before in _TITLES:
        return not all(_in(each, known) for each in parts)
    strange = [each for each in parts if not (_in(each, known) or _in(each, ordinary))]
    if base.isupper() and len(base) > 1:
        country = before == "the" and base.lower() in _INSTITUTIONS
        return not loud and (country or bool(strange and len(base) <= _ACRONYM and not _NUMERAL.fullmatch(base)))
    return any(not opens or not each[1:].islower() for each in strange)


def _in(word: str, listed: Collection[str]) -> bool:
    """Whether a word is listed, in the singular or the plural."""
    low = word.lower()
    return low in listed or low.removesuffix("s") in listed or f"{low}s" in listed
