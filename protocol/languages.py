"""Language tags: what a tag means, and which of a node's tags serves a client's. Pure.

Clients, libraries and engines write one language in many ways: `zh-CN`, `en_US`, `eng`,
`zho_Hans`. Case and `_` do not matter, ISO 639-2 and 639-3 codes mean their two-letter ones, `nb`
and `nn` mean `no`. Two tags match when one is a prefix of the other (RFC 4647 section 3.3.1, both
ways); failing that, when they are the same language and neither script contradicts the other. A
region says a script where the language has several: `zh-TW` is `zh-Hant-TW`.

Wire contract section 4, "Languages". The tables stand here and not in a library: what tags are
compared comes from outside, and the library's caches grow with every tag that it is shown.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

_CACHED_TAGS: Final = 4096
"""Tags come from outside: what is remembered of them has a bound."""

_SAME_LANGUAGE: Final = """
    aa:aar ab:abk ae:ave af:afr ak:aka,fat am:amh an:arg ar:ara,arb as:asm av:ava ay:aym,ayr
    az:aze,azj ba:bak be:bel bg:bul bh:bih bi:bis bm:bam bn:ben bo:bod,tib br:bre bs:bos ca:cat
    ce:che ch:cha co:cos cr:cre,cwd cs:ces,cze cu:chu cv:chv cy:cym,wel da:dan de:deu,ger dv:div
    dz:adp,dzo ee:ewe el:ell,gre en:eng eo:epo es:spa et:ekk,est eu:baq,eus fa:fas,per,pes
    ff:fuc,ful fi:fin fj:fij fo:fao fr:fra,fre fy:fry ga:gle gd:gla gl:glg gn:grn,gug gu:guj
    gv:glv ha:hau he:heb,iw hi:hin ho:hmo hr:hrv,scr ht:hat hu:hun hy:arm,hye hz:her ia:ina
    id:in,ind ie:ile ig:ibo ii:iii ik:esk,ipk io:ido is:ice,isl it:ita iu:ike,iku ja:jpn jv:jav,jw
    ka:geo,kat kg:kng,kon ki:kik kj:kua kk:kaz kl:kal km:khm kn:kan ko:kor kr:kau,knc ks:kas
    ku:kmr,kur kv:kom,kpv kw:cor ky:kir la:lat lb:ltz lg:lug li:lim ln:lin lo:lao lt:lit lu:lub
    lv:lav,lvs mg:mlg,plt mh:mah mi:mao,mri mk:mac,mkd ml:mal mn:drh,khk,mon mr:mar ms:may,msa,zsm
    mt:mlt my:bur,mya na:nau nd:nde ne:nep,npi ng:ndo nl:dut,nld no:nb,nn,nno,nob,nor nr:nbl
    nv:nav ny:nya oc:oci oj:ojg,oji om:gaz,orm or:ori,ory os:oss pa:pan pi:pli pl:pol ps:pbu,pus
    pt:por qu:que,quz rm:roh rn:run ro:mo,mol,ron,rum ru:rus rw:kin sa:san sc:src,srd sd:snd
    se:sme sg:sag si:sin sk:slk,slo sl:slv sm:smo sn:sna so:som sq:alb,als,sqi sr:hbs,scc,sh,srp
    ss:ssw st:sot su:sun sv:swe sw:swa,swh ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:fil,tgl
    tn:tsn to:ton tr:tur ts:tso tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd uz:uzb,uzn ve:ven vi:vie
    vo:vol wa:wln wo:wol xh:xho yi:ji,ydd,yid yo:yor za:zha,zyb zh:chi,cmn,zho zu:zul
"""
"""Two-letter code and the codes that mean the same: ISO 639-2 (both sets), 639-3, those of a
macrolanguage's standard form (`cmn`, `arb`), withdrawn ones (`iw`). From ISO 639 and CLDR 44."""

_SCRIPTS: Final = """
az latn,cyrl,arab arab:iq,ir cyrl:ru
ff latn,adlm
ha latn,arab arab:cm,sd
hi deva,latn
ja jpan,latn
kk cyrl,arab,latn arab:af,cn,ir,mn
ko kore,latn
ku latn,arab arab:iq,ir,lb
ky cyrl,arab,latn arab:cn latn:tr
mn cyrl,mong mong:cn
ms latn,arab arab:cc
pa guru,arab arab:pk
ru cyrl,latn
sd arab,deva deva:in
sr cyrl,latn latn:me,ro,ru,tr
tg cyrl,arab,latn arab:pk
ug arab,cyrl,latn cyrl:kz,mn
uz latn,cyrl,arab arab:af cyrl:cn
yue hant,hans hans:cn
zh hans,hant,latn hant:au,bn,gb,gf,hk,id,mo,pa,pf,ph,sr,th,tw,us,vn
"""
"""Languages that are written in several scripts: the scripts, the usual one first, and where
another one is usual. From the likely subtags of CLDR 44."""

_SCRIPT_LETTERS: Final = 4
_LANGUAGE_LETTERS: Final = 3
_REGION_DIGITS: Final = 3
_REGION_LETTERS: Final = 2


def _read_codes() -> dict[str, str]:
    means = {}
    for entry in _SAME_LANGUAGE.split():
        code, _, others = entry.partition(":")
        means.update(dict.fromkeys(others.split(","), code))
    return means


def _read_scripts() -> tuple[dict[str, tuple[str, ...]], dict[tuple[str, str], str]]:
    scripts, elsewhere = {}, {}
    for line in _SCRIPTS.split("\n")[1:-1]:
        language, names, *usual = line.split()
        scripts[language] = tuple(names.split(","))
        for entry in usual:
            script, _, regions = entry.partition(":")
            elsewhere.update({(language, region): script for region in regions.split(",")})
    return scripts, elsewhere


_MEANS: Final = _read_codes()
_SCRIPTS_OF, _SCRIPT_IN = _read_scripts()


class LanguageTag(NamedTuple):
    """A tag taken apart, in lower case."""

    language: str
    script: str | None
    """Said, or usual in its region; None where nothing says which."""
    region: str | None
    rest: tuple[str, ...]
    """Variants and extensions."""
    text: str
    """Its canonical form: one for all ways to write the same."""

    @property
    def deciding_script(self) -> str | None:
        """Its script where the language is known to be written in it and in others."""
        return self.script if self.script in _SCRIPTS_OF.get(self.language, ()) else None

    @property
    def script_class(self) -> str:
        """What a node must have for it: its language, and its script where that matters."""
        script = self.deciding_script
        return f"{self.language}~{script}" if script else self.language

    @property
    def served_classes(self) -> tuple[str, ...]:
        """What a node with this tag has: each `script_class` that it matches."""
        script = self.deciding_script
        scripts = (script,) if script else _SCRIPTS_OF.get(self.language, ())
        return (self.language, *(f"{self.language}~{script}" for script in scripts))

    def __str__(self) -> str:
        """Return it as people write it: `zh-Hant-TW`."""
        first, *others = self.text.split("-")
        return "-".join((first, *map(_in_usual_case, others)))


def _in_usual_case(subtag: str) -> str:
    if len(subtag) == _SCRIPT_LETTERS and subtag.isalpha():
        return subtag.title()
    return subtag.upper() if len(subtag) == _REGION_LETTERS else subtag


@lru_cache(maxsize=_CACHED_TAGS)
def parse(tag: str) -> LanguageTag:
    """Take a tag apart; what is no well-formed tag is a language of its own."""
    language, *rest = tag.strip().lower().replace("_", "-").split("-")
    if language.isalpha() and len(language) > 1 and rest and _is_extended(rest[0]):
        language = rest.pop(0)  # an extended language stands for itself: `zh-yue`
    language = _MEANS.get(language, language)
    script = region = None
    if rest and len(rest[0]) == _SCRIPT_LETTERS and rest[0].isalpha():
        script = rest.pop(0)
    if rest and _is_region(rest[0]):
        region = rest.pop(0)
    scripts = _SCRIPTS_OF.get(language)
    written = script
    if scripts and region:
        usual = _SCRIPT_IN.get((language, region), scripts[0])
        script = script or usual
        written = None if script == usual else script
    text = "-".join(part for part in (language, written, region, *rest) if part)
    return LanguageTag(language, script, region, tuple(rest), text)


def _is_extended(subtag: str) -> bool:
    return len(subtag) == _LANGUAGE_LETTERS and subtag.isalpha()


def _is_region(subtag: str) -> bool:
    letters = len(subtag) == _REGION_LETTERS and subtag.isalpha()
    return letters or (len(subtag) == _REGION_DIGITS and subtag.isdecimal())


def closeness(wanted: str, registered: str) -> int:
    """Return how well the tags match, 0 when they do not; the order of the two does not matter.

    The same tag, before a prefix, before the same language otherwise; then the more that both say,
    then the less that only one says.
    """
    one, other = parse(wanted), parse(registered)
    if one.language != other.language:
        return 0
    ours, theirs = _subtags(one), _subtags(other)
    if ours == theirs:
        return 3_000
    scripts = {one.deciding_script, other.deciding_script}
    if len(scripts) > 1 and None not in scripts:
        return 0
    common = len(set(ours) & set(theirs))
    apart = len(set(ours) ^ set(theirs))
    kind = 2_000 if common == min(len(ours), len(theirs)) else 1_000
    return kind + 10 * common - min(apart, 9)


def _subtags(tag: LanguageTag) -> tuple[str, ...]:
    return tuple(part for part in (tag.language, tag.script, tag.region, *tag.rest) if part)


@lru_cache(maxsize=_CACHED_TAGS)
def closest(wanted: str, registered: Sequence[str]) -> str | None:
    """Return the tag that matches best, the first of equals; None when none does.

    `registered` is a tuple, in the order in which the node named its languages.
    """
    best = max(registered, key=lambda tag: closeness(wanted, tag), default=None)
    return best if best is not None and closeness(wanted, best) else None


def is_same_language(one: str, other: str) -> bool:
    """Return whether somebody who reads or speaks the one has use for the other."""
    return one == other or closeness(one, other) > 0
