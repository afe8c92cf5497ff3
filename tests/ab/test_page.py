"""What people read of a comparison."""

from html.parser import HTMLParser

import pytest

from app.ab.asking import Arm, Reply
from app.ab.comparison import Comparison, Terms, compare
from app.ab.kept import Asked
from app.ab.page import page
from app.ab.progress import Progress
from app.ab.question import Question
from app.ab.report import About, lines

ABOUT = About(
    "asked", "safe", ("logs", "own.jsonl"), "ab12", 1, 1, 0.01, "2026-03-09T06:14:03+00:00", "0.1.0"
)
EVIL = "<script>alert('&')</script>"


def found(wrong: int = 1, saved: int = 40) -> Comparison:
    wanted = [
        Question(f"q{n}", "logs.time", [{"role": "user", "content": f"{EVIL} {n}"}], EVIL) for n in range(40)
    ]
    arms: tuple[Arm, ...] = ("raw", "encoded")
    replies: dict[Asked, Reply] = {}
    for number, each in enumerate(wanted):
        for arm in arms:
            text = "no" if arm == "encoded" and number < wrong else EVIL
            replies[each.id, arm, 0] = Reply(
                each.id,
                arm,
                0,
                text=text,
                saved=saved,
                model="reader",
                upstream="world",
                prompt_tokens=1_000 if arm == "raw" else 700,
                completion_tokens=3,
                seconds=0.5,
            )
    return compare(wanted, replies, Terms(margin=ABOUT.margin))


class Tags(HTMLParser):
    """Every element that is opened must be closed in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_nobody_for_anything():
    text = page(ABOUT, found())
    tags = Tags()
    tags.feed(text)

    assert tags.open == []
    assert tags.seen.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert tags.attributes.isdisjoint({"src", "href", "onclick", "style"})
    assert "url(" not in text
    assert "http://" not in text
    assert "https://" not in text


def test_the_page_shows_every_wrong_answer_with_its_question_as_text():
    text = page(ABOUT, found(wrong=3))

    assert text.count("<details>") == 3
    assert "q2: lost" in text
    assert "q3:" not in text
    assert "&lt;script&gt;alert" in text


def test_a_page_of_nothing_compared_says_so():
    text = page(ABOUT, found(saved=0))

    assert "the layer changed no prompt of this suite" in text
    assert "<h2>By sort" not in text


def test_the_lines_say_what_was_found():
    said = "\n".join(lines(ABOUT, found()))

    assert "asked (world/reader), layer safe, logs, own.jsonl" in said
    assert "40 questions: 40 compared, 0 not changed by the layer" in said
    assert "-30.0%" in said
    assert "0 gained, 1 lost, McNemar p = 1" in said
    assert "not proved with a margin of 1 point: the difference may be as low as" in said


def test_what_would_settle_it_is_said_only_where_more_questions_would():
    assert "more compared questions would settle it" in "\n".join(lines(ABOUT, found(wrong=0)))
    assert "settle" not in "\n".join(lines(ABOUT, found(wrong=20)))


@pytest.mark.parametrize(("total", "most"), [(400, 22), (7, 7)])
def test_progress_in_a_file_is_some_lines_and_says_what_is_left(total, most, capsys):
    clock = iter(float(second) for second in range(1000))
    progress = Progress(lambda: next(clock))
    for done in range(1, total + 1):
        progress(done, total, 2 if done == total else 0)
    said = capsys.readouterr().err.splitlines()

    assert len(said) <= most
    assert said[0].endswith(
        f"about {(total - max(total // 20, 1)) // 60} min {(total - max(total // 20, 1)) % 60} s left"
    )
    assert said[-1] == f"{total} of {total} questions, about 0 min 0 s left, 2 calls failed"
