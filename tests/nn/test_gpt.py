"""The GPT: what it sees, what it generates, and which states it takes."""

from typing import Any

import numpy as np
import pytest

import adjoint as ad

SIZES: dict[str, Any] = {"vocab_size": 13, "block_size": 8, "layers": 2, "heads": 2, "width": 8}


def model(**more: Any) -> Any:
    made = ad.nn.GPT(**(SIZES | more), generator=ad.random.Generator(0)).eval()
    with ad.no_grad():  # larger than at first, so that the scores differ
        for p in made.parameters():
            p.assign(p * 20.0 if p.ndim > 1 else p)
    return made


def tokens(*shape: int) -> Any:
    return ad.tensor(np.random.default_rng(0).integers(0, 13, shape))


def test_scores_do_not_depend_on_later_tokens() -> None:
    gpt, x = model(), tokens(2, 8)
    y = ad.concat([x[:, :5], (x[:, 5:] + 1) % 13], axis=1)
    a, b = gpt(x).detach().numpy(), gpt(y).detach().numpy()
    np.testing.assert_allclose(a[:, :5], b[:, :5], rtol=1e-5, atol=1e-6)
    assert np.abs(a[:, 5:] - b[:, 5:]).max() > 1e-3
    np.testing.assert_allclose(gpt(x[0]).detach(), a[0], rtol=1e-5, atol=1e-6)


def test_greedy_tokens_are_those_with_the_best_scores() -> None:
    gpt, x = model(), tokens(3, 2)
    made = gpt.generate(x, 12, temperature=0.0).numpy()  # beyond the block
    assert made.shape == (3, 14)
    np.testing.assert_array_equal(made[:, :2], x.numpy())
    for t in range(2, 14):
        seen = made[:, max(t - 8, 0) : t]
        best = gpt(ad.tensor(seen)).detach().numpy()[:, -1].argmax(-1)
        np.testing.assert_array_equal(made[:, t], best)


def test_a_seed_decides_what_is_drawn() -> None:
    gpt, x = model(dropout=0.5).train(), tokens(2, 3)
    draws = [gpt.generate(x, 5, generator=ad.random.Generator(s)).numpy() for s in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()
    assert gpt.training


def test_only_the_best_are_drawn() -> None:
    gpt, x = model(), tokens(4, 3)
    greedy = gpt.generate(x, 5, temperature=0.0).numpy()
    np.testing.assert_array_equal(gpt.generate(x, 5, top_k=1).numpy(), greedy)
    np.testing.assert_array_equal(gpt.generate(x, 5, temperature=1e-4).numpy(), greedy)
    best = np.argsort(gpt(x).detach().numpy()[:, -1])[:, -3:]
    for seed in range(5):
        drawn = gpt.generate(x, 1, top_k=3, generator=ad.random.Generator(seed)).numpy()[:, -1]
        assert all(d in row for d, row in zip(drawn, best, strict=True))


def test_names_and_first_values() -> None:
    gpt = ad.nn.GPT(**SIZES | {"width": 64, "layers": 8}, generator=ad.random.Generator(0))
    state = gpt.state_dict()
    assert state["h.0.attn.c_attn.weight"].shape == (64, 192)
    assert state["h.1.mlp.c_fc.weight"].shape == (64, 256)
    assert "lm_head.weight" not in state
    np.testing.assert_allclose(state["h.0.mlp.c_fc.weight"].std().item(), 0.02, rtol=0.05)
    np.testing.assert_allclose(state["h.0.mlp.c_proj.weight"].std().item(), 0.005, rtol=0.05)
    assert not state["h.0.attn.c_attn.bias"].numpy().any()
    untied = ad.nn.GPT(**SIZES, tied=False, bias=False)
    assert untied.state_dict()["lm_head.weight"].shape == (13, 8)
    assert not any(name.endswith("bias") for name in untied.state_dict())


def test_states_with_a_prefix_and_old_masks() -> None:
    gpt, other = model(), model(layers=2)
    state = {f"transformer.{name}": x.numpy() for name, x in gpt.state_dict().items()}
    state |= {"lm_head.weight": state["transformer.wte.weight"]}
    state |= {"transformer.h.0.attn.bias": np.tril(np.ones((1, 1, 8, 8)))}
    assert other.load_state_dict(state) == ([], [])
    np.testing.assert_array_equal(other(tokens(1, 4)).detach(), gpt(tokens(1, 4)).detach())
    with pytest.raises(ad.errors.ArgumentError, match=r"missing: wte\.weight"):
        other.load_state_dict({k: v for k, v in state.items() if "wte" not in k})


def test_what_is_refused() -> None:
    gpt = model()
    with pytest.raises(ad.errors.ShapeError, match="9 tokens"):
        gpt(tokens(1, 9))
    with pytest.raises(ad.errors.ArgumentError, match="temperature"):
        gpt.generate(tokens(1, 2), 1, temperature=-1.0)
    with pytest.raises(ad.errors.ArgumentError, match="heads do not divide"):
        ad.nn.GPT(**SIZES | {"heads": 3})
    with pytest.raises(ad.errors.ArgumentError, match="not both"):
        ad.nn.GPT(ad.nn.GPTConfig(), width=8)
