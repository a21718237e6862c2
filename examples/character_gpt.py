"""A transformer that writes Python's manual, one character at a time.

Python ships with the text of its help pages, `pydoc_data.topics`. A model reads 64 characters and
says, at each place, which comes next. That is all it is ever asked; spelling, grammar and layout
come out of it because they help.

How good is it? Knowing nothing costs log2(103), 6.7 bits per character. Counting which character
follows which brings that to 3.35. What the transformer saves beyond this, it saves by looking back.

The idea: Vaswani et al., Attention is all you need, arXiv:1706.03762, and Radford et al., Language
models are unsupervised multitask learners (2019); the form: Karpathy's nanoGPT. Run it with
``python character_gpt.py``.
"""

import math
from pydoc_data.topics import topics

import numpy as np

import adjoint as ad
from adjoint import nn

WINDOW = 64


def load_text():
    """The help pages, one after the other in the order of their names."""
    return "\n\n".join(topics[name] for name in sorted(topics))


def pairs_bits(train, test, size):
    """Bits per character of the model that counts pairs of neighbours: what is to be beaten."""
    counts = np.ones((size, size))
    np.add.at(counts, (train[:-1], train[1:]), 1)
    share = counts / counts.sum(axis=1, keepdims=True)
    return -np.log2(share[test[:-1], test[1:]]).mean()


def bits(loss_of, tokens, windows=64):
    """Bits per character of a model, on windows that lie evenly over the text."""
    data = ad.data.TextDataset(tokens, WINDOW)
    starts = np.linspace(0, len(data) - 1, windows).astype(int)
    losses = [loss_of(*map(ad.tensor, data.take(part))).item() for part in np.split(starts, 4)]
    return np.mean(losses) / math.log(2)


def main(steps=1000, letters=200, seed=0):
    """Train, print losses and a sample, and return the bits per character on text never seen."""
    ad.random.seed(seed)
    text = load_text()
    vocabulary = ad.data.CharVocabulary(text)
    tokens = vocabulary.encode(text)
    train, test = np.split(tokens, [int(0.9 * len(tokens))])
    print(f"{len(text):,} characters, {len(vocabulary)} different ones")
    print(f"pairs of neighbours: {pairs_bits(train, test, len(vocabulary)):.2f} bits per character")

    model = nn.GPT(
        vocab_size=len(vocabulary), block_size=WINDOW, layers=2, heads=4, width=96, dropout=0.0
    )
    optimizer = ad.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.99), weight_decay=0.1)
    cosine = ad.optim.schedule.CosineAnnealingLR(None, T_max=steps, eta_min=1e-4)
    schedule = ad.optim.schedule.WarmUp(optimizer, 50, then=cosine)
    windows = ad.data.TextDataset(train, WINDOW, stride=1)
    draws = ad.data.DataLoader(windows, batch_size=16, shuffle=True, seed=seed)

    def loss_of(read, predict):
        scores = model(read).reshape((-1, len(vocabulary)))
        return nn.functional.cross_entropy(scores, predict.reshape(-1))

    @ad.compile
    def step(read, predict):
        optimizer.zero_grad()
        loss = loss_of(read, predict)
        loss.backward()
        ad.optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    measure = ad.compile(ad.no_grad()(loss_of))
    for number, batch in zip(range(1, steps + 1), draws, strict=False):
        step(*batch)
        schedule.step()
        if number % max(steps // 5, 1) == 0:
            print(f"step {number:5d}   {bits(measure, test):.2f} bits per character")

    begin = ad.tensor(vocabulary.encode("The "))
    generator = ad.random.Generator(seed)
    written = model.generate(begin, letters, temperature=0.6, generator=generator)
    print(vocabulary.decode(written))
    return bits(measure, test)


if __name__ == "__main__":
    main()
