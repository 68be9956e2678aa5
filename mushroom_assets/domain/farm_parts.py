"""The parts of a farm: rooms, quantities, watched setpoints, stages, labels, limits.

Here lives what each part's keys mean and which values they may have. `farm` puts them together, and
says what holds between them.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Language = Literal["en", "zh"]
ChangeType = Literal["digital_on_off", "enum_state", "analog_value"]
Band = tuple[float, float]  # both ends included
# Quantities computed per sample from temperature and humidity
DERIVED_UNITS = {"vpd": "kPa", "dew_point": "°C"}


# Texts as they are written: `farm_yaml` makes no number and no boolean of `010`, `6.10` or `on`
Text = str | dict[Language, str]


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(
            f"the first number must not exceed the second, got [{pair[0]:g}, {pair[1]:g}]"
        )
    return pair


class Part(BaseModel):
    """A part of a farm: it knows its keys, and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Room(Part):
    """A growing room. `folder` is its folder in the image store, the room id unless set."""

    folder: str | None = None


class Quantity(Part):
    """A sensor point that becomes daily statistics. Limits are in `unit`, both ends included.

    From `full_scale` on, the end of the sensor's scale, an unchanged value is not stuck.
    `setpoints` are the points that set it, by device_type: they are drawn beside it. `text` is its
    name for people, `decimals` how many are shown; without them `texts` knows the usual ones.
    """

    device_type: str
    point_alias: str
    unit: str
    plausible: tuple[float, float] = (-1e300, 1e300)
    spike: float | None = Field(default=None, gt=0)
    stuck_s: int | None = Field(default=None, gt=0)
    full_scale: float | None = None
    setpoints: dict[str, list[str]] = {}
    text: Text | None = None
    decimals: int | None = Field(default=None, ge=0, le=9)

    _plausible_ordered = field_validator("plausible")(_ordered)


class WatchedPoint(Part):
    """A setpoint whose changes are recorded.

    `threshold` is the resolution of an analog value, in `unit`: the smallest step that counts.
    Without one every difference does.
    """

    change_type: ChangeType
    threshold: float | None = Field(default=None, gt=0)
    unit: str | None = None
    description: Text | None = None
    labels: dict[int, Text] = {}


class Stage(Part):
    """Growth days, both included, with the target band of each quantity."""

    name: str
    days: tuple[int, int]
    bands: dict[str, Band] = {}

    _days_ordered = field_validator("days")(_ordered)

    @field_validator("bands")
    @classmethod
    def _bands_ordered(cls, bands: dict[str, Band]) -> dict[str, Band]:
        return {quantity: _ordered(band) for quantity, band in bands.items()}


class ReportRules(Part):
    """Thresholds of the daily verdict; shares between 0 and 1.

    `out_hours` are hours outside a band, times how many of its widths outside.
    """

    min_coverage: float = Field(ge=0, le=1)
    watch_below: float = Field(ge=0, le=1)
    act_below: float = Field(ge=0, le=1)
    watch_suspect_share: float = Field(ge=0, le=1)
    watch_unreadable_share: float = Field(ge=0, le=1)
    watch_condition_share: float = Field(ge=0, le=1)
    act_condition_share: float = Field(default=0.5, ge=0, le=1)
    watch_out_hours: float = Field(default=1, ge=0)
    act_out_hours: float = Field(default=6, ge=0)


class Label(Part):
    """A zero-shot label: its text for people, its prompts for the model (in English, for CLIP).

    A condition that is `contagious` is to be acted on.
    """

    text: Text | None = None
    prompts: list[str] = Field(min_length=1)
    contagious: bool = False


class Vision(Part):
    """Zero-shot labels of the camera images.

    `unknown_margin` is a difference of probabilities. `unfamiliar_below` is a share, see
    `familiarity.Known`: a picture below it has no label. `sound` is the condition of a crop that
    has nothing wrong with it: the report does not warn of it.
    """

    unknown_margin: float = Field(ge=0, le=1)
    unfamiliar_below: float = Field(default=0.05, ge=0, lt=1)
    templates: list[str] = Field(min_length=1)
    stages: dict[str, Label] = Field(min_length=2)
    conditions: dict[str, Label] = Field(min_length=2)
    sound: str = Field(default="healthy", validate_default=True)

    @field_validator("templates")
    @classmethod
    def _templates_have_a_place(cls, templates: list[str]) -> list[str]:
        for template in templates:
            if "{}" not in template:
                raise ValueError(f"a template needs {{}} where the prompt goes: {template!r}")
        return templates

    @field_validator("sound")
    @classmethod
    def _sound_is_a_condition(cls, sound: str, info: ValidationInfo) -> str:
        conditions = info.data.get("conditions")  # None if they are wrong themselves
        if conditions is not None and sound not in conditions:
            raise ValueError(
                f"no condition is named {sound!r}; write `sound:` with the condition that means "
                f"nothing is wrong, one of {', '.join(conditions)}"
            )
        return sound


# As Dagster takes it.
Owner = Annotated[
    str, Field(pattern=r"^(team:.+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$")
]


class Owners(Part):
    """Who answers for the assets, by role: `team:<name>` or an e-mail address each."""

    growers: list[Owner] = ["team:growers"]
    agronomists: list[Owner] = ["team:agronomists"]
    data_engineering: list[Owner] = ["team:data-engineering"]


class Keep(Part):
    """Days after which what was stored is removed; None keeps it for ever."""

    samples_days: int | None = None
    image_rows_days: int | None = None
    events_days: int | None = None


class Feeds(Part):
    """After how many seconds without anything new a room's feed counts as stopped.

    It must be told as stopped before it is forgotten, after 7 days (`feeds.FORGOTTEN`).
    """

    samples_late_s: int = Field(default=900, ge=60, lt=7 * 86_400)
    images_late_s: int = Field(default=7200, ge=60, lt=7 * 86_400)
