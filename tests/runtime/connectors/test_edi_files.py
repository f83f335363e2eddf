"""EDI messages from files: EDIFACT and X12 with their envelopes. What other people's readers stumbled over is in
`docs/reference/public-reports.md`; the messages here are our own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.card_data import MaskedCards, masked
from kernel.errors import Invalid
from runtime.connectors.file_drop import edi_messages, edi_segments
from runtime.connectors.registry import open_source
from runtime.profiles import profile
from tests.runtime.connectors.dropped import read_file, read_files

ORDERS = [
    "UNH+1+ORDERS:D:96A:UN:EAN008",
    "BGM+220+B-100+9",
    "DTM+137:20260302:102",
    "NAD+BY+4000001000005::9",
    "CTA+OC+:Jane O?'Neil",
    "NAD+SU+4000002000004::9",
    "CUX+2:EUR:9",
    "LIN+1++4000003000003:SRV",
    "IMD+F++:::Käse ?+ Brot ?: 10 ??",
    "QTY+21:48:PCE",
    "PRI+AAA:1.25",
    "LIN+2++4000003000010:SRV",
    "QTY+21:12",
    "UNS+S",
    "CNT+2:2",
    "UNT+16+1",
]
DESADV = [
    "UNH+2+DESADV:D:96A:UN",
    "BGM+351+L-7+9",
    "CPS+1",
    "CPS+2+1",
    "PAC+1++201",
    "GIN+BJ+340123450000000018",
    "LIN+1++4000003000003:SRV",
    "QTY+12:48",
    "CNT+2:1",
    "UNT+10+2",
]


def interchange(
    *messages: list[str], una: str = "UNA:+.? '", end: str = "", between: str = "", charset: str = "UNOC:3"
) -> str:
    head = f"UNB+{charset}+4000001000005:14+4000002000004:14+260302:1030+R1++++++1"
    segments = [head, *(one for message in messages for one in message), end or f"UNZ+{len(messages)}+R1"]
    return una + between + "".join(f"{one}'{between}" for one in segments)


def edifact(content: bytes | str, **edi: Any) -> tuple[list[Any], list[str]]:
    content = content.encode("iso-8859-1") if isinstance(content, str) else content
    return read_file(content, "a.edi", format="edifact", edi=edi)


@pytest.mark.parametrize("una", ["UNA:+.? '", "", "UNA:+,? '", "\ufeffUNA:+.? '"])
@pytest.mark.parametrize("between", ["", "\n", "\r\n"])
def test_an_order_is_one_record_with_its_parties_and_lines(una: str, between: str) -> None:
    content = interchange(ORDERS, DESADV, una=una, between=between, charset="UNOW:4")
    records, rejected, _ = read_files(
        {"a.edi": content}, **{**profile("edifact-messages").connection({}), "quiet": 0.0}
    )
    assert rejected == []
    assert [one.key for one in records] == ["4000001000005/ORDERS/B-100", "4000001000005/DESADV/L-7"]
    order = json.loads(records[0].payload)
    assert order["interchange"]["test"] is True
    assert order["message"] == {
        "reference": "1",
        "type": "ORDERS",
        "version": "D",
        "release": "96A",
        "agency": "UN",
        "association": "EAN008",
        "document": "B-100",
    }
    assert order["BGM"] == {"n": 2, "BGM01": "220", "BGM02": "B-100", "BGM03": "9"}
    assert order["DTM"] == [{"n": 3, "DTM01": "137", "DTM01_2": "20260302", "DTM01_3": "102"}]
    assert [one["NAD"]["NAD01"] for one in order["parties"]] == ["BY", "SU"]
    assert order["parties"][0]["CTA"][0]["CTA02_2"] == "Jane O'Neil"
    assert [(one["LIN"]["LIN03"], one["QTY"][0]["QTY01_2"]) for one in order["lines"]] == [
        ("4000003000003", "48"),
        ("4000003000010", "12"),
    ]
    assert order["lines"][0]["IMD"][0]["IMD03_4"] == "Käse + Brot : 10 ?"
    assert order["summary"][0]["CNT"][0]["CNT01_2"] == "2"
    notice = json.loads(records[1].payload)
    assert [len(one["lines"]) for one in notice["packages"]] == [0, 1]
    assert notice["packages"][1]["packs"][0]["GIN"][0]["GIN02"] == "340123450000000018"


@pytest.mark.parametrize(
    ("old", "new", "read", "reason"),
    [
        ("UNT+16+1", "UNT+15+1", 1, "UNT says 15, and it has 16 segments"),
        ("UNT+16+1", "UNT++1", 1, "UNT says nothing"),
        ("UNT+16+1", "UNT+sixteen+1", 1, "UNT says sixteen"),
        ("UNT+16+1", "UNT+16+9", 1, "UNT ends 9, and it is 1"),
        ("UNT+16+1", "UNT+1+16", 1, "UNT says 1, and it has 16"),
        ("UNT+16+1'", "", 1, "it has no UNT: another UNH begins"),
        ("UNT+10+2'", "", 1, "it has no UNT: UNZ stands"),
        ("UNZ+2+R1", "UNZ+17+R1", 2, "UNZ says 17, and there are 2 messages"),
        ("UNZ+2+R1", "UNZ+2+R2", 2, "UNZ ends R2, and UNB R1 is open"),
        ("UNZ+2+R1'", "", 2, "the interchange R1 has no UNZ"),
        ("UNZ+2+R1'", "UNZ+2+R1", 2, "has no end: the file may be cut off"),
        ("UNH+1+ORDERS:D:96A:UN:EAN008'", "", 1, "stands outside of a message"),
        ("BGM+220+B-100+9'", "BGM+220+B-100+9'BGM+220+B-101+9'", 1, "UNT says 16, and it has 17"),
        ("UNB+", "XYZ+", 0, "stands where an interchange begins"),
        ("UNA:+.? '", "UNA:::::'", 0, "names no separators"),
        ("UNA:+.? '", "'UNA:+.? '", 0, "stands where an interchange begins"),
        ("CUX+2:EUR:9'", "cux+2'", 0, "which is no name of a segment"),
    ],
)
def test_what_an_envelope_says_and_its_messages_do_not_is_said(old: str, new: str, read: int, reason: str) -> None:
    content = interchange(ORDERS, DESADV)
    assert old in content
    found, said = edifact(content.replace(old, new))
    assert (len(found), any(reason in one for one in said)) == (read, True), said


def test_groups_are_counted_and_end_with_their_reference() -> None:
    def grouped(end: str, last: str) -> list[str]:
        return edifact(interchange(["UNG+ORDERS+A+B+260302:1030+G1+UN+D:96A", *ORDERS, end], end=last))[1]

    assert grouped("UNE+1+G1", "UNZ+1+R1") == []
    assert grouped("UNE+2+G1", "UNZ+1+R1") == ["UNE says 2, and there are 1 messages"]
    assert grouped("UNE+1+G2", "UNZ+2+R1") == ["UNE ends G2, and UNG G1 is open", "UNZ says 2, and there are 1 groups"]


def test_several_interchanges_of_one_file_with_separators_of_their_own() -> None:
    other = interchange(DESADV).replace("UNA:+.? '", "").translate(str.maketrans(":+'?", "\x1f\x1d\x1c?"))
    repeats = interchange(["UNH+1+X:D:21A:UN", "ABC+a*b:c+?*", "UNT+3+1"], charset="UNOC:4", una="")
    found, said = edifact(interchange(ORDERS) + "\n" + other + repeats)
    assert said == []
    assert [one["message"]["type"] for one in found] == ["ORDERS", "DESADV", "X"]
    assert found[2]["ABC"] == [{"n": 2, "ABC01": "a", "ABC01_more": [{"c1": "b", "c2": "c"}], "ABC02": "*"}]


def test_a_charset_is_that_of_the_interchange_and_another_one_costs_the_message() -> None:
    assert edifact(interchange(ORDERS).encode("iso-8859-1"))[1] == []
    wrong, said = edifact(interchange(ORDERS, DESADV).encode("utf-8"))
    assert ([one["message"]["type"] for one in wrong], "UTF-8" in said[0]) == (["DESADV"], True)
    assert edifact(interchange(ORDERS).encode("utf-8"), charset="utf-8")[1] == []
    assert edifact(interchange(ORDERS, charset="UNOA:2").encode("cp1252"))[1][0].startswith("it is not utf-8")
    assert "charset" in edifact(interchange(ORDERS).replace("R1", "R\x81").encode("iso-8859-1"))[1][0]


def test_lines_may_be_records_of_their_own_and_types_be_chosen() -> None:
    settings = {"format": "edifact", "edi": {"types": ["ORDERS"], "split": "lines"}}
    keys = ["message.document", "lines.LIN.LIN01"]
    records, rejected, _ = read_files(
        {"a.edi": interchange(ORDERS, DESADV, charset="UNOW:4")}, key_fields=keys, **settings
    )
    assert ([one.key for one in records], rejected) == (["B-100/1", "B-100/2"], [])
    found, said = edifact(interchange(DESADV), split="packages.lines")
    assert (said, [(one["packages"]["CPS"]["CPS01"], one["lines"]["LIN"]["LIN01"]) for one in found]) == (
        [],
        [("2", "1")],
    )
    assert edifact(interchange(DESADV), split="lines")[1] == ["it has no lines"]


def test_loops_can_be_told_for_messages_of_ones_own() -> None:
    loops = {
        "ORDERS": [
            {
                "name": "items",
                "begins": "LIN",
                "until": ["UNS"],
                "loops": [{"name": "amounts", "begins": "QTY", "holds": ["PRI"]}],
            }
        ]
    }
    found, _ = edifact(interchange(ORDERS), loops=loops)
    assert found[0]["items"][0]["amounts"] == [
        {
            "QTY": {"n": 10, "QTY01": "21", "QTY01_2": "48", "QTY01_3": "PCE"},
            "PRI": [{"n": 11, "PRI01": "AAA", "PRI01_2": "1.25"}],
        }
    ]
    assert len(found[0]["NAD"]) == 2


@pytest.mark.parametrize(
    ("edi", "message"),
    [
        ({"charset": "klingon"}, "no charset"),
        ({"loops": {"X": [{"name": "a", "begins": "LIN"}]}}, "one of 'until' and 'holds'"),
        ({"loops": {"X": [{"name": "LIN", "begins": "LIN", "until": ["UNS"]}]}}, "the same name|not in capitals"),
        ({"loops": {"X": [{"name": "a", "begins": "A", "until": ["B"]}] * 2}}, "the same name"),
    ],
)
def test_settings_that_cannot_work_are_refused(edi: Any, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        open_source("file_drop", {"root": "/tmp", "format": "edifact", "edi": edi})


def test_endless_segments_and_messages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edi_segments, "LONGEST", 100_000)
    assert "has no end within" in edifact(interchange(ORDERS) + "UNB+" + "x" * 300_000)[1][-1]
    monkeypatch.setattr(edi_messages, "MOST_SEGMENTS", 12)
    found, said = edifact(interchange(ORDERS, DESADV))
    assert ([one["message"]["type"] for one in found], "more than 12" in said[0]) == (["DESADV"], True)


# -- X12 ---------------------------------------------------------------------------------------------------------------
NOTICE = [
    "ST*856*0001",
    "BSN*00*S-77*20260302*1030",
    "HL*1**S",
    "TD5*O*2*CARR",
    "N1*SF*Acme Ltd*92*17",
    "N3*1 Road",
    "HL*2*1*O",
    "PRF*PO-9",
    "HL*3*2*I",
    "LIN**UP*012345678905",
    "SN1**12*EA",
    "HL*4*2*I",
    "LIN**UP*012345678912",
    "CTT*4",
    "SE*15*0001",
]
PURCHASE = [
    "ST*850*0002",
    "BEG*00*SA*PO-9**20260302",
    "N1*ST*Store 7*92*7",
    "PO1*1*12*EA*2.5**UP*012345678905",
    "PID*F****Cheese",
    "PO1*2*6*EA*1**UP*012345678912",
    "CTT*2",
    "SE*8*0002",
]


def x12(
    *sets: list[str],
    element: str = "*",
    segment: str = "~",
    component: str = ">",
    between: str = "\n",
    version: str = "00401",
    eleven: str = "U",
    end: str = "",
) -> str:
    blank = " " * 10
    isa = f"ISA*00*{blank}*00*{blank}*ZZ*ACME{blank} *ZZ*SHOP{blank} *260302*1030*{eleven}*{version}*000000009*0*T*"
    lines = [
        isa + component,
        "GS*SH*ACME*SHOP*20260302*1030*9*X*004010",
        *(one for each in sets for one in each),
        f"GE*{len(sets)}*9",
        end or "IEA*1*000000009",
    ]
    return "".join(f"{one.replace('*', element)}{segment}{between}" for one in lines)


def sets_of(content: str, **edi: Any) -> tuple[list[Any], list[str]]:
    return read_file(content, "a.x12", format="x12", edi=edi)


@pytest.mark.parametrize(
    ("element", "segment", "between"),
    [("*", "~", "\n"), ("*", "~", ""), ("|", "\n", ""), ("*", "\r\n", ""), ("\x1d", "\x1c", ""), ("*", " ~", "")],
)
def test_a_ship_notice_has_its_levels_below_one_another(element: str, segment: str, between: str) -> None:
    content = x12(NOTICE, PURCHASE, element=element, segment=segment, between=between)
    records, rejected, _ = read_files({"a.x12": content}, **{**profile("x12-messages").connection({}), "quiet": 0.0})
    assert rejected == []
    assert [one.key for one in records] == ["ACME/856/S-77", "ACME/850/PO-9"]
    notice, purchase = (json.loads(one.payload) for one in records)
    assert notice["interchange"]["test"] is True
    assert notice["group"]["version"] == "004010"
    shipment = notice["levels"][0]
    assert (shipment["HL"]["HL03"], shipment["parties"][0]["N3"][0]["N301"]) == ("S", "1 Road")
    assert [one["LIN"][0]["LIN03"] for one in shipment["levels"][0]["levels"]] == ["012345678905", "012345678912"]
    assert [one["PO1"]["PO102"] for one in purchase["lines"]] == ["12", "6"]
    assert purchase["CTT"] == {"n": 7, "CTT01": "2"}


@pytest.mark.parametrize(
    ("old", "new", "read", "reason"),
    [
        ("SE*15*0001", "SE*14*0001", 1, "SE says 14, and it has 15 segments"),
        ("SE*15*0001", "SE*15*0003", 1, "SE ends 0003, and it is 0001"),
        ("SE*15*0001~", "", 1, "it has no SE: another ST begins"),
        ("GE*2*9", "GE*1*9", 2, "GE says 1, and there are 2 messages"),
        ("GE*2*9", "GE*2*8", 2, "GE ends 8, and GS 9 is open"),
        ("IEA*1*000000009", "IEA*2*000000009", 2, "IEA says 2, and there are 1 groups"),
        ("IEA*1*000000009", "IEA*1*000000001", 2, "IEA ends 000000001"),
        ("IEA*1*000000009~", "", 2, "has no IEA"),
        ("HL*3*2*I", "HL*3*9*I", 1, "level 3 stands below level 9"),
        ("HL*3*2*I", "HL*2*2*I", 1, "level 2 stands twice"),
        ("*T*>~", "*T*", 0, "its ISA shows no separators"),
        ("ISA*00*  ", "ISA*00*", 0, "its ISA shows no separators"),
        ("ISA*", "GS*", 0, "stands where an interchange begins"),
    ],
)
def test_envelopes_of_x12_are_checked_too(old: str, new: str, read: int, reason: str) -> None:
    content = x12(NOTICE, PURCHASE)
    assert old in content
    found, said = sets_of(content.replace(old, new, 1))
    assert (len(found), any(reason in one for one in said)) == (read, True), said


def test_a_letter_in_isa11_repeats_nothing_and_names_may_begin_with_isa() -> None:
    found, said = sets_of(x12([*PURCHASE[:2], "N1*ST*ISAAC U*92*7", "CTT*0", "SE*5*0002"]))
    assert (said, found[0]["parties"][0]["N1"]["N102"]) == ([], "ISAAC U")
    found, said = sets_of(x12([*PURCHASE[:2], "N1*ST*a^b>c", "SE*4*0002"], version="00501", eleven="^"))
    assert (said, found[0]["parties"][0]["N1"]["N102_more"]) == ([], [{"c1": "b", "c2": "c"}])


def test_numbers_of_articles_and_packages_are_not_taken_for_cards() -> None:
    package = "380000000000000006"  # has the form of a card number
    assert masked({"x": package}, MaskedCards()) != {"x": package}
    for name in ("GIN02", "PIA02_1", "LIN03", "MAN02", "PO107"):
        assert masked({name: package}, MaskedCards()) == {name: package}


# -- what is written is read -------------------------------------------------------------------------------------------
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\x85\ufeff\u2028"), min_size=1, max_size=6
)
PARTS = st.lists(TEXT | st.just(""), min_size=1, max_size=3)
SEGMENTS = st.lists(
    st.tuples(st.sampled_from(["ABC", "DTM", "QX1"]), st.lists(PARTS, min_size=1, max_size=4)), max_size=5
)


def flat(segments: list[Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for number, (tag, elements) in enumerate(segments, 2):
        values: dict[str, Any] = {"n": number}
        for at, parts in enumerate(elements, 1):
            values |= {
                f"{tag}{at:02}" + (f"_{place}" if place > 1 else ""): one for place, one in enumerate(parts, 1) if one
            }
        made.setdefault(tag, []).append(values)
    return made


@given(SEGMENTS, st.sampled_from(["UNA:+.? '", "UNA|!.\\ ;"]), st.sampled_from([1, 13, 65536]))
def test_any_message_that_is_written_is_read_back(segments: list[Any], una: str, chunk: int) -> None:
    component, element, release, end = una[3], una[4], una[6], una[8]

    def written(text: str) -> str:
        return "".join(f"{release}{one}" if one in component + element + release + end else one for one in text)

    lines = [
        ["UNH", [["1"], ["X", "D"]]],
        *segments,
        ["UNT", [[str(len(segments) + 2)], ["1"]]],
        ["UNZ", [["1"], ["R"]]],
    ]
    lines.insert(0, ["UNB", [["UNOW", "3"], ["A"], ["B"], ["260302", "1030"], ["R"]]])
    content = una + "".join(
        tag + "".join(element + component.join(written(one) for one in parts) for parts in elements) + end
        for tag, elements in lines
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edi_segments, "CHUNK", chunk)
        found, said = edifact(content.encode())
    assert said == []
    assert {name: found[0][name] for name in found[0] if name not in ("interchange", "message")} == flat(segments)


# X12 has no release character: separators are chosen so that no text has them.
SIGNS = st.sampled_from(
    [("*", "~", ">", "^"), ("|", "\n", ":", "!"), ("\x1d", "\x1c", "\x1f", "\x1e"), ("*", "\r\n", ">", "^")]
)
WORD = st.text("aZ09 äß.,-'+?&/€", min_size=1, max_size=6).filter(lambda text: text == text.strip())
REPEATS = st.lists(st.lists(WORD | st.just(""), min_size=1, max_size=3), min_size=1, max_size=2)
SETS = st.lists(
    st.lists(st.tuples(st.sampled_from(["ABC", "REF", "QX1"]), st.lists(REPEATS, min_size=1, max_size=4)), max_size=4),
    min_size=1,
    max_size=3,
)


def isa(element: str, component: str, repetition: str, version: str) -> str:
    """An ISA segment without its terminator, whose widths are fixed."""
    fields = ["00", " " * 10, "00", " " * 10, "ZZ", "ACME".ljust(15), "ZZ", "SHOP".ljust(15), "260302", "1030"]
    return element.join(["ISA", *fields, repetition, version, "000000009", "0", "T", component])


def segments_of(sets: list[Any], element: str, component: str, repetition: str, version: str) -> list[str]:
    head = [isa(element, component, repetition, version), element.join(["GS", "XX", "A", "B", "20260302", "1030", "9"])]
    for number, segments in enumerate(sets, 1):
        body = [
            element.join([tag, *(repetition.join(map(component.join, repeats)) for repeats in elements)])
            for tag, elements in segments
        ]
        head += [element.join(["ST", "999", f"{number:04}"]), *body]
        head.append(element.join(["SE", str(len(body) + 2), f"{number:04}"]))
    return [*head, element.join(["GE", str(len(sets)), "9"]), element.join(["IEA", "1", "000000009"])]


def named(segments: list[Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for number, (tag, elements) in enumerate(segments, 2):
        values: dict[str, Any] = {"n": number}
        for at, repeats in enumerate(elements, 1):
            name = f"{tag}{at:02}"
            values |= {name + (f"_{n}" if n > 1 else ""): one for n, one in enumerate(repeats[0], 1) if one}
            if len(repeats) > 1:
                values[f"{name}_more"] = [{f"c{n}": one for n, one in enumerate(r, 1) if one} for r in repeats[1:]]
        made.setdefault(tag, []).append(values)
    return made


@given(SETS, SIGNS, st.sampled_from([1, 13, 65536]))
def test_any_set_of_x12_that_is_written_is_read_back(sets: list[Any], signs: tuple[str, ...], chunk: int) -> None:
    element, terminator, component, repetition = signs
    lines = segments_of(sets, element, component, repetition, "00501")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edi_segments, "CHUNK", chunk)
        found, said = sets_of("".join(one + terminator for one in lines))
    assert said == []
    envelopes = ("interchange", "group", "message")
    assert [{name: one[name] for name in one if name not in envelopes} for one in found] == [named(one) for one in sets]


@given(SETS, SIGNS, st.data())
def test_a_segment_of_x12_that_is_missing_is_said_and_its_set_is_not_read(
    sets: list[Any], signs: tuple[str, ...], data: st.DataObject
) -> None:
    element, terminator, component, repetition = signs
    lines = segments_of(sets, element, component, repetition, "00501")
    gone = lines.pop(data.draw(st.integers(0, len(lines) - 1)))
    found, said = sets_of("".join(one + terminator for one in lines))
    assert said, gone
    whole = [named(one) for one in sets]
    read = [{name: one[name] for name in one if name not in ("interchange", "group", "message")} for one in found]
    assert all(one in whole for one in read)
    if not gone.startswith(("ISA", "GS", "GE", "IEA")):
        assert len(read) == len(sets) - 1


@given(SETS, SIGNS, st.data())
def test_a_file_of_x12_that_is_cut_off_anywhere_is_said(
    sets: list[Any], signs: tuple[str, ...], data: st.DataObject
) -> None:
    element, terminator, component, repetition = signs
    content = terminator.join([*segments_of(sets, element, component, repetition, "00501"), ""])
    cut = content[: data.draw(st.integers(1, len(content.rstrip("\r\n")) - 1))]
    found, said = sets_of(cut)
    assert said, cut
    assert len(found) <= cut.count(f"{terminator}SE{element}")


@given(SETS, st.data())
def test_a_segment_of_edifact_that_is_missing_is_said_and_its_message_is_not_read(
    sets: list[Any], data: st.DataObject
) -> None:
    messages = [
        [f"UNH+{n}+X:D", *(f"{tag}+{n}" for tag, _ in segments), f"UNT+{len(segments) + 2}+{n}"]
        for n, segments in enumerate(sets, 1)
    ]
    lines = interchange(*messages, una="").split("'")[:-1]
    gone = lines.pop(data.draw(st.integers(0, len(lines) - 1)))
    found, said = edifact("".join(f"{one}'" for one in lines))
    assert said, gone
    lost = {"UNB": len(sets), "UNZ": 0}.get(gone[:3], 1)
    assert len(found) == len(sets) - lost
