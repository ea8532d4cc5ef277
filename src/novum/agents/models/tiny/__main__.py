"""``python -m novum.agents.models.tiny``: serves the tiny model on loopback, and makes it first."""

import argparse
import sys
from pathlib import Path


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m novum.agents.models.tiny", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder in which the model is kept")
    parser.add_argument("--port", type=int, required=True, help="port on loopback; 0 takes any")
    parser.add_argument("--seed", type=int, default=0, help="fixes the weights")
    parser.add_argument("--train", action="store_true", help="train it for a minute")
    parser.add_argument("--served-as", default="tiny", help="the model's name, to clients")
    options = parser.parse_args()

    import uvicorn

    from novum.agents.models.tiny.app import make_app
    from novum.agents.models.tiny.decoding import TinyModel
    from novum.agents.models.tiny.making import TRAINING_STEPS, make_tiny_model, one_thread

    def say(step: int, loss: float) -> None:
        if step % 10 == 0:
            sys.stderr.write(f"training: step {step} of {TRAINING_STEPS}, loss {loss:.3f}\n")
            sys.stderr.flush()

    folder = make_tiny_model(options.cache, seed=options.seed, train=options.train, on_step=say)
    with one_thread():
        app = make_app(TinyModel(folder), served_as=options.served_as)
        uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="info", access_log=False)


if __name__ == "__main__":
    main()
