"""What papers and public code report on each experiment's question: theirs, never mixed with ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One table of somebody else's numbers.

    Attributes:
        caption: What was measured, on what, and how often.
        source: Who reports it, with address.
        columns: Headings; the first column names the row.
        rows: Cells as printed in the source.
    """

    caption: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_HE2016 = "He, Zhang, Ren, Sun 2016, arXiv:1603.05027"
_HE2015 = "He, Zhang, Ren, Sun 2015, arXiv:1512.03385"
_CAFFENET = "caffenet-benchmark (ducha-aiki), ImageNet, 128-pixel images, one run each"

REPORTED: dict[str, tuple[Reported, ...]] = {
    "why": (
        Reported(
            caption="Top-1 accuracy of CaffeNet trained without any activation",
            source=_CAFFENET,
            columns=("net", "accuracy"),
            rows=(
                ("no activation, max-pooling kept", ".389"),
                ("no activation, strides instead of pooling", ".035"),
            ),
        ),
    ),
    "which": (
        Reported(
            caption="Four-layer CNN on CIFAR-10: how many times as many epochs to 25 % training error, learning "
            "rate chosen for each, no regularisation",
            source="Krizhevsky, Sutskever, Hinton 2012, figure 1",
            columns=("activation", "epochs, ReLU = 1"),
            rows=(("ReLU", "1"), ("tanh", "6")),
        ),
    ),
    "norm_order": (
        Reported(
            caption="Top-1 accuracy, BatchNorm before or after ReLU",
            source=_CAFFENET,
            columns=("net", "before", "after"),
            rows=(("CaffeNet", ".474", ".499"), ("GoogLeNet", ".603", ".596")),
        ),
    ),
    "ordering": (
        Reported(
            caption="CIFAR-10 test error in %, median of 5 runs (table 2)",
            source=_HE2016,
            columns=("ordering", "ResNet-110", "ResNet-164"),
            rows=(
                ("original", "6.61", "5.93"),
                ("bn_after_addition", "8.17", "6.50"),
                ("relu_before_addition", "7.84", "6.14"),
                ("relu_only_pre_activation", "6.71", "5.91"),
                ("full_pre_activation", "6.37", "5.46"),
            ),
        ),
    ),
    "shortcut": (
        Reported(
            caption="CIFAR-10 test error in % of ResNet-110, median of 5 runs; fail: above 20 % (table 1)",
            source=_HE2016,
            columns=("case", "on the shortcut", "on the branch", "error"),
            rows=(
                ("original", "1", "1", "6.61"),
                ("constant scaling", "0", "1", "fail"),
                ("constant scaling", "0.5", "1", "fail"),
                ("constant scaling", "0.5", "0.5", "12.35"),
                ("exclusive gating, bias 0 to -5", "1 - g(x)", "g(x)", "fail"),
                ("exclusive gating, bias -6", "1 - g(x)", "g(x)", "8.70"),
                ("exclusive gating, bias -7", "1 - g(x)", "g(x)", "9.81"),
                ("shortcut-only gating, bias 0", "1 - g(x)", "1", "12.86"),
                ("shortcut-only gating, bias -6", "1 - g(x)", "1", "6.91"),
                ("1x1 convolution", "1x1 conv", "1", "12.22"),
                ("dropout", "dropout 0.5", "1", "fail"),
            ),
        ),
    ),
    "depth": (
        Reported(
            caption="CIFAR-10 test error in % of residual nets. Plain nets are not tabulated there: deeper "
            "ones have higher training error, and plain-110 is above 60 %",
            source=_HE2015,
            columns=("depth", "error"),
            rows=(("20", "8.75"), ("32", "7.51"), ("44", "7.17"), ("56", "6.97"), ("110", "6.43")),
        ),
    ),
    "thousand": (
        Reported(
            caption="Test error in %, original against full pre-activation (table 3)",
            source=_HE2016,
            columns=("data set", "net", "original", "full pre-activation"),
            rows=(
                ("CIFAR-10", "ResNet-110", "6.61", "6.37"),
                ("CIFAR-10", "ResNet-164", "5.93", "5.46"),
                ("CIFAR-10", "ResNet-1001", "7.61", "4.92"),
                ("CIFAR-100", "ResNet-164", "25.16", "24.33"),
                ("CIFAR-100", "ResNet-1001", "27.82", "22.71"),
            ),
        ),
    ),
}
