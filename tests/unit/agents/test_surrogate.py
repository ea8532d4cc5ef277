import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime

from novum.agents.optimizer.features import Features, tanimoto
from novum.agents.optimizer.gaussian import fit
from novum.agents.optimizer.generators.fingerprints import fingerprints_of_smiles
from novum.agents.optimizer.kernels import ArdKernel, Kernel, MoleculeKernel
from novum.agents.optimizer.surrogate import Belief, Surrogate, significant


def points(rng: np.random.Generator, n: int, d: int = 2, categories: int = 0) -> Features:
    codes = rng.integers(0, 3, size=(n, 1)) if categories else np.zeros((n, 0), dtype=np.int64)
    return Features(rng.random((n, d)), codes)


def smooth(features: Features) -> np.ndarray:
    x = features.numeric
    return 10 + 3 * np.sin(4 * x[:, 0]) + 2 * np.cos(3 * x[:, 1])


def surrogate(features: Features, y: np.ndarray, kernel: Kernel | None = None, **more: object) -> Surrogate:
    options: dict[str, object] = {
        "failed": np.zeros(len(features)),
        "priors": [(0.0, 10.0)],
        "noise": [0.0],
    } | more
    return Surrogate(kernel or ArdKernel(), features, y[:, None], **options)  # type: ignore[arg-type]


def test_it_recovers_a_smooth_function() -> None:
    rng = np.random.default_rng(0)
    train, test = points(rng, 50), points(rng, 200)
    belief = surrogate(train, smooth(train)).predict(test)
    error = belief.mean[:, 0] - smooth(test)
    assert np.sqrt(np.mean(error**2)) < 0.05 * np.std(smooth(test))


@pytest.mark.parametrize("n", [8, 20, 60])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_its_95_per_cent_intervals_cover(n: int, noise: float) -> None:
    kernel, inside = ArdKernel(), []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        everywhere = points(rng, n + 60, d=3)
        lengths = np.log(rng.uniform(0.3, 1.5, size=3))
        blocks = kernel.blocks(everywhere, everywhere)
        root = np.linalg.cholesky(kernel.combine(blocks, lengths) + 1e-8 * np.eye(n + 60))
        y = 10 + 2 * root @ rng.normal(size=n + 60) + noise * rng.normal(size=n + 60)
        belief = surrogate(everywhere.take(range(n)), y[:n], noise=[noise]).predict(
            everywhere.take(range(n, n + 60))
        )
        spread = np.hypot(belief.std[:, 0], noise)
        inside.append(np.mean(np.abs(y[n:] - belief.mean[:, 0]) < 1.96 * spread))
    assert 0.88 <= np.mean(inside) <= 0.99


def test_known_noise_is_not_fitted() -> None:
    rng = np.random.default_rng(1)
    train, test = points(rng, 60), points(rng, 200)
    y = smooth(train) + 1.0 * rng.normal(size=60)
    belief = surrogate(train, y, noise=[1.0]).predict(test)
    assert np.sqrt(np.mean((belief.mean[:, 0] - smooth(test)) ** 2)) < 0.7
    assert np.median(belief.std) < 1.0


def test_without_data_the_prior_speaks() -> None:
    empty = points(np.random.default_rng(0), 0)
    silent = Surrogate(
        ArdKernel(), empty, np.zeros((0, 1)), failed=np.zeros(0), priors=[(5.0, 2.0)], noise=[0.0]
    )
    belief = silent.predict(points(np.random.default_rng(1), 3))
    assert belief.mean.tolist() == [[5.0]] * 3
    assert belief.std.tolist() == [[2.0]] * 3


def test_one_value_leaves_the_prior_spread() -> None:
    rng = np.random.default_rng(0)
    one = surrogate(points(rng, 1), np.array([7.0])).predict(points(rng, 4))
    assert_allclose(one.mean, 7.0, atol=1e-6)
    assert (one.std > 5).all()


def test_constant_values_do_not_break_it() -> None:
    rng = np.random.default_rng(0)
    belief = surrogate(points(rng, 12), np.full(12, 3.0)).predict(points(rng, 5))
    assert_allclose(belief.mean, 3.0, atol=1e-6)
    assert (belief.std > 0).all()


def test_missing_values_of_one_property_do_not_touch_the_other() -> None:
    rng = np.random.default_rng(2)
    train, test = points(rng, 30), points(rng, 50)
    y = smooth(train)
    holes = y.copy()
    holes[::2] = np.nan
    both = Surrogate(
        ArdKernel(),
        train,
        np.stack([y, holes], axis=1),
        failed=np.zeros(30),
        priors=[(0.0, 10.0)] * 2,
        noise=[0.0] * 2,
    ).predict(test)
    assert_allclose(both.mean[:, :1], surrogate(train, y).predict(test).mean)
    assert np.isfinite(both.mean).all()
    assert both.std[:, 1].mean() > both.std[:, 0].mean()


def test_failures_spread_to_neighbours_only() -> None:
    rng = np.random.default_rng(3)
    train = Features(
        np.array([[0.1, 0.1], [0.12, 0.1], [0.9, 0.9], [0.88, 0.9]]), np.zeros((4, 0), dtype=np.int64)
    )
    fitted = surrogate(train, np.array([np.nan, np.nan, 1.0, 2.0]), failed=np.array([1.0, 1.0, 0, 0]))
    risk = fitted.failure(Features(np.array([[0.1, 0.12], [0.9, 0.88]]), np.zeros((2, 0), dtype=np.int64)))
    assert risk[0] > 0.6
    assert risk[1] < 0.3
    assert not surrogate(points(rng, 5), np.arange(5.0)).failure(points(rng, 3)).any()


def test_the_gradient_of_the_evidence_is_right() -> None:
    rng = np.random.default_rng(4)
    features, kernel = points(rng, 9, d=2, categories=3), ArdKernel()
    blocks, theta = kernel.blocks(features, features), np.array([-0.5, 0.1, 0.4])
    weights = rng.normal(size=(9, 9))
    numeric = approx_fprime(theta, lambda t: float(np.sum(weights * kernel.combine(blocks, t))), 1e-7)
    assert_allclose(kernel.gradient(blocks, theta, weights), numeric, rtol=1e-4, atol=1e-5)


def test_an_irrelevant_number_gets_a_long_length_scale() -> None:
    features = points(np.random.default_rng(5), 60, d=2)
    y = np.sin(8 * features.numeric[:, 0])
    process = fit(ArdKernel(), ArdKernel().blocks(features, features), y, spread=1.0, noise=0.0)
    assert process.theta[1] > process.theta[0] + 1


def test_tanimoto_is_the_minmax_of_counts() -> None:
    from rdkit import Chem, DataStructs
    from rdkit.Chem import rdFingerprintGenerator

    smiles = ["CCO", "CCN", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "CCCCCC"]
    bits = fingerprints_of_smiles(smiles)
    features = Features(np.zeros((5, 0)), np.zeros((5, 0), dtype=np.int64), bits)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=3, fpSize=8192)
    counts = [generator.GetCountFingerprint(Chem.MolFromSmiles(s)) for s in smiles]
    expected = [[DataStructs.TanimotoSimilarity(a, b) for b in counts] for a in counts]
    assert_allclose(tanimoto(features, features), expected)


def test_every_molecular_mixture_is_a_covariance() -> None:
    rng = np.random.default_rng(6)
    smiles = ["CCO", "CCN", "c1ccccc1O", "CC(=O)O", "CCCCCC", "C1CCCCC1", "c1ccncc1"]
    features = Features(rng.random((7, 4)), np.zeros((7, 0), dtype=np.int64), fingerprints_of_smiles(smiles))
    kernel = MoleculeKernel()
    blocks = kernel.blocks(features, features)
    for theta in kernel.grid(2):
        matrix = kernel.combine(blocks, theta)
        assert_allclose(np.diag(matrix), 1.0)
        assert np.linalg.eigvalsh(matrix).min() > -1e-9


def test_a_thousand_rows_are_fitted() -> None:
    rng = np.random.default_rng(7)
    train, test = points(rng, 1000), points(rng, 100)
    belief = surrogate(train, smooth(train)).predict(test)
    assert np.abs(belief.mean[:, 0] - smooth(test)).max() < 0.1


def test_publishing_never_narrows() -> None:
    rng = np.random.default_rng(8)
    fitted = surrogate(points(rng, 30), rng.normal(size=30))
    belief = Belief(np.zeros((2, 1)), np.ones((2, 1)))
    assert (fitted.publish(belief).std >= 1).all()


def test_significant_digits() -> None:
    assert significant(np.array([1.23456789012, -4.0e-20, 0.0])).tolist() == pytest.approx(
        [1.23456789, -4.0e-20, 0.0], rel=1e-12, abs=0
    )
