"""What a record says of the machine."""

from pathlib import Path

import pytest

from involbench.training.provenance import cpu_name, hardware

LINUX = """processor\t: {place}
model name\t: AMD EPYC
flags\t\t: fpu sse2 {flags}
"""


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("", "AMD EPYC"),
        ("avx avx2 fma", "AMD EPYC with AVX2"),
        ("avx avx2 fma avx512f avx512bw", "AMD EPYC with AVX-512"),
    ],
)
def test_cpus_of_one_name_are_told_apart_by_their_vectors(
    tmp_path: Path, flags: str, name: str
) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("\n".join(LINUX.format(place=place, flags=flags) for place in range(2)))
    assert cpu_name(info) == name


def test_where_nothing_tells_there_is_a_name_all_the_same(tmp_path: Path) -> None:
    assert cpu_name(tmp_path / "none")
    assert hardware().cpu
