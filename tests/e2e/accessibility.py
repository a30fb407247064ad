"""What keeps somebody from using a page: what axe-core finds on it, and what the Tab key does not reach."""

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "frontend/node_modules/axe-core/axe.min.js"
GRAVE = ("serious", "critical")
OF_COLOURS = ["color-contrast", "link-in-text-block"]
"""All else is the same in the dark as in the light."""
LOOK = """async (rules) => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'], ...(rules && { runOnly: rules }) });
  return violations.map(({ id, impact, help, nodes }) => ({ id, impact, help,
    nodes: nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} (${failureSummary})`) }));
}"""
# A group of radio buttons is one stop, at the one that is chosen.
NUMBER_STOPS = """() => {
  const all = document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]');
  const stops = [...all].filter((element) => !element.disabled && element.tabIndex >= 0
    && !(element.type === 'radio' && !element.checked) && element.checkVisibility({ visibilityProperty: true }));
  stops.forEach((element) => (element.dataset.unreached = ''));
  document.addEventListener('focusin', ({ target }) => delete target.dataset.unreached);
  document.activeElement.blur();
  return stops.length;
}"""
UNREACHED = "[...document.querySelectorAll('[data-unreached]')].map((element) => element.outerHTML.slice(0, 200))"
MORE_THAN_STOPS = 10
"""Tabs may also go to the browser's own parts, and to what has appeared since."""


def grave_violations(page: Page) -> list[str]:
    """Serious and critical violations in light and in dark: rule, what it asks for, and the first elements."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text(encoding="utf-8"))  # as a script element, the page's own policy would refuse it
    found = []
    for scheme, rules in (("light", None), ("dark", OF_COLOURS)):
        # Colours that are on their way from one scheme to the other would be measured.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [
            f"{scheme}: {one['id']} ({one['impact']}): {one['help']}: {' | '.join(one['nodes'][:3])}"
            for one in page.evaluate(LOOK, rules)
            if one["impact"] in GRAVE
        ]
    return found


def out_of_reach(page: Page) -> list[str]:
    """Links, buttons and fields in the page that the Tab key does not come to."""
    for presses in (page.evaluate(NUMBER_STOPS), MORE_THAN_STOPS):
        for _ in range(presses):
            page.keyboard.press("Tab")
        # What has gone since it was counted, such as a job that has ended, is not there to be found.
        unreached: list[str] = page.evaluate(UNREACHED)
        if not unreached:
            break
    return unreached
