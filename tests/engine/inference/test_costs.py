"""What a configuration of Triton says about requests: what they take, and how many run at once."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from sluice.contract import CELL_COST_PARAMETER, FUSION, MODELS, REQUEST_COST_PARAMETER, TEXT_ENCODER, ModelSpec
from sluice.inference.costs import ON_CPU, ON_GPU, Costs, read_costs, read_n_requests
from sluice.resources import triton_repository


def config_of(text: str) -> ModelConfig:
    return text_format.Parse(text, ModelConfig())


def parameter(name: str, value: str) -> str:
    return f'parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}\n'


ON_A_CPU = "instance_group [ { count: 1 kind: KIND_CPU } ]"


def test_costs_are_read_and_what_is_not_said_is_as_usual_there() -> None:
    both = parameter("request_us", "2000") + parameter("cell_us", "65.5")
    assert read_costs(config_of(both)) == Costs(2000.0, 65.5)
    assert read_costs(config_of(parameter("cell_us", "2"))) == Costs(ON_GPU.request_us, 2.0)
    assert read_costs(config_of(parameter("cell_us", "2") + ON_A_CPU)) == Costs(ON_CPU.request_us, 2.0)
    assert read_costs(config_of("")) == ON_GPU
    assert read_costs(config_of(ON_A_CPU)) == ON_CPU


@pytest.mark.parametrize("wrong", ["dear", "", "-1", "0", "nan", "inf"])
def test_a_cost_that_is_no_number_is_not_gone_by(wrong: str) -> None:
    assert read_costs(config_of(parameter("request_us", wrong) + parameter("cell_us", "3"))) == Costs(
        ON_GPU.request_us, 3.0
    )


def test_a_row_always_goes_and_padding_is_weighed_against_a_request() -> None:
    costs = Costs(request_us=100.0, cell_us=10.0)
    assert costs.go_together([500])
    assert costs.go_together([10, 20])
    assert not costs.go_together([10, 21])
    assert costs.go_together([10] * 4)
    assert not costs.go_together([11] * 4)
    assert costs.seconds(90) == pytest.approx(0.001)


def test_requests_grow_with_what_waits_up_to_where_it_gains_nothing() -> None:
    costs = Costs(request_us=100.0, cell_us=10.0)
    assert costs.go_together([20] * 4, n_waiting=640)
    assert not costs.go_together([20] * 4, n_waiting=639)
    assert costs.go_together([40] * 4, n_waiting=1_000_000)
    assert not costs.go_together([41] * 4, n_waiting=1_000_000)


@pytest.mark.parametrize(
    ("groups", "n_requests"),
    [
        ("", 4),
        ("instance_group [ { count: 2 kind: KIND_CPU } ]", 3),
        ("instance_group [ { count: 1 kind: KIND_CPU }, { count: 1 kind: KIND_CPU } ]", 3),
        ("instance_group [ { count: 16 kind: KIND_CPU } ]", 4),
        ("instance_group [ { count: 1 kind: KIND_GPU } ]", 4),
        ("instance_group [ { count: 0 kind: KIND_CPU } ]", 1),
    ],
)
def test_one_more_is_on_the_way_than_a_cpu_runs(groups: str, n_requests: int) -> None:
    assert read_n_requests(TEXT_ENCODER, config_of(groups)) == n_requests
    assert read_n_requests(FUSION, config_of(groups)) == 1


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_our_own_configurations_say_it_for_the_cpu(model: ModelSpec) -> None:
    config = config_of((triton_repository() / model.name / "configs" / "cpu.pbtxt").read_text("utf-8"))
    assert {REQUEST_COST_PARAMETER, CELL_COST_PARAMETER} <= set(config.parameters)
    assert not config.HasField("dynamic_batching")
