"""What is registered: prod in full, then what each stack changes, and nothing else."""

import json

import pytest

from tests.infra.expected import (
    ACCOUNT,
    ALARM_TOPIC,
    PLAIN,
    PROD,
    QUEUE,
    QUEUE_URL,
    TABLE,
    document,
    inputs,
    plain,
    send,
    without_tls,
)
from tests.infra.registered import (
    EMAIL,
    EVERYTHING,
    KEY,
    STACKS,
    VARIANTS,
    registered,
    stack_with,
    variant,
)
from tests.infra.test_keys import changes_of


def test_prod_registers_exactly_these_resources_with_exactly_these_inputs() -> None:
    found = inputs(plain())
    others = {name for name in found if name.startswith("alarm-")} | {"dashboard"}
    assert {name: found[name] for name in found.keys() - others} == PROD


def test_the_local_stack_has_short_timeouts_and_few_deliveries() -> None:
    local = registered("local", managedRetries="false", batchSize="10", batchWindowSeconds="0")
    assert changes_of(local, plain(protectData="false")) == {
        "queue": {
            "visibilityTimeoutSeconds": 6,
            "redrivePolicy": {"deadLetterTargetArn": f"{QUEUE}-dlq", "maxReceiveCount": 2},
        },
        "function": {"timeout": 1},
        "alarm-oldest-message": {"threshold": 18},
        "alarm-function-duration": {"threshold": 800},
    }


def test_the_dev_stack_differs_in_names_alone() -> None:
    """Every name of dev ends in -dev; without that it is prod, unprotected."""
    text = json.dumps(inputs(registered("dev", **PLAIN)))
    for name in ("event-state-queue", "event-state-target-table", "EventUpsertLambda"):
        assert text.count(name) == text.count(f"{name}-dev")
    assert json.loads(text.replace("-dev", "")) == inputs(plain(protectData="false"))


def test_an_e_mail_address_adds_a_topic_for_these_alarms_alone() -> None:
    with_topic, without = inputs(registered(alarmEmail=EMAIL)), inputs(registered())
    alarms = {
        f"arn:aws:cloudwatch:{ACCOUNT}:alarm:{each['name']}"
        for name, each in without.items()
        if name.startswith("alarm-")
    }
    policy = with_topic["alarm-topic-policy"]["policy"]
    sources = policy["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert set(sources) == alarms
    assert {name: with_topic[name] for name in with_topic.keys() - without.keys()} == {
        "alarm-topic": {"name": "EventUpsertLambda-alarms"},
        "alarm-topic-subscription": {"topic": ALARM_TOPIC, "protocol": "email", "endpoint": EMAIL},
        "alarm-topic-policy": {
            "arn": ALARM_TOPIC,
            "policy": document(
                send(
                    *("AllowAlarms", "cloudwatch.amazonaws.com", "sns:Publish", ALARM_TOPIC),
                    sources,
                ),
                without_tls("sns:Publish", ALARM_TOPIC),
            ),
        },
    }
    key = registered(alarmEmail=EMAIL, kmsKeyArn=KEY)["alarm-topic"].inputs["kmsMasterKeyId"]
    assert key == KEY


@pytest.mark.parametrize("name", VARIANTS)
def test_a_stack_exports_exactly_these_outputs(name: str) -> None:
    suffix = "-dev" if name == "dev" else ""
    stream = {"tableStreamArn": f"{TABLE}/stream/2025-01-01T00:00:00.000"}
    assert variant(name).run.outputs == {
        "queueUrl": f"{QUEUE_URL}{suffix}",
        "queueArn": f"{QUEUE}{suffix}",
        "deadLetterQueueUrl": f"{QUEUE_URL}{suffix}-dlq",
        "tableName": f"event-state-target-table{suffix}",
        "keyAttribute": "event_id",
        "versionAttribute": "timestamp",
        "functionName": f"EventUpsertLambda{suffix}",
        "dashboardUrl": "https://us-east-1.console.aws.amazon.com/cloudwatch/home"
        f"?region=us-east-1#dashboards/dashboard/EventUpsertLambda{suffix}-us-east-1",
        **(stream if name == EVERYTHING else {}),
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_each_resource_is_a_child_of_the_component(name: str) -> None:
    component = variant(name)["event-state"]
    children = [each for each in variant(name).run.resources if each is not component]
    assert (component.type, component.name) == ("event-state:index:EventState", "event-state")
    for each in children:
        assert each.parent == component.urn
        assert each.name.startswith("event-state-")


def test_the_redrive_policy_is_written_as_sqs_writes_it_back() -> None:
    """The provider compares the text: a space in it would be a change in each `pulumi up`."""
    text = f'{{"deadLetterTargetArn":"{QUEUE}-dlq","maxReceiveCount":5}}'
    assert plain()["queue"].inputs["redrivePolicy"] == text


@pytest.mark.parametrize("name", VARIANTS)
def test_what_holds_data_is_protected_where_the_stack_says_so(name: str) -> None:
    program = variant(name)
    protected = {each for each in program.names() if program[each].protect}
    assert protected == (
        {"table", "queue", "dead-letter-queue", "log-group"} if name.startswith("prod") else set()
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_only_the_mapping_is_deleted_before_it_is_replaced(name: str) -> None:
    """Each says so itself: where one does not, the provider deletes first whatever has a name."""
    program = variant(name)
    said = {each: program[each].delete_before_replace for each in program.names()}
    assert said.pop("event-state") is None
    assert said == {each: each == "event-source-mapping" for each in said}


@pytest.mark.parametrize("name", STACKS)
def test_every_stack_tags_what_it_makes_through_the_provider(name: str) -> None:
    assert stack_with(name).default_tags == {
        "project": "event-state",
        "stack": name,
        "managed-by": "pulumi",
    }
    assert not [each.name for each in registered(name).run.resources if "tags" in each.inputs]


def test_the_real_cli_reaches_the_embedded_aws_for_every_service_that_the_program_uses() -> None:
    """A service without an endpoint would be looked for in a real account."""
    (endpoints,) = json.loads(stack_with("local").config["aws:endpoints"])
    assert set(endpoints.values()) == {"http://127.0.0.1:4566"}
    kinds = {each.type.split("/")[0] for each in variant(EVERYTHING).run.resources}
    logs = {"logs"}  # its log group is of Pulumi's module cloudwatch
    assert set(endpoints) == {
        kind.removeprefix("aws:") for kind in kinds if kind.startswith("aws:")
    } | logs | {"sts"}
