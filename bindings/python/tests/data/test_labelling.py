"""Which outputs count as right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arms.data import DataError, LabelOptions, is_correct, label, read_records, write_records
from arms.data.normalize import final_answer, normalize, options_of, parse_number
from samples import record

CHOICE = "Which colour?\nA. red\nB. the blue one\n(C) 5 m"

SAME = [
    ("4", "4"),
    ("4.", "4"),
    ("The red Bus.", "red bus"),
    ("  straße ", "STRASSE"),
    ("\uff14", "4"),
    ("1,200.0", "1200"),
    ("-3", "\u22123"),
    ("50%", "50"),
    ("$5", "5"),
    ("5 kg", "5"),
    ("1e3", "1000"),
    (".5", "0.5"),
    ("A", "a"),
    ("The answer is **1,200**.", "1200"),
    ("I count them.\nAnswer: 7\n", "7"),
    ("**Answer:** 7", "7"),
    ("so \\boxed{3.14}", "3.14"),
    ("\\boxed{\\text{red}}", "red"),
    ("<think>4? Answer: 4</think>5", "5"),
    ("snake_case_name", "snake_case_name"),
    ("???", "???"),
    ("my_file_name.", "my_file_name"),
    ("The answer is `my_file_name`.", "my_file_name"),
    ("Answer: x_1 + x_2", "x_1 + x_2"),
    ("Answer: 2*3*4", "2*3*4"),
    ("Answer: $5 to $10", "$5 to $10"),
    ("**`42`**, as seen", "42, as seen"),
    ("(*red*)", "red"),
    ("red", "**red**"),
    ("$42$", "42"),
    ("10\u00b2", "10^2"),
    ("10\u207b\u00b3", "10^\u22123"),
    ("25 m\u00b2", "25 m2"),
    ("x\u00b2 + 1", "x^2 + 1"),
    ("1e999", "1e999"),
]
DIFFERENT = [
    ("", "4"),
    ("5", "4"),
    ("14", "4"),
    ("5 kg", "5 m"),
    ("$5", "\u20ac5"),
    ("1.02", "1"),
    ("yes, it is", "yes"),
    ("?", "!"),
    ("-3", "3"),
    ("<think>4</think>", "4"),
    ("2*3*4", "234"),
    ("x_1_2", "x12"),
    ("10\u00b2", "102"),
    ("(5)\u00b2", "(5)2"),
    ("10\u2082", "102"),
    ("1e999", "1e998"),
    ("9007199254740993", "9007199254740992"),
    ("e5", "100000"),
]


@pytest.mark.parametrize(("output", "answer"), SAME)
def test_equal_answers(output: str, answer: str) -> None:
    assert is_correct(output, answer)


@pytest.mark.parametrize(("output", "answer"), DIFFERENT)
def test_different_answers(output: str, answer: str) -> None:
    assert not is_correct(output, answer)


@pytest.mark.parametrize(
    "output", ["B", "b", "(B)", "B.", "B: blue", "B) the blue one", "blue one", "The answer is B."]
)
def test_the_letter_or_the_text_of_an_option(output: str) -> None:
    assert is_correct(output, "B", CHOICE)
    assert is_correct(output, "(B)", CHOICE)
    assert not is_correct(output, "A", CHOICE)


@pytest.mark.parametrize("output", ["A red one", "A", "Bus", "C", "none of them", "D"])
def test_no_or_another_option(output: str) -> None:
    assert not is_correct(output, "B", CHOICE)


def test_any_of_several_answers_and_tolerance() -> None:
    assert is_correct("four", ["4", "four"])
    assert is_correct("1.02", "1", tolerance=0.05)
    assert not is_correct("1.06", "1", tolerance=0.05)
    # To the last digit, which binary fractions would miss.
    for answer, within, beyond in (("100", "105", "105.001"), ("2", "2.1", "2.101")):
        assert is_correct(within, answer, tolerance=0.05)
        assert not is_correct(beyond, answer, tolerance=0.05)
    assert options_of("A. only one") == {}
    assert parse_number("9" * 100) is None


@given(st.text())
def test_an_answer_is_itself_and_normalising_twice_changes_nothing(text: str) -> None:
    assert is_correct(text, text)
    once = normalize(text)
    assert normalize(once) == once
    final_answer(text)
    parse_number(text)


@pytest.mark.parametrize(
    "piece", ["\n", "* ", "$a ", "\\boxed{", "answer:", "the ", "((", "A. ", "1,", "-"]
)
def test_long_outputs_take_no_long_time(piece: str) -> None:
    # Patterns without bounds would take hours.
    long = piece * 50_000
    is_correct(long, "4", CHOICE)
    is_correct("4", "4", long)


def test_rows_are_marked(tmp_path: Path) -> None:
    rows = [
        record(0, label=None, output="0"),
        record(1, label=None, output="no"),
        record(2, label=False, output="2"),
        record(3, label=None, output=None),
        record(4, label=None, answer=None),
    ]
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "d.jsonl"
    write_records(path, rows)
    report = label(path, tmp_path / "out.parquet")
    assert (report.right, report.wrong, report.kept, report.unknown) == (1, 1, 1, 2)
    marked = list(read_records(tmp_path / "out.parquet"))
    assert [row.label for row in marked] == [True, False, False, None, None]
    assert marked[0].image == "in/images/0.png"
    label(path, path, LabelOptions(relabel=True))
    assert [row.label for row in read_records(path)] == [True, False, True, None, None]


def test_labels_stay_where_none_can_be_told(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    rows = [
        record(0, label=True, output=None),
        record(1, label=False, answer=None),
        record(2, label=False),
        record(3, label=None, output=None),
    ]
    write_records(path, rows)
    report = label(path, path, LabelOptions(relabel=True))
    assert [row.label for row in read_records(path)] == [True, False, True, None]
    assert (report.right, report.wrong, report.kept, report.unknown) == (1, 0, 2, 1)
    report = label(path, path, LabelOptions(relabel=True, judge=0.5))
    assert [row.label for row in read_records(path)] == [True, False, True, None]
    assert (report.kept, report.unknown, report.models) == (3, 1, {})


def test_a_judge_decides(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    write_records(
        path, [record(n, label=None, judge=judge) for n, judge in enumerate([0.2, 0.5, None])]
    )
    report = label(path, path, LabelOptions(judge=0.5))
    assert [row.label for row in read_records(path)] == [False, True, None]
    assert (report.models["small"].right, report.models["small"].wrong) == (1, 1)
    with pytest.raises(DataError, match="judge's threshold"):
        LabelOptions(judge=0.0)
    for tolerance in (1.0, -1.0):
        with pytest.raises(DataError, match="tolerance is a share"):
            LabelOptions(tolerance=tolerance)
