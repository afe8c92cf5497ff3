"""What is wrong with the settings of scenes is told where it is set, before anything answers."""

import pytest

from tests.support.gateway import gateway_of


async def test_a_folder_without_vocabularies_is_named_with_its_setting(tmp_path):
    yaml = "upstreams: {demo: {kind: demo}}\nscenes: {tokenizers: nowhere}\n"
    with pytest.raises(ValueError, match=r"scenes\.tokenizers: .*nowhere"):
        async with gateway_of(yaml, tmp_path):
            pass
