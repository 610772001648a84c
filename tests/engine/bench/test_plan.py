"""Plans from measured figures: what a post costs, what a rate needs, what limits it."""

import json

import pytest
from typer.testing import CliRunner

from sluice.bench.figures import Figures, cost_of, parts_of, predict, read_figures
from sluice.bench.plan import (
    COLUMNS,
    LEAST_PARTITIONS,
    N_REPLICAS,
    Hardware,
    bytes_of,
    describe,
    make_plan,
    rows_of,
)
from sluice.bench.posts import Mix, parse_mix
from sluice.cli import app
from sluice.contract import FUSION, TEXT_ENCODER
from sluice.errors import BenchmarkError

TEXT, PICTURE, SOUND = (parse_mix(shares, 15) for shares in ("text", "0/100/0/0", "0/0/0/100"))
COSTS = {
    "worker": (1.0, 9.0, 12.0),
    "text_encoder": (5.0, 0.0, 0.0),
    "image_encoder": (0.0, 8.0, 0.0),
    "kafka": (0.5, 0.1, 0.1),
}


def measured(mix):
    """What a machine of two cores would measure if parts cost `COSTS`."""
    cpu_ms = {r: sum(c * n for c, n in zip(costs, parts_of(mix), strict=True)) for r, costs in COSTS.items()}
    cpu_ms["generator"] = 0.2
    return Figures(mix, 2, 2_000 / sum(cpu_ms.values()), cpu_ms)


@pytest.fixture
def runs():
    return [measured(TEXT), measured(PICTURE), measured(SOUND)]


def test_parts_of_a_mix():
    assert parts_of(Mix()) == pytest.approx((1.0, 0.2 + 3 * 0.07, 0.03))


def test_a_mix_that_was_measured_is_taken_as_it_is(runs):
    cost = cost_of(PICTURE, runs)
    assert cost == {role: ms for role, ms in runs[1].cpu_ms.items() if role != "generator"}


def test_another_mix_is_put_together_from_its_parts(runs):
    expected = measured(Mix()).cpu_ms
    assert cost_of(Mix(), runs) == pytest.approx({role: ms for role, ms in expected.items() if role != "generator"})


def test_another_share_of_repeats_was_not_measured(runs):
    with pytest.raises(BenchmarkError, match="15 % repeats and is to be planned with 0 %"):
        cost_of(parse_mix("text", 0), runs)


def test_texts_and_pictures_need_no_run_with_sound(runs):
    assert cost_of(parse_mix("50/50/0/0", 15), runs[:2])["worker"] == pytest.approx(5.5)


@pytest.mark.parametrize("n_runs", [1, 2])
def test_runs_that_do_not_tell_parts_apart_are_refused(runs, n_runs):
    with pytest.raises(BenchmarkError, match="--mix 0/100/0/0"):
        cost_of(Mix(), runs[:n_runs])


def test_what_a_machine_measured_is_predicted(runs):
    mixed = measured(Mix())
    assert predict(mixed, cost_of(Mix(), runs)) == pytest.approx(mixed.posts_per_s, rel=0.01)


def test_ten_times_the_rate_needs_ten_times_as_much(runs):
    cost = cost_of(TEXT, runs)
    small, large = (make_plan(rate, TEXT, cost, Hardware(busy=1.0)) for rate in (10_000, 100_000))
    assert (small.workers, large.workers) == (10, 100)
    assert (small.triton, large.triton) == (50, 500)
    assert small.partitions == 20
    assert large.kafka_gbit == pytest.approx(10 * small.kafka_gbit)
    assert small.kafka_tb_per_day == pytest.approx(10_000 * 2_100 * 3 * 86_400 / 1e12)
    assert large.cost_per_million < small.cost_per_million  # three brokers are the least there are


def test_a_small_rate_still_has_replicas_and_partitions(runs):
    plan = make_plan(1, TEXT, cost_of(TEXT, runs), Hardware())
    assert (plan.workers, plan.triton, plan.brokers, plan.partitions) == (1, 1, N_REPLICAS, LEAST_PARTITIONS)


def test_spare_room_costs_more(runs):
    cost = cost_of(TEXT, runs)
    assert (
        make_plan(1000, TEXT, cost, Hardware(busy=0.5)).workers
        == 2 * make_plan(1000, TEXT, cost, Hardware(busy=1.0)).workers
    )


def test_the_bottleneck_is_what_asks_for_most_machines(runs):
    cost = cost_of(TEXT, runs)
    plan = make_plan(1e6, TEXT, cost, Hardware())
    assert plan.bottleneck == "the models' CPU"
    assert list(plan.machines.values()) == sorted(plan.machines.values(), reverse=True)
    assert make_plan(1e6, TEXT, cost, Hardware(gpu=True)).bottleneck == "the workers' CPU"
    assert make_plan(1e6, TEXT, {**cost, "worker": 0.01}, Hardware(gpu=True)).bottleneck != "the workers' CPU"


def test_pictures_need_media_and_larger_requests(runs):
    plain, pictures = (make_plan(100, mix, cost_of(mix, runs), Hardware()) for mix in (TEXT, PICTURE))
    assert plain.media_gbit == 0 < pictures.media_gbit
    assert pictures.triton_gbit > 3 * plain.triton_gbit


def test_rows_and_bytes_of_models():
    assert rows_of(TEXT)[FUSION.name] == 1
    assert rows_of(PICTURE)[FUSION.name] == 3
    assert bytes_of(TEXT_ENCODER) == 2 * 8 * 32 + 4 * (4 * 256 + 17 + 17 * 32)


def test_every_column_has_a_value(runs):
    plans = [make_plan(100, TEXT, cost_of(TEXT, runs), Hardware())]
    assert [len(line) for line in describe(plans, is_gpu=False)] == [len(COLUMNS)]


def write(file, mix, posts_per_s=None, row="sluice"):
    found = measured(mix)
    rate = found.posts_per_s if posts_per_s is None else posts_per_s
    shares = {name: getattr(mix, name) for name in ("text", "picture", "pictures", "sound", "repeats")}
    rows = [{"row": row, "posts_per_s": rate, "cpu_ms_per_post": dict(found.cpu_ms), "rounds": [rate]}]
    file.write_text(json.dumps({"setting": {"shares": shares, "n_cores": 2, "mix": str(mix)}, "rows": rows}))
    return str(file)


def run(*arguments):
    return CliRunner().invoke(app, ["plan", *arguments])


def test_the_command_plans_and_checks_itself(tmp_path):
    files = [write(tmp_path / f"{n}.json", mix) for n, mix in enumerate((TEXT, PICTURE, SOUND, Mix()))]
    given = [word for file in files for word in ("--figures", file)]
    done = run("--rate", "100,1000000", "--json", *given)
    assert done.exit_code == 0, done.stderr
    plans = [json.loads(line) for line in done.stdout.splitlines()]
    assert [plan["rate_per_s"] for plan in plans] == [100, 1_000_000]
    assert plans[1]["bottleneck"] == "the models' CPU"
    assert plans[1]["cost_per_million"] == pytest.approx(plans[1]["cost_per_hour"] / 3600)
    assert (plans[1]["mix"]["text"], plans[1]["hardware"]["gpu"], plans[1]["row"]) == (70, False, "sluice")
    assert "predicted from the other runs" in done.stderr


def test_a_prediction_that_is_off_fails(tmp_path):
    file = write(tmp_path / "text.json", TEXT, posts_per_s=200.0)
    done = run("--rate", "100", "--mix", "text", "--figures", file)
    assert done.exit_code == 1
    assert "1.49" in done.stderr


def test_another_row_can_be_planned_with(tmp_path):
    file = write(tmp_path / "text.json", TEXT, row="sluice-whole")
    given = ("--rate", "100", "--mix", "text", "--figures", file)
    assert run(*given, "--row", "sluice-whole").exit_code == 0
    for refused in (("--row", "faust"), ("--row", "sluice-whole", "--gpu"), ()):
        done = run(*given, *refused)
        assert (done.exit_code, done.stdout) == (1, "")
        assert "row" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--rate", "many"], ["--rate", "-1"], ["--rate", "nan"], ["--rate", "inf"], ["--rate", "1", "--mix", "all"]],
)
def test_wrong_options_are_named(tmp_path, arguments):
    done = run(*arguments, "--figures", write(tmp_path / "text.json", TEXT))
    assert done.exit_code == 1
    assert arguments[-1] in done.stderr


@pytest.mark.parametrize("content", ["", "{}", '{"setting": {}, "rows": []}'])
def test_a_file_that_is_none_is_named(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(BenchmarkError, match=r"x\.json"):
        read_figures(tmp_path / "x.json")


def test_figures_of_the_row_are_needed(tmp_path):
    with pytest.raises(BenchmarkError, match="row sluice"):
        read_figures(tmp_path / "b.json" if write(tmp_path / "b.json", TEXT, row="faust") else tmp_path)
    with pytest.raises(BenchmarkError, match=r"absent\.json"):
        read_figures(tmp_path / "absent.json")
