"""The command line of `perdure recover`."""

import pytest

from anchor_worker.recover_command import main


@pytest.mark.parametrize("number", ["x", "-1", "100000001", "1" * 5_000])
def test_a_count_that_is_none_is_wrong_usage_in_words(
    number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"--issued-at-most={number}"])

    said = capsys.readouterr().err
    assert ended.value.code == 64
    assert f"--issued-at-most: given '{number[:40]}', expected a whole number" in said
