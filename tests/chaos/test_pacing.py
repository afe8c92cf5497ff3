"""The gateway against an upstream whose limits move, beside OpenAI's SDK alone; shorter than `make chaos`, with slack
for a machine that is busy with other things.
"""

from dataclasses import replace

import pytest

from chaos.pacing import TOKENS, Load, naive, paced
from chaos.redis_server import redis_server

SHORT = Load(requests=120, window_seconds=3.0, seconds=12.0, clients=60)


async def test_the_gateway_uses_what_is_allowed_and_meets_no_refusals_where_a_client_alone_does():
    through, alone = await paced(SHORT), await naive(SHORT)

    assert through.goodput >= 0.75, through
    assert through.refused_share < 0.01, through
    assert through.failed == 0
    assert alone.refused_share > 0.2, alone
    assert alone.failed > 0


async def test_two_gateways_on_one_redis_do_so_together(tmp_path):
    with redis_server(tmp_path) as redis:
        through = await paced(SHORT, 2, redis.url)

    assert through.goodput >= 0.7, through
    assert through.refused_share < 0.01, through


@pytest.mark.parametrize(("max_tokens", "least"), [(16, 0.75), (64, 0.5)])
async def test_tokens_that_are_scarce_are_used_too(max_tokens, least):
    """Where more is reserved than used, the longer calls take on a busy machine the less there is for others."""
    through = await paced(replace(TOKENS, seconds=10.0, max_tokens=max_tokens))

    assert through.goodput >= least, through
    assert through.refused_share < 0.01, through
