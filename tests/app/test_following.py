from app.following import without_usage


def test_an_event_with_content_keeps_it_whatever_stands_inside():
    event = (
        b'data: {"x":{"choices":[]},"choices":[{"delta":{"content":"hello"}}],"usage":{"total_tokens":1}}\n\n'
    )

    assert without_usage(event) == event
