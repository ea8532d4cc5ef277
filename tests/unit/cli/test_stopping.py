"""A stop that was asked for is a stop, whatever becomes of it on the way."""

import os
import signal

import pytest

from novum.cli.stopping import stopping_in_order


@pytest.mark.parametrize("raised", [RuntimeError("a library made this of it"), ImportError("half loaded")])
def test_an_error_that_an_interrupt_became_is_an_interrupt(raised):
    def swallowing():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise raised from None

    with pytest.raises(KeyboardInterrupt) as seen, stopping_in_order(lambda *_: None):
        swallowing()
    assert seen.value.__cause__ is raised


def test_an_error_without_an_interrupt_stays_what_it_is():
    with pytest.raises(RuntimeError, match="as it was"), stopping_in_order(lambda *_: None):
        raise RuntimeError("as it was")
