"""What keeps somebody from using a page: what axe-core finds on it, and what the Tab key does not reach."""

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "frontend/node_modules/axe-core/axe.min.js"
GRAVE = ("serious", "critical")
LOOK = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ['violations'] });
  return violations.map(({ id, impact, help, nodes }) => ({ id, impact, help,
    nodes: nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} (${failureSummary})`) }));
}"""
# A group of radio buttons is one stop, at the one that is chosen.
NUMBER_STOPS = """() => {
  const all = document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]');
  const stops = [...all].filter((element) => !element.disabled && element.tabIndex >= 0
    && !(element.type === 'radio' && !element.checked) && element.checkVisibility({ visibilityProperty: true }));
  stops.forEach((element, i) => (element.dataset.stop = i));
  document.activeElement.blur();
  return stops.length;
}"""
STOP = "document.activeElement.dataset.stop ?? null"
NAME = "(i) => document.querySelector(`[data-stop='${i}']`)?.outerHTML.slice(0, 200) ?? null"
MORE_THAN_STOPS = 10
"""Tabs may also go to the browser's own parts, and to what has appeared since."""


def grave_violations(page: Page) -> list[str]:
    """Serious and critical violations in light and in dark: rule, what it asks for, and the first elements."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text(encoding="utf-8"))  # as a script element, the page's own policy would refuse it
    found = []
    for scheme in ("light", "dark"):
        # Colours that are on their way from one scheme to the other would be measured.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found += [
            f"{scheme}: {one['id']} ({one['impact']}): {one['help']}: {' | '.join(one['nodes'][:3])}"
            for one in page.evaluate(LOOK)
            if one["impact"] in GRAVE
        ]
    return found


def out_of_reach(page: Page) -> list[str]:
    """Links, buttons and fields in the page that the Tab key does not come to."""
    n = page.evaluate(NUMBER_STOPS)
    reached: set[int] = set()
    for _ in range(n + MORE_THAN_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        reached |= {int(stop)} if stop is not None else set()
        if len(reached) == n:
            break
    # What has gone since it was counted, such as a job that has ended, cannot be reached.
    return [name for i in range(n) if i not in reached and (name := page.evaluate(NAME, i)) is not None]
