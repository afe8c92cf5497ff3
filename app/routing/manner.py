"""The manner of an answer: what a mode, presets and a template put into a request. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from app.contracts import Layer, Plan, Route, Thinking, Wishes
from app.errors import BadRequest
from app.routing.modes import Mode, Preset
from app.routing.nearest import nearest
from app.routing.templates import TemplateFault, Templates

_NO_MODE = Mode("")


@dataclass(frozen=True, slots=True)
class Manner:
    """Members set where the client sent none (JSON text), the system text, whether to think and how far the prompt may
    be said in fewer tokens (None: nobody says); and the names of the presets and the template that it was made of.
    """

    members: Mapping[str, bytes] = field(default_factory=dict)
    lens: str = ""
    thinking: Thinking | None = None
    scenes: Layer | None = None
    presets: Sequence[str] = ()
    template: str = ""


class Manners:
    """Modes, presets and templates by their names."""

    def __init__(
        self, modes: Mapping[str, Mode], presets: Mapping[str, Preset], templates: Templates
    ) -> None:
        self.modes = modes
        self._presets = presets
        self._templates = templates

    def of(self, wishes: Wishes) -> Manner:
        """The manner that somebody asks for. Raises BadRequest where a name is not known or a variable is wrong."""
        textless = self.textless(wishes)
        mode = self._mode_of(wishes)
        template = wishes.template or mode.template
        if wishes.variables and not template:
            raise BadRequest("'variables' belong to a template: name one.", param="hyperbridge.variables")
        own = mode.variables if template == mode.template else {}
        texts = (mode.lens, self._text(template, {**own, **wishes.variables}))
        return replace(textless, lens="\n\n".join(filter(None, texts)), template=template)

    def textless(self, wishes: Wishes) -> Manner:
        """The same without lens and template, whatever variables that one needs."""
        mode = self._mode_of(wishes)
        presets = (*mode.presets, *wishes.presets)
        members: dict[str, bytes] = {}
        for name in presets:
            members |= self._preset(name).members
        thinking = wishes.thinking or (None if mode.thinking == "auto" else mode.thinking)
        return Manner(members, thinking=thinking, scenes=wishes.scenes or mode.scenes, presets=presets)

    def stand_alone(self, mode: str) -> bool:
        """Whether nobody has to say anything for this mode, as the value of a variable that its template needs."""
        try:
            self.of(Wishes(mode=mode))
        except BadRequest:
            return False
        return True

    def _mode_of(self, wishes: Wishes) -> Mode:
        if not wishes.mode:
            return _NO_MODE
        return self.modes.get(wishes.mode) or _missing("mode", wishes.mode, self.modes)

    def _preset(self, name: str) -> Preset:
        return self._presets.get(name) or _missing("preset", name, self._presets)

    def _text(self, template: str, variables: Mapping[str, str]) -> str:
        if not template:
            return ""
        try:
            return self._templates.render(template, variables)
        except TemplateFault as fault:
            raise BadRequest(str(fault), param="hyperbridge.template") from None


def _missing(what: str, name: str, known: Collection[str]) -> NoReturn:
    near = nearest(name, known)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(sorted(known)) or "none"
    raise BadRequest(
        f"There is no {what} {name[:64]!r}.{hint} Known are: {listed}.", param=f"hyperbridge.{what}"
    )


def in_manner(plan: Plan, asked: Manner, whole: Manner) -> Plan:
    """The plan with what was asked for set above what its routes had, and with the lens of it all."""
    routes = [_route(route, asked) for route in plan.routes]
    shadow = plan.shadow and replace(plan.shadow, route=_route(plan.shadow.route, asked))
    return replace(plan, routes=routes, lens=whole.lens, shadow=shadow)


def _route(route: Route, asked: Manner) -> Route:
    return replace(
        route,
        defaults={**route.defaults, **asked.members},
        thinking=asked.thinking or route.thinking,
        scenes=asked.scenes or route.scenes,
    )
